"""How well an installation finds, and how well it knows what it does not know."""
