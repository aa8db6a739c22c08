"""Messages of the audit log: who did what, when, and from where."""

from datetime import datetime
from typing import ClassVar

from shared.contracts.base import Message, Page, PagedQuestion


class AuditEntry(Message):
    """One thing that somebody did. Holds no text of anybody's."""

    id: str
    """Of the event."""
    at: datetime
    actor: str
    """`user/<id>`, `session/<id>`, `token/<id>`, or `operator`."""
    user_id: str | None = None
    """Whose session or token it was."""
    action: str
    """The event's type without its version, for example `source.deleted`."""
    target: str
    """What it was done to, for example `source/<id>`."""
    address: str | None = None
    """Of the client. None: it is not known, or was erased with its user."""
    user_agent: str | None = None


class AuditEntries(Page):
    items: tuple[AuditEntry, ...]


class ListAudit(PagedQuestion[AuditEntries]):
    """Newest first."""

    service: ClassVar[str] = "gateway"
    name: ClassVar[str] = "list_audit"
    actor: str | None = None
    user_id: str | None = None
    action: str | None = None
    target: str | None = None
    since: datetime | None = None
    until: datetime | None = None
