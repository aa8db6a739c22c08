"""Every error a service raises on purpose.

MiniRagError
├── Refused               the caller is wrong; never retried; reaches the client as 4xx
│   ├── NotAuthenticated      401
│   ├── NotPermitted          403
│   ├── NotFound              404
│   ├── Conflict              409
│   ├── TooLarge              413
│   ├── InvalidCommand        422
│   └── QuotaExceeded         429
│       └── BacklogFull           too many sources of a tenant wait
├── StaleVersion          someone appended first; the command handler decides again
├── Unavailable           the world is wrong; redelivered with back-off, then dead-lettered
│   ├── Throttled             it asks for a pause
│   └── Unknown               a write whose acknowledgement was lost: neither done nor failed
└── Unusable              configuration or state this process must not run with; it stops
"""

from typing import ClassVar


class MiniRagError(Exception):
    """Base of every error raised on purpose. Anything else is a bug."""


class Refused(MiniRagError):
    """A rule said no. `code` is stable API; `detail` is for people; `field` is the one at fault."""

    code: ClassVar[str] = "refused"

    def __init__(self, detail: str, *, field: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field


class NotAuthenticated(Refused):
    code = "not-authenticated"


class NotPermitted(Refused):
    code = "not-permitted"


class NotFound(Refused):
    code = "not-found"


class Conflict(Refused):
    code = "conflict"


class TooLarge(Refused):
    code = "too-large"


class InvalidCommand(Refused):
    code = "invalid"


class QuotaExceeded(Refused):
    """`retry_after` is in seconds."""

    code = "quota-exceeded"

    def __init__(
        self, detail: str, *, field: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(detail, field=field)
        self.retry_after = retry_after


class BacklogFull(QuotaExceeded):
    """So many sources of the tenant wait or are worked on that no more work is taken in."""

    code = "backlog-full"


class StaleVersion(MiniRagError):
    """The aggregate moved between read and append."""


class Unavailable(MiniRagError):
    """A dependency failed in a way that may pass."""


class Throttled(Unavailable):
    """A provider asks for a pause; `retry_after` is in seconds, None if it does not say."""

    def __init__(self, detail: str, *, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class Unknown(Unavailable):
    """A write was sent and its acknowledgement lost: it may or may not be stored."""


class Unusable(MiniRagError):
    """Going on would lose or corrupt something; the message says what to change."""


def refused(code: str, detail: str, field: str | None = None) -> Refused:
    """The refusal with this `code`, as it arrived from another service."""
    return REFUSALS.get(code, Refused)(detail, field=field)


REFUSALS: dict[str, type[Refused]] = {
    BacklogFull.code: BacklogFull,
    **{cls.code: cls for cls in Refused.__subclasses__()},
}
