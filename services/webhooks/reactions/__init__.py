"""What webhooks does to the world, and to its own aggregates as a consequence of facts."""
