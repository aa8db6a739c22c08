"""What may happen to webhooks. Pure: no clock, no ids, no I/O."""
