"""Questions that ingest answers."""
