"""Implementations of what more than one service needs from the world."""
