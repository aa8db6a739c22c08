"""A moment that replicas tell each other, and when that was told: clocks may be put back."""

SLACK_SECONDS = 30.0
"""By which the clocks of replicas may differ."""


def told(at: float, now: float) -> bytes:
    """The moment `at` as it is kept; both in seconds since 1970."""
    return f"{at!r} {now!r}".encode()


def read(kept: bytes | None, now: float) -> float:
    """The moment, or 0 if it was told at a time that is to come: the clock was put back since, and
    nobody knows how much is left. What was a second would else be as long as the clock was ahead.
    """
    if not kept:
        return 0.0
    at, then = map(float, kept.split())
    return at if then <= now + SLACK_SECONDS else 0.0
