"""Questions that webhooks answers from its rows."""
