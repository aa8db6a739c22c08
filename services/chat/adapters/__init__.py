"""Chat's ports, implemented."""
