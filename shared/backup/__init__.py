"""Backups: what the broker and the blob store hold, as files that any version of them can read."""
