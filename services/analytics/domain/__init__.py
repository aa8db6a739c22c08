"""What usage costs and how waits are counted. Pure: no clock, no ids, no I/O."""
