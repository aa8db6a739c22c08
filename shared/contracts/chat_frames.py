"""What a turn is streamed in."""

from collections.abc import Mapping
from typing import Any, Literal

from shared.contracts.base import Message

FrameName = Literal[
    "turn",
    "sources",
    "citations",
    "delta",
    "refused",
    "restart",
    "reset",
    "done",
    "error",
    "heartbeat",
]
"""`restart` is the name that `reset` had once."""


class Frame(Message):
    """One piece of a streamed turn. `i` counts from 1 without gaps within a turn."""

    i: int
    event: FrameName
    data: Mapping[str, Any]

    @property
    def terminal(self) -> bool:
        return self.event in ("done", "error")
