"""Facts → effects through ports, and their outcomes as commands."""
