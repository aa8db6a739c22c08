"""Questions that analytics answers from its rows."""
