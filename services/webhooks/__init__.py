"""Webhooks: tells other systems, signed and until they have heard.

Owns      aggregates `webhook_endpoint`, `delivery` (no feature of it is released yet)
Answers   health
"""
