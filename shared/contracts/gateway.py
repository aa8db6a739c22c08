"""Messages of the gateway: tenants, their people, sessions, API tokens and widget keys."""

import hashlib
from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from shared.contracts.base import Claim, Command, Event, Keyed, Message, Personal

Role = Literal["owner", "admin", "member"]
Scope = Literal["chat", "read", "write", "admin", "events"]
"""What a credential may be used for: ask bots; read; change bots and sources; manage people,
tokens, widget keys, webhooks and the tenant itself; follow events, and nothing else.
"""
BrowserTokens = Literal["none", "bot_bound", "all"]
"""Which secret tokens a foreign web page may use. `bot_bound`: those that reach one bot only."""
PersonalText = Annotated[str, Personal()]
MaybePersonalText = Annotated[str | None, Personal()]
LONGEST_ID = 64
"""Characters of an aggregate's id, as a subject takes them."""


class TenantMessage(Keyed):
    aggregate: ClassVar[str] = "tenant"
    tenant_id: str

    @property
    @override
    def aggregate_id(self) -> str:
        return self.tenant_id


class RegisterTenant(TenantMessage, Command):
    """Create a tenant with its owner and a first API token, all or none."""

    verb: ClassVar[str] = "register"
    name: str
    slug: str
    owner_id: str
    owner_email: PersonalText
    owner_email_hash: str
    owner_display_name: PersonalText
    password_ref: str
    token_id: str
    token_name: str = "default"  # noqa: S105  a label, not a secret
    token_hash: str
    token_prefix: str

    @property
    @override
    def data_subject(self) -> str:
        return f"user/{self.owner_id}"


class UpdateTenant(TenantMessage, Command):
    """Change what is named, leave the rest."""

    verb: ClassVar[str] = "update"
    name: str | None = None
    browser_tokens: BrowserTokens | None = None


class DeactivateTenant(TenantMessage, Command):
    """Shut a tenant out. An operator's order; nobody inside the tenant can give it."""

    verb: ClassVar[str] = "deactivate"


class ReactivateTenant(TenantMessage, Command):
    verb: ClassVar[str] = "reactivate"


class TenantRegistered(TenantMessage, Event):
    name: ClassVar[str] = "registered"
    tenant_name: str
    slug: str
    plan: str = "free"


class TenantUpdated(TenantMessage, Event):
    """The settings as they are from now on."""

    name: ClassVar[str] = "updated"
    tenant_name: str
    browser_tokens: BrowserTokens


class TenantDeactivated(TenantMessage, Event):
    name: ClassVar[str] = "deactivated"


class TenantReactivated(TenantMessage, Event):
    name: ClassVar[str] = "reactivated"


class TenantImported(TenantMessage, Event):
    """All that an archive held stands in the log before this."""

    name: ClassVar[str] = "imported"
    archive: str
    """SHA-256 of its events."""
    events: int


class SlugClaimed(Claim):
    """A slug is one tenant's for good, across all tenants."""

    aggregate: ClassVar[str] = "tenant_slug"
    name: ClassVar[str] = "claimed"
    spans_tenants: ClassVar[bool] = True
    in_clear: ClassVar[bool] = True
    """Its subject holds the slug too, and the slug stays taken when the tenant is erased."""
    slug: str
    tenant_id: str

    @property
    @override
    def aggregate_id(self) -> str:
        """The slug, or a name of its own for one too long to stand in a subject."""
        if len(self.slug) <= LONGEST_ID:
            return self.slug
        # A slug holds no underscore, so a long one can be taken for no short one.
        return f"{self.slug[:31]}_{hashlib.sha256(self.slug.encode()).hexdigest()[:32]}"

    @property
    @override
    def taken(self) -> str:
        return f"Slug '{self.slug}' is already taken"


class DirectoryMessage(Keyed):
    """About one person. All people of a tenant are one aggregate: that an e-mail is used once and
    that an owner is left are rules about all of them together.
    """

    aggregate: ClassVar[str] = "directory"
    tenant_id: str
    user_id: str

    @property
    @override
    def aggregate_id(self) -> str:
        return self.tenant_id

    @property
    @override
    def data_subject(self) -> str:
        return f"user/{self.user_id}"


class CreateUser(DirectoryMessage, Command):
    verb: ClassVar[str] = "create_user"
    actor_id: str
    """The user who orders it; the role it has when this is decided counts."""
    email: PersonalText
    email_hash: str
    display_name: PersonalText
    role: Role
    password_ref: str


class UpdateUser(DirectoryMessage, Command):
    """Change what is not null."""

    verb: ClassVar[str] = "update_user"
    actor_id: str
    email: MaybePersonalText = None
    email_hash: str | None = None
    display_name: MaybePersonalText = None
    role: Role | None = None
    is_active: bool | None = None
    password_ref: str | None = None


class DeactivateUser(DirectoryMessage, Command):
    verb: ClassVar[str] = "deactivate_user"
    actor_id: str


class EraseUser(DirectoryMessage, Command):
    """Ordered by the erasure that an owner asked for."""

    verb: ClassVar[str] = "erase_user"


class ChangePassword(DirectoryMessage, Command):
    """A user's own doing."""

    verb: ClassVar[str] = "change_password"
    password_ref: str
    kept_session: str | None = None


class UserCreated(DirectoryMessage, Event):
    name: ClassVar[str] = "user_created"
    email: PersonalText
    email_hash: str
    """Keyed with the tenant's key: tells the same address again, and nothing else."""
    display_name: PersonalText
    role: Role
    password_ref: str
    """Where in the vault the Argon2id hash lies."""


class UserUpdated(DirectoryMessage, Event):
    """What changed; null is unchanged."""

    name: ClassVar[str] = "user_updated"
    email: MaybePersonalText = None
    email_hash: str | None = None
    display_name: MaybePersonalText = None
    role: Role | None = None


class UserDeactivated(DirectoryMessage, Event):
    """The user's sessions end with it, and its API tokens open nothing."""

    name: ClassVar[str] = "user_deactivated"


class UserReactivated(DirectoryMessage, Event):
    name: ClassVar[str] = "user_reactivated"


class UserErased(DirectoryMessage, Event):
    """The user's key is destroyed; nothing is left but an id."""

    name: ClassVar[str] = "user_erased"


class UserPasswordChanged(DirectoryMessage, Event):
    """The user's sessions end with it, but for the one it was done in."""

    name: ClassVar[str] = "user_password_changed"
    password_ref: str
    kept_session: str | None = None


class SessionMessage(Keyed):
    """One login. Its refresh token is rotated: only the newest generation is good."""

    aggregate: ClassVar[str] = "session"
    session_id: str

    @property
    @override
    def aggregate_id(self) -> str:
        return self.session_id


class StartSession(SessionMessage, Command):
    verb: ClassVar[str] = "start"
    user_id: str
    expires_at: datetime
    address_hash: str


class RefreshSession(SessionMessage, Command):
    """Somebody presents the refresh token of this generation."""

    verb: ClassVar[str] = "refresh"
    generation: int
    expires_at: datetime


class EndSession(SessionMessage, Command):
    verb: ClassVar[str] = "end"


class SessionStarted(SessionMessage, Event):
    name: ClassVar[str] = "started"
    user_id: str
    expires_at: datetime
    address_hash: str
    """Of the client's address, keyed with the tenant's key: tells a known place again."""


class SessionRefreshed(SessionMessage, Event):
    name: ClassVar[str] = "refreshed"
    generation: int
    refreshed_at: datetime
    expires_at: datetime


class SessionEnded(SessionMessage, Event):
    name: ClassVar[str] = "ended"
    reason: Literal["logout", "reuse"]
    """`reuse`: a spent refresh token came again, so somebody may have stolen one."""


class ApiTokenMessage(Keyed):
    aggregate: ClassVar[str] = "api_token"
    token_id: str

    @property
    @override
    def aggregate_id(self) -> str:
        return self.token_id


class TokenSettings(Message):
    """What a token is, as both its order and its fact tell it."""

    token_name: str
    token_hash: str
    token_prefix: str
    user_id: str
    expires_at: datetime | None = None
    scopes: tuple[Scope, ...] | None = None
    """None: all that the role of its maker allows."""
    bot_profile_id: str | None = None


class IssueApiToken(ApiTokenMessage, TokenSettings, Command):
    """Make a token known. The raw token never leaves the gateway: only its SHA-256 is told."""

    verb: ClassVar[str] = "issue"


class RevokeApiToken(ApiTokenMessage, Command):
    verb: ClassVar[str] = "revoke"


class RecordTokenUse(ApiTokenMessage, Command):
    verb: ClassVar[str] = "record_use"
    used_at: datetime


class ApiTokenIssued(ApiTokenMessage, TokenSettings, Event):
    name: ClassVar[str] = "issued"


class ApiTokenRevoked(ApiTokenMessage, Event):
    name: ClassVar[str] = "revoked"
    token_hash: str


class ApiTokenUsed(ApiTokenMessage, Event):
    """Told now and then, not for every use."""

    name: ClassVar[str] = "used"
    used_at: datetime


class WidgetQuotas(Message):
    """How much a widget key gives, at most. Null is no limit."""

    questions_per_day: int | None = Field(default=5_000, ge=1)
    """For all visitors together."""
    questions_per_visitor_hour: int | None = Field(default=60, ge=1)
    questions_per_address_hour: int | None = Field(default=300, ge=1)
    sessions_per_address_hour: int | None = Field(default=120, ge=1)


Colour = Annotated[str, Field(pattern=r"^(?:#[0-9a-fA-F]{6})?$")]


class WidgetAppearance(Message):
    """How the widget looks and greets. What is empty is as the page or the widget has it."""

    heading: str = Field(default="", max_length=255)
    greeting: str = Field(default="", max_length=1000)
    starters: Annotated[tuple[Annotated[str, Field(max_length=200)], ...], Field(max_length=6)] = ()
    """Questions that a visitor can begin with."""
    accent: Colour = ""
    """`#rrggbb`: what is highlighted."""
    launcher: Colour = ""
    """`#rrggbb`: the round button."""
    position: Literal["", "left", "right"] = ""
    theme: Literal["", "auto", "light", "dark"] = ""
    language: Literal["", "en", "de"] = ""


class WidgetKeySettings(Message):
    """What can be changed about a widget key."""

    key_name: str
    allowed_origins: tuple[str, ...]
    """`https://shop.example` or `https://*.example.com`; none: no page may use it."""
    quotas: WidgetQuotas = WidgetQuotas()
    appearance: WidgetAppearance = WidgetAppearance()


class WidgetKeyMessage(Keyed):
    aggregate: ClassVar[str] = "widget_key"
    key_id: str

    @property
    @override
    def aggregate_id(self) -> str:
        return self.key_id


class CreateWidgetKey(WidgetKeyMessage, Command):
    verb: ClassVar[str] = "create"
    public_key: str
    """Not a secret: it stands in web pages."""
    bot_profile_id: str
    settings: WidgetKeySettings


class UpdateWidgetKey(WidgetKeyMessage, Command):
    """Change what is not null."""

    verb: ClassVar[str] = "update"
    key_name: str | None = None
    allowed_origins: tuple[str, ...] | None = None
    quotas: WidgetQuotas | None = None
    appearance: WidgetAppearance | None = None


class RevokeWidgetKey(WidgetKeyMessage, Command):
    verb: ClassVar[str] = "revoke"


class WidgetKeyCreated(WidgetKeyMessage, Event):
    name: ClassVar[str] = "created"
    public_key: str
    bot_profile_id: str
    settings: WidgetKeySettings


class WidgetKeyUpdated(WidgetKeyMessage, Event):
    """The settings as they are from now on."""

    name: ClassVar[str] = "updated"
    settings: WidgetKeySettings


class WidgetKeyRevoked(WidgetKeyMessage, Event):
    name: ClassVar[str] = "revoked"


TenantCommand = RegisterTenant | UpdateTenant | DeactivateTenant | ReactivateTenant
TenantEvent = (
    TenantRegistered | TenantUpdated | TenantDeactivated | TenantReactivated | TenantImported
)
DirectoryCommand = CreateUser | UpdateUser | DeactivateUser | EraseUser | ChangePassword
DirectoryEvent = (
    UserCreated | UserUpdated | UserDeactivated | UserReactivated | UserErased | UserPasswordChanged
)
SessionCommand = StartSession | RefreshSession | EndSession
SessionEvent = SessionStarted | SessionRefreshed | SessionEnded
ApiTokenCommand = IssueApiToken | RevokeApiToken | RecordTokenUse
ApiTokenEvent = ApiTokenIssued | ApiTokenRevoked | ApiTokenUsed
WidgetKeyCommand = CreateWidgetKey | UpdateWidgetKey | RevokeWidgetKey
WidgetKeyEvent = WidgetKeyCreated | WidgetKeyUpdated | WidgetKeyRevoked
