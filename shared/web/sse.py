"""Server-sent events, in the bytes that clients of the original parse.

WHATWG HTML, section 9.2. Lines end with LF only, `event: ` and `data: ` keep their blank, data is
one line of ASCII JSON.
"""

import json
from collections.abc import Mapping
from typing import Any

MEDIA_TYPE = "text/event-stream"
HEADERS: Mapping[str, str] = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


def encode(event: str, data: Mapping[str, Any], event_id: int | None = None) -> bytes:
    """One event; `event_id` is what a client sends back as `Last-Event-ID`."""
    head = "" if event_id is None else f"id: {event_id}\n"
    return f"{head}event: {event}\ndata: {json.dumps(data)}\n\n".encode("ascii")
