"""The ports of webhooks, implemented."""
