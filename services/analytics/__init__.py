"""Analytics: counts what happened, and what it cost.

Owns      aggregate `budget` (no feature of it is released yet)
Answers   health
"""
