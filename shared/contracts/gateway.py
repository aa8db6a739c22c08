"""Messages of the gateway: tenants, users and API tokens."""

import hashlib
from datetime import datetime
from typing import Annotated, ClassVar, Literal

from typing_extensions import override

from shared.contracts.base import Claim, Command, Event, Keyed, Message, Personal

Role = Literal["owner", "admin", "member"]
PersonalText = Annotated[str, Personal()]
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


class TenantRegistered(TenantMessage, Event):
    name: ClassVar[str] = "registered"
    tenant_name: str
    slug: str
    plan: str = "free"


class SlugClaimed(Claim):
    """A slug is one tenant's for good, across all tenants."""

    aggregate: ClassVar[str] = "tenant_slug"
    name: ClassVar[str] = "claimed"
    spans_tenants: ClassVar[bool] = True
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


class UserEvent(Event):
    aggregate: ClassVar[str] = "user"
    user_id: str

    @property
    @override
    def aggregate_id(self) -> str:
        return self.user_id

    @property
    @override
    def data_subject(self) -> str:
        return f"user/{self.user_id}"


class UserCreated(UserEvent):
    name: ClassVar[str] = "created"
    email: PersonalText
    display_name: PersonalText
    role: Role
    password_ref: str
    """Where in the vault the Argon2id hash lies."""


class EmailClaimed(Claim):
    """An e-mail address is one user's within a tenant; only its keyed hash is told."""

    aggregate: ClassVar[str] = "user_email"
    name: ClassVar[str] = "claimed"
    email_hash: str
    user_id: str

    @property
    @override
    def aggregate_id(self) -> str:
        return self.email_hash

    @property
    @override
    def taken(self) -> str:
        return "A user with this email already exists in this tenant"


class ApiTokenMessage(Keyed):
    aggregate: ClassVar[str] = "api_token"
    token_id: str

    @property
    @override
    def aggregate_id(self) -> str:
        return self.token_id


class IssueApiToken(ApiTokenMessage, Command):
    """Make a token known. The raw token never leaves the gateway: only its SHA-256 is told."""

    verb: ClassVar[str] = "issue"
    token_name: str
    token_hash: str
    token_prefix: str
    user_id: str
    expires_at: datetime | None = None


class RevokeApiToken(ApiTokenMessage, Command):
    verb: ClassVar[str] = "revoke"


class ApiTokenIssued(ApiTokenMessage, Event):
    name: ClassVar[str] = "issued"
    token_name: str
    token_hash: str
    token_prefix: str
    user_id: str
    expires_at: datetime | None = None


class ApiTokenRevoked(ApiTokenMessage, Event):
    name: ClassVar[str] = "revoked"
    token_hash: str


TenantCommand = RegisterTenant
TenantEvent = TenantRegistered
ApiTokenCommand = IssueApiToken | RevokeApiToken
ApiTokenEvent = ApiTokenIssued | ApiTokenRevoked


class TenantView(Message):
    id: str
    name: str
    slug: str
    is_active: bool
    plan: str


class ApiTokenView(Message):
    id: str
    tenant_id: str
    name: str
    token_prefix: str
    is_active: bool
    expires_at: datetime | None
    last_used_at: datetime | None
    created_at: datetime


class Principal(Message):
    """Who a token speaks for."""

    tenant_id: str
    user_id: str
    token_id: str
    role: Role
    expires_at: datetime | None = None
    user_active: bool = True
