"""How long services may take to leave, by what the operator has given the gateway for it."""

from collections.abc import Mapping
from math import isfinite
from typing import Final

NOTICE, DRAIN = "MINIRAG_NOTICE_SECONDS", "MINIRAG_DRAIN_SECONDS"
GIVEN: Final[Mapping[str, float]] = {NOTICE: 0.0, DRAIN: 15.0}
"""What the gateway takes where nothing is set, or nothing that is a number of seconds."""
CLOSE_SECONDS = 5.0
"""What a process needs, behind the last answer, to finish what it began and to close."""


def stop_seconds(env: Mapping[str, str]) -> float:
    """Seconds from the order to stop until a service that has not ended is killed.

    All of them get what the gateway gets: whoever is still inside needs them.
    """
    return sum(_seconds(env, name) for name in GIVEN) + CLOSE_SECONDS


def _seconds(env: Mapping[str, str], name: str) -> float:
    try:
        seconds = float(env[name])
    except (KeyError, ValueError):
        return GIVEN[name]
    return seconds if isfinite(seconds) and seconds >= 0 else GIVEN[name]
