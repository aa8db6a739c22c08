"""Facts that analytics counts, and budgets, as rows."""
