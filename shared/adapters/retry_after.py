"""`Retry-After`, as the servers of others send it."""

import math
from datetime import UTC
from email.utils import parsedate_to_datetime

from shared.kernel.clock import utc_now

LONGEST = 999_999_999.0
"""Seconds; who says more says nothing."""


def retry_after_seconds(value: str | None) -> float | None:
    """Seconds from now that a header asks to wait, in either of its forms (RFC 9110, section
    10.2.3) or as a decimal, which some services send; None if it says nothing of use.
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        return _until(value)
    return None if math.isnan(seconds) or seconds < 0 else min(seconds, LONGEST)


def _until(date: str) -> float | None:
    try:
        at = parsedate_to_datetime(date)
    except ValueError:
        return None
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (aware - utc_now()).total_seconds())
