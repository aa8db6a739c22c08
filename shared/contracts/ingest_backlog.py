"""What the gateway asks ingest before it takes work in for a tenant."""

from typing import ClassVar

from shared.contracts.base import Message, Question


class Admission(Message):
    """Whether there is room."""

    retry_after: float | None = None
    """Seconds after which to try again; none: there is room."""


class AskAdmission(Question[Admission]):
    """Is there room for the work of one more source? Asked before a source is made for a bot, and
    perhaps below a parent; or before `source_id` is ingested.

    If there is no room, what else would be wrong with the request is refused first.
    """

    service: ClassVar[str] = "ingest"
    name: ClassVar[str] = "ask_admission"
    bot_profile_id: str | None = None
    parent_id: str | None = None
    source_id: str | None = None
