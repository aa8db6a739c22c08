"""The command `minirag`."""
