"""Facts about tenants, people, sessions, tokens and widget keys → rows; and who did what."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Table, delete, insert, literal, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

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
from shared.adapters.bulk import change_rows, insert_rows, many, parameter
from shared.adapters.origins import user_of
from shared.contracts.base import Event, Recorded
from shared.contracts.gateway import (
    ApiTokenIssued,
    ApiTokenRevoked,
    ApiTokenUsed,
    SessionEnded,
    SessionRefreshed,
    SessionStarted,
    TenantDeactivated,
    TenantReactivated,
    TenantRegistered,
    TenantUpdated,
    UserCreated,
    UserDeactivated,
    UserErased,
    UserPasswordChanged,
    UserReactivated,
    UserUpdated,
    WidgetKeyCreated,
    WidgetKeyRevoked,
    WidgetKeySettings,
    WidgetKeyUpdated,
)
from shared.contracts.gateway_erasure import (
    ErasureCompleted,
    ErasurePartDone,
    ErasureRequested,
    ErasureTold,
)
from shared.contracts.gateway_letters import (
    DeadLetterDiscarded,
    DeadLetterReplayed,
    DeadLetterReplayFailed,
    DeadLetterReplayOrdered,
)
from shared.contracts.operations import DeadLetterRecorded
from shared.kernel.emails import email_key

Row = dict[str, Any]

FIRST_BROWSER_TOKENS = "bot_bound"
DONE_TOGETHER = {
    TenantRegistered,
    UserCreated,
    SessionStarted,
    SessionRefreshed,
    ApiTokenIssued,
    ApiTokenUsed,
    WidgetKeyCreated,
}
"""What happens all the time, and needs no statement for itself."""
PEOPLE = ("user", "session", "token", "operator")
"""Kinds of actors whose doings are told in the audit log."""


class Identity:
    """Who is who, and by which credential."""

    async def apply(self, db: AsyncConnection, recorded: Recorded[Event]) -> None:
        await self.apply_all(db, [recorded])

    async def apply_all(self, db: AsyncConnection, records: Sequence[Recorded[Event]]) -> None:
        """New rows first, a statement per table; then what happens all the time to them; then the
        rest, one by one. An id is never given again, so nothing new is older than a change to it.
        """
        made: dict[Table, list[Row]] = {}
        seen: dict[tuple[str, str, str], datetime] = {}
        used: dict[tuple[str, ...], Row] = {}
        refreshed: dict[tuple[str, ...], Row] = {}
        for recorded in records:
            if (row := _made(recorded)) is not None:
                made.setdefault(row[0], []).append(row[1])
            match recorded.event:
                case SessionStarted() as event:
                    address = (recorded.tenant_id, event.user_id, event.address_hash)
                    seen[address] = max(recorded.at, seen.get(address, recorded.at))
                case SessionRefreshed() as event:
                    values = {"generation": event.generation, "expires_at": event.expires_at}
                    refreshed[recorded.tenant_id, event.session_id] = values
                case ApiTokenUsed(token_id=token_id, used_at=used_at):
                    used[recorded.tenant_id, token_id] = {"last_used_at": used_at}
                case _:
                    pass
        for table, rows in made.items():
            await insert_rows(db, table, rows)
        await _seen(db, seen)
        await change_rows(db, sessions, refreshed)
        await change_rows(db, api_tokens, used)
        for recorded in records:
            if type(recorded.event) in DONE_TOGETHER:
                continue
            await _tenant(db, recorded)
            await _user(db, recorded)
            await _rest(db, recorded)


class AuditLog:
    """What people did. What a service did about it tells nothing of anybody."""

    async def apply(self, db: AsyncConnection, recorded: Recorded[Event]) -> None:
        await self.apply_all(db, [recorded])

    async def apply_all(self, db: AsyncConnection, records: Sequence[Recorded[Event]]) -> None:
        """One statement for all of `records`, and one for each order to forget what is old."""
        rows = (self._entry(recorded) for recorded in records)
        await insert_rows(db, audit_entries, [row for row in rows if row is not None])
        for recorded in records:
            if isinstance(recorded.event, ErasureTold):
                await _forget_old(db, recorded.tenant_id, recorded.event.audit_before)

    def _entry(self, recorded: Recorded[Event]) -> Row | None:
        actor, origin = recorded.metadata.actor, recorded.metadata.origin
        kind = actor.partition("/")[0]
        if kind not in PEOPLE:
            return None
        event = recorded.event
        if isinstance(event, ErasureTold):
            return None
        return {
            "tenant_id": recorded.tenant_id,
            "id": recorded.event_id,
            "position": recorded.sequence,
            "at": recorded.at,
            "actor": actor,
            "user_id": _user_behind(recorded),
            "action": f"{event.aggregate}.{event.name}",
            "target": _target(event),
            "origin": origin,
        }


class Erasures:
    """How far each erasure is."""

    async def apply(self, db: AsyncConnection, recorded: Recorded[Event]) -> None:
        match recorded.event:
            case ErasureRequested() as event:
                row = {
                    "tenant_id": recorded.tenant_id,
                    "id": event.erasure_id,
                    "position": recorded.sequence,
                    "kind": event.kind,
                    "subject_id": event.subject_id,
                    "before": event.before,
                    "status": "requested",
                    "parts": [],
                    "counts": {},
                    "requested_at": recorded.at,
                }
                await db.execute(insert(erasures).values(row))
            case ErasureTold(counts=counts):
                await _go_on(db, recorded, status="told", counts=dict(counts))
            case ErasurePartDone(service=service):
                await _go_on(db, recorded, parts=erasures.c.parts + literal([service], JSONB))
            case ErasureCompleted():
                await _go_on(db, recorded, status="completed", completed_at=recorded.at)
            case _:
                pass


class Letters:
    """What was given up, and what became of it by whose order."""

    async def apply(self, db: AsyncConnection, recorded: Recorded[Event]) -> None:
        order = {"settled_by": recorded.metadata.actor, "user_id": _user_behind(recorded)}
        match recorded.event:
            case DeadLetterRecorded() as event:
                row = {
                    "tenant_id": recorded.tenant_id,
                    "id": event.dead_letter_id,
                    "given_up": recorded.at,
                    "service": event.service,
                    "subject": event.subject,
                    "status": "given_up",
                }
                await db.execute(insert(dead_letters).values(row))
            case DeadLetterReplayOrdered():
                await _becomes(db, recorded, status="ordered", **order)
            case DeadLetterReplayFailed():
                await _becomes(db, recorded, status="failed")
            case DeadLetterReplayed():
                await _becomes(db, recorded, status="replayed", settled_at=recorded.at)
            case DeadLetterDiscarded():
                await _becomes(db, recorded, status="discarded", settled_at=recorded.at, **order)
            case _:
                pass


async def _becomes(db: AsyncConnection, recorded: Recorded[Event], **changes: Any) -> None:
    await db.execute(
        update(dead_letters)
        .where(
            dead_letters.c.tenant_id == recorded.tenant_id,
            dead_letters.c.id == recorded.event.aggregate_id,
        )
        .values(changes)
    )


def _user_behind(recorded: Recorded[Event]) -> str | None:
    """The user who did it, also by a session or a token."""
    actor, origin = recorded.metadata.actor, recorded.metadata.origin
    kind, _, user_id = actor.partition("/")
    if kind == "user":
        return user_id
    return user_of(origin) if origin else None


async def _go_on(db: AsyncConnection, recorded: Recorded[Event], **changes: Any) -> None:
    await db.execute(
        update(erasures)
        .where(
            erasures.c.tenant_id == recorded.tenant_id,
            erasures.c.id == recorded.event.aggregate_id,
        )
        .values(changes)
    )


async def _forget_old(db: AsyncConnection, tenant_id: str, before: datetime | None) -> None:
    if before is not None:
        old = (audit_entries.c.tenant_id == tenant_id, audit_entries.c.at < before)
        await db.execute(delete(audit_entries).where(*old))


def _target(event: Event) -> str:
    """All people of a tenant are one aggregate; here each is one."""
    if event.aggregate == "directory":
        user_id = getattr(event, "user_id", None)
        if user_id is not None:
            return f"user/{user_id}"
    return f"{event.aggregate}/{event.aggregate_id}"


def _made(recorded: Recorded[Event]) -> tuple[Table, Row] | None:
    """The row that begins with this fact, if one does."""
    row: Row
    match recorded.event:
        case TenantRegistered() as event:
            row = {
                "name": event.tenant_name,
                "slug": event.slug,
                "plan": event.plan,
                "browser_tokens": FIRST_BROWSER_TOKENS,
                "is_active": True,
                "created_at": recorded.at,
            }
            table = tenants
        case UserCreated() as event:
            row = {
                "id": event.user_id,
                "email": event.email,
                "email_key": email_key(event.email),
                "display_name": event.display_name,
                "role": event.role,
                "password_ref": event.password_ref,
                "is_active": True,
                "sessions_after": 0,
                "created_at": recorded.at,
            }
            table = users
        case SessionStarted() as event:
            row = {
                "id": event.session_id,
                "user_id": event.user_id,
                "sequence": recorded.sequence,
                "generation": 0,
                "expires_at": event.expires_at,
            }
            table = sessions
        case ApiTokenIssued() as event:
            row = {
                "id": event.token_id,
                "name": event.token_name,
                "token_hash": event.token_hash,
                "token_prefix": event.token_prefix,
                "user_id": event.user_id,
                "scopes": None if event.scopes is None else list(event.scopes),
                "bot_profile_id": event.bot_profile_id,
                "is_active": True,
                "expires_at": event.expires_at,
                "created_at": recorded.at,
            }
            table = api_tokens
        case WidgetKeyCreated() as event:
            row = {
                "id": event.key_id,
                "bot_profile_id": event.bot_profile_id,
                "public_key": event.public_key,
                **_settings(event.settings),
                "is_active": True,
                "created_at": recorded.at,
            }
            table = widget_keys
        case _:
            return None
    return table, {"tenant_id": recorded.tenant_id, **row}


async def _seen(db: AsyncConnection, seen: Mapping[tuple[str, str, str], datetime]) -> None:
    """From where people logged in, and when last."""
    if not seen:
        return
    names = ("tenant_id", "user_id", "address_hash", "last_at")
    rows = [dict(zip(names, (*address, at), strict=True)) for address, at in seen.items()]
    statement = many(known_addresses, names)
    await db.execute(
        statement.on_conflict_do_update(
            index_elements=names[:3],
            set_={"last_at": statement.excluded.last_at},
            where=known_addresses.c.last_at < statement.excluded.last_at,
        ),
        {parameter(known_addresses): rows},
    )


async def _tenant(db: AsyncConnection, recorded: Recorded[Event]) -> None:
    tenant_id = recorded.tenant_id
    match recorded.event:
        case TenantUpdated() as event:
            changes = {"name": event.tenant_name, "browser_tokens": event.browser_tokens}
            await db.execute(
                update(tenants).where(tenants.c.tenant_id == tenant_id).values(changes)
            )
        case TenantDeactivated() | TenantReactivated() as event:
            active = isinstance(event, TenantReactivated)
            await db.execute(
                update(tenants).where(tenants.c.tenant_id == tenant_id).values(is_active=active)
            )
        case _:
            pass


async def _user(db: AsyncConnection, recorded: Recorded[Event]) -> None:
    match recorded.event:
        case UserUpdated() as event:
            values: dict[str, Any] = {"display_name": event.display_name, "role": event.role}
            if event.email is not None:
                values |= {"email": event.email, "email_key": email_key(event.email)}
            given = {name: value for name, value in values.items() if value is not None}
            await _change(db, users, recorded, event.user_id, given)
        case UserDeactivated(user_id=user_id):
            gone = {"is_active": False, **_sessions_over(recorded, kept=None)}
            await _change(db, users, recorded, user_id, gone)
        case UserReactivated(user_id=user_id):
            await _change(db, users, recorded, user_id, {"is_active": True})
        case UserErased(user_id=user_id):
            for table in (users, sessions, known_addresses, api_tokens):
                column = table.c.id if table is users else table.c.user_id
                mine = (table.c.tenant_id == recorded.tenant_id, column == user_id)
                await db.execute(delete(table).where(*mine))
        case UserPasswordChanged() as event:
            over = _sessions_over(recorded, kept=event.kept_session)
            changed = {"password_ref": event.password_ref, **over}
            await _change(db, users, recorded, event.user_id, changed)
        case _:
            pass


def _sessions_over(recorded: Recorded[Event], *, kept: str | None) -> dict[str, Any]:
    return {"sessions_after": recorded.sequence, "kept_session": kept}


async def _rest(db: AsyncConnection, recorded: Recorded[Event]) -> None:
    match recorded.event:
        case SessionEnded(session_id=session_id):
            mine = (sessions.c.tenant_id == recorded.tenant_id, sessions.c.id == session_id)
            await db.execute(delete(sessions).where(*mine))
        case ApiTokenRevoked(token_id=token_id):
            await _change(db, api_tokens, recorded, token_id, {"is_active": False})
        case WidgetKeyUpdated() as event:
            await _change(db, widget_keys, recorded, event.key_id, _settings(event.settings))
        case WidgetKeyRevoked(key_id=key_id):
            await _change(db, widget_keys, recorded, key_id, {"is_active": False})
        case _:
            pass


async def _change(
    db: AsyncConnection,
    table: Table,
    recorded: Recorded[Event],
    row_id: str,
    values: dict[str, Any],
) -> None:
    if not values:
        return
    mine = (table.c.tenant_id == recorded.tenant_id, table.c.id == row_id)
    await db.execute(update(table).where(*mine).values(values))


def _settings(settings: WidgetKeySettings) -> dict[str, Any]:
    return {
        "name": settings.key_name,
        "allowed_origins": list(settings.allowed_origins),
        "quotas": settings.quotas.model_dump(),
        "appearance": settings.appearance.model_dump(mode="json"),
    }
