"""What ingest does to the world, and to its own sources as a consequence of facts."""
