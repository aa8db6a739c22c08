"""Ingest's ports, implemented."""
