"""Facts that chat shows, as rows and points."""
