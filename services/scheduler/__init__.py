"""Scheduler: wakes what has to happen at a time.

Owns      aggregate `schedule` (no feature of it is released yet)
Answers   health
"""
