"""Measurements of a running installation, from outside."""
