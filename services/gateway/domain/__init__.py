"""What may happen to tenants, their people, sessions, API tokens and widget keys."""
