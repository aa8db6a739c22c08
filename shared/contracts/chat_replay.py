"""Messages of the chat service about asking once more what was asked in a past turn."""

from typing import Literal

from shared.contracts.base import Message

Passages = Literal["today", "then"]
"""What the answer is given from: what is found now, or what the past turn was given."""


class Replay(Message):
    """The turn whose question is asked again, after what was said before it."""

    chat_id: str
    turn_id: str
    passages: Passages = "today"
