"""The six services of MiniRAG. Each package's docstring is its service card."""
