"""From facts to the rows of ingest."""
