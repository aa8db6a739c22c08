"""HTTP details shared by every route: problems, streams, limits."""
