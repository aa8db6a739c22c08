"""The only place that makes identifiers."""

import hashlib
import re
from uuid import UUID, uuid4  # noqa: TID251  the one allowed maker

TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What may stand in one token of a subject: no dot, blank, `*` or `>` can come from outside."""


def new_id() -> str:
    """A random UUID v4, as the public contract wants ids."""
    return str(uuid4())


def derived_id(*parts: str) -> str:
    """The id that follows from `parts` alone.

    The same cause and purpose give the same id, so that a redelivered cause repeats no effect.
    Made of SHA-256, in the form of UUID v4 because the public contract promises that form for
    every id.
    """
    digest = hashlib.sha256("\x1f".join(parts).encode()).digest()
    return str(UUID(bytes=digest[:16], version=4))


def subject_token(value: str) -> str:
    """Return `value` unchanged if it may stand in a subject; raise `ValueError` otherwise."""
    if not TOKEN.fullmatch(value):
        raise ValueError(f"{value!r} cannot stand in a subject")
    return value
