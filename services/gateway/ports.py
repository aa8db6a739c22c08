"""What the gateway needs from the world, as protocols."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime
from typing import Literal, Protocol, Self

from shared.contracts.base import Message
from shared.contracts.chat import ChatScope
from shared.contracts.chat_frames import Frame
from shared.contracts.gateway import BrowserTokens, Role, Scope, WidgetAppearance, WidgetQuotas


class Principal(Message):
    """Who a credential speaks for, and how far."""

    kind: Literal["token", "session", "visitor"]
    id: str
    """Of the token, the session or the visitor."""
    tenant_id: str
    user_id: str = ""
    """Empty for a visitor."""
    role: Role = "member"
    scopes: tuple[Scope, ...] | None = None
    """None: all that the role allows."""
    bot_profile_id: str | None = None
    """Bound to one bot, and to the chats it has begun itself."""
    expires_at: datetime | None = None
    user_active: bool = True
    tenant_active: bool = True
    browser_tokens: BrowserTokens = "none"
    key_id: str | None = None
    """The widget key a visitor came with."""
    quotas: WidgetQuotas | None = None

    @property
    def actor(self) -> str:
        return f"user/{self.user_id}" if self.kind == "session" else f"{self.kind}/{self.id}"

    @property
    def chat_scope(self) -> ChatScope | None:
        """The chats it may see; None: all of the tenant."""
        if self.bot_profile_id is None:
            return None
        visitor = self.id if self.kind == "visitor" else None
        token = self.id if self.kind == "token" else None
        return ChatScope(bot_profile_id=self.bot_profile_id, visitor_id=visitor, token_id=token)


class WidgetKey(Message):
    """A public key and what it gives."""

    key_id: str
    tenant_id: str
    bot_profile_id: str
    allowed_origins: tuple[str, ...]
    quotas: WidgetQuotas
    appearance: WidgetAppearance = WidgetAppearance()
    is_active: bool
    tenant_active: bool


class Passwords(Protocol):
    async def hash(self, password: str) -> bytes:
        """Encoded Argon2id hash. Raise `QuotaExceeded` when too many are waiting."""
        ...

    async def verify(self, encoded: bytes | None, password: str) -> bool:
        """Whether `password` is the one. False, after the same time, if there is no hash."""
        ...

    def needs_rehash(self, encoded: bytes) -> bool:
        """Whether it was made with weaker parameters than are in use."""
        ...


class FrameSource(Protocol):
    async def ends(self, tenant_id: str, turn_id: str, number: int) -> bool:
        """Whether this frame is the terminal one, as far as it is still kept."""
        ...

    async def stored(self, tenant_id: str, turn_id: str) -> list[Frame]:
        """All frames that are still kept, in order. Raises `Unavailable`."""
        ...

    def follow(
        self, tenant_id: str, turn_id: str, after: int, idle: float, *, begun: bool = False
    ) -> AsyncGenerator[Frame | None, None]:
        """Frames behind `after` in order, without gap or repetition, until the terminal one.

        Yields None whenever nothing came for `idle` seconds. What was told before is looked for if
        the turn has `begun`.
        """
        ...

    def losses(self) -> int:
        """How often, so far, frames may have been lost that are not kept either."""
        ...


class Principals(Protocol):
    async def of_token(self, token_hash: str) -> Principal | None:
        """Who an API token speaks for that is not revoked, or None."""
        ...

    async def of_session(self, tenant_id: str, session_id: str) -> Principal | None:
        """Who is logged in, or None if the session is over."""
        ...

    async def of_widget_key(self, tenant_id: str, key_id: str) -> WidgetKey | None:
        """What a widget key gives, or None if there is none."""
        ...


class AccessClaims(Message):
    """What an access token says."""

    tenant_id: str
    user_id: str
    session_id: str


class RefreshClaims(Message):
    tenant_id: str
    session_id: str
    generation: int


class VisitorClaims(Message):
    tenant_id: str
    visitor_id: str
    key_id: str
    bot_profile_id: str
    origin: str


class SignedTokens(Protocol):
    """JSON web tokens of our own making. Reading raises `NotAuthenticated`."""

    @property
    def access_seconds(self) -> int:
        """How long an access token lasts."""
        ...

    def access(self, claims: AccessClaims, role: Role, now: datetime) -> tuple[str, int]:
        """The token, and the seconds that it lasts."""
        ...

    def read_access(self, token: str) -> AccessClaims | VisitorClaims: ...

    def refresh(self, claims: RefreshClaims, now: datetime, expires_at: datetime) -> str: ...

    def read_refresh(self, token: str) -> RefreshClaims: ...

    def visitor(self, claims: VisitorClaims, now: datetime) -> tuple[str, int]: ...

    def read_visitor(self, token: str, *, also_expired: bool = False) -> VisitorClaims: ...


class Counters(Protocol):
    """Counts that all gateways share, each within one span of time."""

    async def add(self, name: str, amount: int, window: int) -> tuple[int, int]:
        """Add to `name` in the present window of so many seconds.

        Returns the sum, and the seconds until the window ends. Raises `Unavailable`.
        """
        ...


class Replay(Message):
    """What is kept of a request with an `Idempotency-Key`."""

    seed: bytes
    """Random; what the request makes follows from it, so that doing it again makes the same."""
    fingerprint: str | None = None
    leased_until: datetime | None = None
    """Somebody works at it until then; None: nobody does."""
    status: int | None = None
    """Of the answer, once there is one."""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    by_repeating: bool = False
    """The answer is had by doing it again: a stream, or more than can be kept."""


class Replays(Protocol):
    """Answers to requests that may come again; for a day, and never readable in clear."""

    async def get(self, name: str) -> tuple[Replay, int] | None:
        """What is kept, and its revision. Raises `Unavailable`."""
        ...

    async def put(self, name: str, replay: Replay, revision: int) -> int | None:
        """Keep it, if `revision` is still the last (0: there is none yet).

        Returns the new revision, or None if somebody else was first. Raises `Unavailable`, and
        `TooLarge` if it cannot be kept.
        """
        ...


LetterKind = Literal["event", "command", "job", "timer"]
LETTER_KINDS: Mapping[str, LetterKind] = {
    "evt": "event",
    "cmd": "command",
    "job": "job",
    "tick": "timer",
}
"""By the first part of a subject."""


class DeadLetter(Message):
    """A message that was given up, as its tenant may see it."""

    id: str
    given_up: str
    """When, in ISO 8601."""
    service: str
    kind: LetterKind
    aggregate: str
    aggregate_id: str
    name: str

    @classmethod
    def about(cls, subject: str, *, id: str, given_up: str, service: str) -> Self:  # noqa: A002  as the field
        """Of a message with this subject."""
        kind, _, aggregate, *rest = [*subject.split("."), "", "", ""]
        return cls(
            id=id,
            given_up=given_up,
            service=service,
            kind=LETTER_KINDS.get(kind, "event"),
            aggregate=aggregate,
            aggregate_id=rest[0],
            name=rest[1],
        )


class DeadLetters(Protocol):
    async def of_tenant(self, tenant_id: str) -> Sequence[DeadLetter]:
        """Those that lie there still, newest first. Raise `Unavailable`."""
        ...
