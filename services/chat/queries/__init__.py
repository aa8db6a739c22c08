"""Questions that chat answers from its rows."""
