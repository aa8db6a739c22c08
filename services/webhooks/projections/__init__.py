"""Facts that webhooks shows, as rows."""
