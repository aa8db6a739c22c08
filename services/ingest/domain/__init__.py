"""What ingest decides."""
