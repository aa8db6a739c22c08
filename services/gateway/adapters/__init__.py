"""What the gateway needs from the world."""
