"""Questions about identity, answered from rows."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    Select,
    and_,
    func,
    literal,
    or_,
    select,
    union_all,
)

from services.gateway.domain.letters import Letter
from services.gateway.domain.retention import Retention
from services.gateway.ports import Principal, WidgetKey
from services.gateway.tables import (
    api_tokens,
    audit_entries,
    dead_letters,
    erasures,
    known_addresses,
    sessions,
    tenants,
    users,
    widget_keys,
)
from shared.adapters.envelope import DataKeys
from shared.adapters.origins import open_origin
from shared.adapters.pages import cut, page_of, read_page
from shared.adapters.read_model import ReadModelStore
from shared.contracts.audit import AuditEntries, AuditEntry, ListAudit
from shared.contracts.base import Message, Metadata
from shared.contracts.gateway import BrowserTokens, Role, Scope, WidgetAppearance, WidgetQuotas
from shared.contracts.gateway_erasure import (
    ErasureView,
    ErasureViews,
    GetErasure,
    GetRetention,
    ListErasures,
    RetentionView,
)
from shared.contracts.gateway_letters import (
    GetLetterStates,
    LetterStates,
    ListSettledLetters,
    SettledLetter,
    SettledLetters,
)
from shared.kernel.emails import email_key
from shared.kernel.errors import NotFound

AUDIT_BYTES = 1200
"""Of one entry as JSON, at most."""
ERASURE_BYTES = 1000
SETTLED_LETTERS = 100


class TenantView(Message):
    id: str
    name: str
    slug: str
    is_active: bool
    plan: str
    browser_tokens: BrowserTokens


class UserView(Message):
    id: str
    tenant_id: str
    email: str
    display_name: str
    role: Role
    is_active: bool


class ApiTokenView(Message):
    id: str
    tenant_id: str
    name: str
    token_prefix: str
    scopes: tuple[Scope, ...] | None
    bot_profile_id: str | None
    is_active: bool
    expires_at: datetime | None
    last_used_at: datetime | None
    created_at: datetime


class WidgetKeyView(Message):
    id: str
    tenant_id: str
    bot_profile_id: str
    public_key: str
    name: str
    allowed_origins: tuple[str, ...]
    quotas: WidgetQuotas
    appearance: WidgetAppearance
    is_active: bool
    created_at: datetime


class Account(Message):
    """A user as a login sees it."""

    tenant_id: str
    tenant_slug: str
    tenant_active: bool
    user_id: str
    user_active: bool
    role: Role
    password_ref: str


class SessionView(Message):
    """A session that is not over."""

    user_id: str
    role: Role
    generation: int
    expires_at: datetime


class IdentityQueries:
    """Reads the model `gateway_identity`."""

    def __init__(self, store: ReadModelStore) -> None:
        self._store = store

    # Whoever is not known yet has no tenant: these look across all of them

    async def of_token(self, token_hash: str) -> Principal | None:
        """Who an API token speaks for that is not revoked."""
        query = (
            select(
                api_tokens.c.tenant_id,
                api_tokens.c.id,
                api_tokens.c.user_id,
                api_tokens.c.scopes,
                api_tokens.c.bot_profile_id,
                api_tokens.c.expires_at,
                users.c.role,
                users.c.is_active.label("user_active"),
                tenants.c.is_active.label("tenant_active"),
                tenants.c.browser_tokens,
            )
            .join(users, _maker(api_tokens.c.user_id, api_tokens.c.tenant_id))
            .join(tenants, tenants.c.tenant_id == api_tokens.c.tenant_id)
            .where(api_tokens.c.token_hash == token_hash, api_tokens.c.is_active)
        )
        row = await self._across(query)
        return None if row is None else Principal.model_validate({"kind": "token", **row})

    async def widget_key_of(self, public_key: str) -> WidgetKey | None:
        """What a public key gives that somebody sends."""
        row = await self._across(_widget_key().where(widget_keys.c.public_key == public_key))
        return None if row is None else WidgetKey.model_validate(dict(row))

    async def accounts(self, email: str, tenant_slug: str | None, limit: int) -> Sequence[Account]:
        """Users with this address, in whatever tenants; the oldest first, as nobody can make an
        older one.
        """
        query = (
            select(
                users.c.tenant_id,
                tenants.c.slug.label("tenant_slug"),
                tenants.c.is_active.label("tenant_active"),
                users.c.id.label("user_id"),
                users.c.is_active.label("user_active"),
                users.c.role,
                users.c.password_ref,
            )
            .join(tenants, tenants.c.tenant_id == users.c.tenant_id)
            .where(users.c.email_key == email_key(email))
            .order_by(users.c.created_at, users.c.id)
            .limit(limit)
        )
        if tenant_slug is not None:
            query = query.where(tenants.c.slug == tenant_slug)
        async with self._store.engine.connect() as db:
            rows = (await db.execute(query)).mappings().all()
        return [Account.model_validate(dict(row)) for row in rows]

    async def tenant_id_of(self, slug: str) -> str | None:
        """What is shown; the log decides."""
        async with self._store.engine.connect() as db:
            query = select(tenants.c.tenant_id).where(tenants.c.slug == slug)
            found: str | None = await db.scalar(query)
        return found

    # Within a tenant

    async def of_session(self, tenant_id: str, session_id: str) -> Principal | None:
        """Who is logged in, or None if the session is over."""
        query = (
            select(
                users.c.tenant_id,
                sessions.c.id,
                sessions.c.user_id,
                users.c.role,
                users.c.is_active.label("user_active"),
                tenants.c.is_active.label("tenant_active"),
            )
            .join(users, _maker(sessions.c.user_id, sessions.c.tenant_id))
            .join(tenants, tenants.c.tenant_id == sessions.c.tenant_id)
            .where(_open_session(tenant_id, session_id))
        )
        row = await self._one(tenant_id, query)
        return None if row is None else Principal.model_validate({"kind": "session", **row})

    async def session(self, tenant_id: str, session_id: str) -> SessionView | None:
        """A session that is not over, of a user and a tenant that are active."""
        query = (
            select(sessions.c.user_id, users.c.role, sessions.c.generation, sessions.c.expires_at)
            .join(users, _maker(sessions.c.user_id, sessions.c.tenant_id))
            .join(tenants, tenants.c.tenant_id == sessions.c.tenant_id)
            .where(_open_session(tenant_id, session_id), users.c.is_active, tenants.c.is_active)
        )
        row = await self._one(tenant_id, query)
        return None if row is None else SessionView.model_validate(dict(row))

    async def of_widget_key(self, tenant_id: str, key_id: str) -> WidgetKey | None:
        query = _widget_key().where(
            widget_keys.c.tenant_id == tenant_id, widget_keys.c.id == key_id
        )
        row = await self._one(tenant_id, query)
        return None if row is None else WidgetKey.model_validate(dict(row))

    async def knows_address(
        self, tenant_id: str, user_id: str, address_hash: str, since: datetime
    ) -> bool:
        """Whether the user has logged in from there since."""
        query = select(known_addresses.c.last_at).where(
            known_addresses.c.tenant_id == tenant_id,
            known_addresses.c.user_id == user_id,
            known_addresses.c.address_hash == address_hash,
            known_addresses.c.last_at >= since,
        )
        return await self._one(tenant_id, query) is not None

    async def tenant(self, tenant_id: str) -> TenantView:
        """Raise `NotFound` if there is none."""
        query = select(tenants, tenants.c.tenant_id.label("id")).where(
            tenants.c.tenant_id == tenant_id
        )
        row = await self._one(tenant_id, query)
        if row is None:
            raise NotFound("Tenant not found")
        return TenantView.model_validate(dict(row))

    async def users(self, tenant_id: str) -> Sequence[UserView]:
        """By e-mail, inactive ones included."""
        query = select(users).where(users.c.tenant_id == tenant_id)
        rows = await self._all(tenant_id, query.order_by(users.c.email, users.c.id))
        return [UserView.model_validate(dict(row)) for row in rows]

    async def user(self, tenant_id: str, user_id: str) -> UserView:
        """Raise `NotFound` if the tenant has no such user."""
        return UserView.model_validate(dict(await self._user(tenant_id, user_id)))

    async def password_ref(self, tenant_id: str, user_id: str) -> str:
        """Where the hash of the user's password lies. Raises `NotFound`."""
        return str((await self._user(tenant_id, user_id))["password_ref"])

    async def api_tokens(self, tenant_id: str) -> Sequence[ApiTokenView]:
        """Newest first, revoked ones included."""
        query = (
            select(api_tokens)
            .where(api_tokens.c.tenant_id == tenant_id)
            .order_by(api_tokens.c.created_at.desc(), api_tokens.c.id)
        )
        rows = await self._all(tenant_id, query)
        return [ApiTokenView.model_validate(dict(row)) for row in rows]

    async def api_token(self, tenant_id: str, token_id: str) -> ApiTokenView:
        """Raise `NotFound` if the tenant has no such token."""
        query = select(api_tokens).where(
            api_tokens.c.tenant_id == tenant_id, api_tokens.c.id == token_id
        )
        row = await self._one(tenant_id, query)
        if row is None:
            raise NotFound("Token not found")
        return ApiTokenView.model_validate(dict(row))

    async def actors(self, tenant_id: str) -> Mapping[str, str]:
        """What users and tokens are called, by `user/…` and `token/…`; removed users and revoked
        tokens included.
        """
        person = func.coalesce(func.nullif(users.c.display_name, ""), users.c.email)
        query = union_all(
            select(literal("user/") + users.c.id, person).where(users.c.tenant_id == tenant_id),
            select(literal("token/") + api_tokens.c.id, api_tokens.c.name).where(
                api_tokens.c.tenant_id == tenant_id
            ),
        )
        async with self._store.reading(tenant_id) as db:
            return dict((await db.execute(query)).tuples().all())

    async def widget_keys(self, tenant_id: str) -> Sequence[WidgetKeyView]:
        """Newest first, revoked ones included."""
        query = (
            select(widget_keys)
            .where(widget_keys.c.tenant_id == tenant_id)
            .order_by(widget_keys.c.created_at.desc(), widget_keys.c.id)
        )
        rows = await self._all(tenant_id, query)
        return [WidgetKeyView.model_validate(dict(row)) for row in rows]

    async def widget_key(self, tenant_id: str, key_id: str) -> WidgetKeyView:
        """Raise `NotFound` if the tenant has no such key."""
        query = select(widget_keys).where(
            widget_keys.c.tenant_id == tenant_id, widget_keys.c.id == key_id
        )
        row = await self._one(tenant_id, query)
        if row is None:
            raise NotFound("Widget key not found")
        return WidgetKeyView.model_validate(dict(row))

    async def _user(self, tenant_id: str, user_id: str) -> RowMapping:
        query = select(users).where(users.c.tenant_id == tenant_id, users.c.id == user_id)
        row = await self._one(tenant_id, query)
        if row is None:
            raise NotFound("User not found")
        return row

    async def _across(self, query: Select[tuple[object, ...]]) -> RowMapping | None:
        async with self._store.engine.connect() as db:
            return (await db.execute(query)).mappings().one_or_none()

    async def _one(self, tenant_id: str, query: Select[tuple[object, ...]]) -> RowMapping | None:
        async with self._store.reading(tenant_id) as db:
            return (await db.execute(query)).mappings().one_or_none()

    async def _all(
        self, tenant_id: str, query: Select[tuple[object, ...]]
    ) -> Collection[RowMapping]:
        async with self._store.reading(tenant_id) as db:
            return (await db.execute(query)).mappings().all()


def _maker(user_id: ColumnElement[str], tenant_id: ColumnElement[str]) -> ColumnElement[bool]:
    return and_(users.c.tenant_id == tenant_id, users.c.id == user_id)


def _open_session(tenant_id: str, session_id: str) -> ColumnElement[bool]:
    return and_(
        sessions.c.tenant_id == tenant_id,
        sessions.c.id == session_id,
        or_(sessions.c.sequence > users.c.sessions_after, sessions.c.id == users.c.kept_session),
    )


def _widget_key() -> Select[tuple[object, ...]]:
    return select(
        widget_keys.c.id.label("key_id"),
        widget_keys.c.tenant_id,
        widget_keys.c.bot_profile_id,
        widget_keys.c.allowed_origins,
        widget_keys.c.quotas,
        widget_keys.c.appearance,
        widget_keys.c.is_active,
        tenants.c.is_active.label("tenant_active"),
    ).join(tenants, tenants.c.tenant_id == widget_keys.c.tenant_id)


class AuditQueries:
    """Reads the model `gateway_audit`."""

    def __init__(self, store: ReadModelStore, keys: DataKeys) -> None:
        self._store = store
        self._keys = keys

    async def list_audit(self, question: ListAudit, meta: Metadata) -> AuditEntries:
        """Newest first, with the origin as far as it is not erased."""
        query = select(audit_entries).where(*_wanted(question, meta.tenant_id))
        page = page_of(
            query,
            (audit_entries.c.position, audit_entries.c.id),
            after=question.after,
            limit=question.limit,
            newest_first=True,
            size=literal(AUDIT_BYTES),
        )
        async with self._store.reading(meta.tenant_id) as db:
            rows, total = await read_page(db, page, query, question)
        entries = [await self._entry(meta.tenant_id, row) for row in rows]
        items, following = cut(rows, entries)
        return AuditEntries(items=items, following=following, total=total)

    async def _entry(self, tenant_id: str, row: RowMapping) -> AuditEntry:
        sealed = row["origin"]
        origin = None if sealed is None else await open_origin(self._keys, tenant_id, sealed)
        where = {} if origin is None else origin.model_dump()
        return AuditEntry.model_validate({**row, **where})


def _wanted(question: ListAudit, tenant_id: str) -> list[ColumnElement[bool]]:
    columns = audit_entries.c
    found = [columns.tenant_id == tenant_id]
    found += [
        columns[name] == value
        for name in ("actor", "user_id", "action", "target")
        if (value := getattr(question, name)) is not None
    ]
    if question.since is not None:
        found.append(columns.at >= question.since)
    if question.until is not None:
        found.append(columns.at < question.until)
    return found


class LetterQueries:
    """Reads the model `gateway_letters`."""

    def __init__(self, store: ReadModelStore) -> None:
        self._store = store

    async def get_letter_states(self, question: GetLetterStates, meta: Metadata) -> LetterStates:
        kept = await self._store.snapshots("dead_letter", meta.tenant_id, question.ids)
        found = zip(question.ids, (snapshot.state for snapshot in kept), strict=True)
        return LetterStates(
            states={name: state.status for name, state in found if isinstance(state, Letter)}
        )

    async def list_settled_letters(
        self, question: ListSettledLetters, meta: Metadata
    ) -> SettledLetters:
        columns = dead_letters.c
        query = (
            select(dead_letters)
            .where(columns.tenant_id == meta.tenant_id, columns.status == question.status)
            .order_by(columns.settled_at.desc(), columns.id)
            .limit(SETTLED_LETTERS)
        )
        async with self._store.reading(meta.tenant_id) as db:
            rows = (await db.execute(query)).mappings().all()
        return SettledLetters(letters=tuple(SettledLetter.model_validate(dict(r)) for r in rows))


class ErasureQueries:
    """Reads the model `gateway_erasures`."""

    def __init__(self, store: ReadModelStore) -> None:
        self._store = store

    async def get_erasure(self, question: GetErasure, meta: Metadata) -> ErasureView:
        """Raise `NotFound` if the tenant has no such erasure."""
        query = select(erasures).where(
            erasures.c.tenant_id == meta.tenant_id, erasures.c.id == question.erasure_id
        )
        async with self._store.reading(meta.tenant_id) as db:
            row = (await db.execute(query)).mappings().one_or_none()
        if row is None:
            raise NotFound("Erasure not found")
        return ErasureView.model_validate(dict(row))

    async def list_erasures(self, question: ListErasures, meta: Metadata) -> ErasureViews:
        query = select(erasures).where(erasures.c.tenant_id == meta.tenant_id)
        page = page_of(
            query,
            (erasures.c.position, erasures.c.id),
            after=question.after,
            limit=question.limit,
            newest_first=True,
            size=literal(ERASURE_BYTES),
        )
        async with self._store.reading(meta.tenant_id) as db:
            rows, total = await read_page(db, page, query, question)
        items, following = cut(rows, [ErasureView.model_validate(dict(row)) for row in rows])
        return ErasureViews(items=items, following=following, total=total)


class RetentionQueries:
    """How long a tenant keeps things, up to the newest event in the log."""

    def __init__(self, current: Callable[[str, str, str], Awaitable[Any]]) -> None:
        self._current = current

    async def get_retention(self, _question: GetRetention, meta: Metadata) -> RetentionView:
        retention = await self._current("retention", meta.tenant_id, meta.tenant_id)
        assert isinstance(retention, Retention)  # noqa: S101  the state of this aggregate
        return RetentionView.model_validate(retention.model_dump())
