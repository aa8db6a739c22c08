"""What makes a list of handlers a running service."""
