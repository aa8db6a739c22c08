"""Composition root of the gateway. Read this first: it lists every way in."""

import asyncio
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import uvicorn
from sqlalchemy import text

from services.gateway.adapters.broker_door import BrokerDoor
from services.gateway.adapters.counters import SharedCounters
from services.gateway.adapters.letters import TenantLetters
from services.gateway.adapters.passwords import Argon2Passwords
from services.gateway.adapters.principals import CachedPrincipals
from services.gateway.adapters.replays import SealedReplays
from services.gateway.adapters.signed_tokens import SignedWebTokens
from services.gateway.domain.directory import directory_decider
from services.gateway.domain.erasures import erasure_decider
from services.gateway.domain.letters import letter_decider
from services.gateway.domain.retention import retention_decider
from services.gateway.domain.sessions import session_decider
from services.gateway.domain.tenants import tenant_decider
from services.gateway.domain.tokens import token_decider
from services.gateway.domain.widget_keys import widget_key_decider
from services.gateway.handlers import CheckErasure, DestroyKeyFirst
from services.gateway.http.app import Limits, create_app
from services.gateway.http.authentication import Authenticator
from services.gateway.http.context import Gateway
from services.gateway.http.leaving import KEEP_ALIVE_SECONDS, Door
from services.gateway.http.permissions import check
from services.gateway.http.standing import Standings
from services.gateway.http.subscribers import Subscribers
from services.gateway.http.throttle import LoginLimits, LoginThrottle
from services.gateway.http.turnstile import turnstile
from services.gateway.http.ui import Files
from services.gateway.http.visitors import VisitorQuotas
from services.gateway.ports import Principal
from services.gateway.projections import AuditLog, Erasures, Identity, Letters
from services.gateway.queries import (
    AuditQueries,
    ErasureQueries,
    IdentityQueries,
    LetterQueries,
    RetentionQueries,
)
from services.gateway.reactions import EraseOld, EraseTenants, EraseUsers, TokenUses
from services.gateway.settings import Settings
from services.gateway.tables import (
    audit_metadata,
    erasures_metadata,
    letters_metadata,
    metadata,
)
from shared.adapters.frames import FrameChannel
from shared.adapters.log_tail import LogTail
from shared.adapters.read_model import ReadModel, ReadModelStore
from shared.adapters.sweep import sweep
from shared.contracts.analytics import BudgetCreated, BudgetDeleted, BudgetUpdated
from shared.contracts.audit import ListAudit
from shared.contracts.base import Event
from shared.contracts.chat import BotProfileCreated, BotProfileUpdated
from shared.contracts.gateway import (
    ApiTokenIssued,
    ApiTokenRevoked,
    ChangePassword,
    CreateUser,
    CreateWidgetKey,
    DeactivateTenant,
    DeactivateUser,
    EndSession,
    EraseUser,
    IssueApiToken,
    ReactivateTenant,
    RecordTokenUse,
    RefreshSession,
    RegisterTenant,
    RevokeApiToken,
    RevokeWidgetKey,
    SessionEnded,
    SessionStarted,
    StartSession,
    TenantDeactivated,
    TenantImported,
    TenantReactivated,
    TenantRegistered,
    TenantUpdated,
    UpdateTenant,
    UpdateUser,
    UpdateWidgetKey,
    UserCreated,
    UserDeactivated,
    UserErased,
    UserPasswordChanged,
    UserReactivated,
    UserUpdated,
    WidgetKeyCreated,
    WidgetKeyRevoked,
    WidgetKeyUpdated,
)
from shared.contracts.gateway_erasure import (
    ErasureRequested,
    GetErasure,
    GetRetention,
    ListErasures,
    RecordErasurePart,
    RecordErasureTold,
    RequestErasure,
    RetentionSet,
    SetRetention,
)
from shared.contracts.gateway_letters import (
    DeadLetterDiscarded,
    DeadLetterReplayOrdered,
    DiscardDeadLetter,
    GetLetterStates,
    ListSettledLetters,
    RecordReplay,
    ReplayDeadLetter,
)
from shared.contracts.ingest import (
    ChildrenIngestionRequested,
    IngestionRequested,
    SourceCreated,
    SourceDeleted,
    SourceUpdated,
)
from shared.contracts.ingest_stages import SourceUndone
from shared.contracts.ingest_website import CrawlCancelled, CrawlPaused, CrawlResumed
from shared.contracts.public import events_behind
from shared.contracts.scheduler import ScheduleFired
from shared.contracts.webhooks import (
    RedeliveryRequested,
    ReplayRequested,
    SecretRotated,
    WebhookCreated,
    WebhookDeleted,
    WebhookUpdated,
)
from shared.kernel.clock import utc_now
from shared.runtime.bus import Bus
from shared.runtime.erasing import ATTEMPTS, take_part
from shared.runtime.platform import Platform
from shared.runtime.service import Service

__all__ = ["Settings", "build"]

IDENTITY = ReadModel(
    service="gateway",
    name="identity",
    version=3,
    tables=metadata,
    owns={
        "tenant": tenant_decider,
        "tenant_slug": None,
        "directory": directory_decider,
        "session": session_decider,
        "api_token": token_decider,
        "widget_key": widget_key_decider,
    },
    projection=Identity(),
    erased=("user",),
)
AUDITED: tuple[type[Event], ...] = (
    ApiTokenIssued,
    ApiTokenRevoked,
    BotProfileCreated,
    BotProfileUpdated,
    BudgetCreated,
    BudgetDeleted,
    BudgetUpdated,
    ChildrenIngestionRequested,
    CrawlCancelled,
    CrawlPaused,
    CrawlResumed,
    DeadLetterDiscarded,
    DeadLetterReplayOrdered,
    ErasureRequested,
    IngestionRequested,
    RedeliveryRequested,
    ReplayRequested,
    RetentionSet,
    SecretRotated,
    SessionEnded,
    SessionStarted,
    SourceCreated,
    SourceDeleted,
    SourceUndone,
    SourceUpdated,
    TenantDeactivated,
    TenantImported,
    TenantReactivated,
    TenantRegistered,
    TenantUpdated,
    UserCreated,
    UserDeactivated,
    UserErased,
    UserPasswordChanged,
    UserReactivated,
    UserUpdated,
    WebhookCreated,
    WebhookDeleted,
    WebhookUpdated,
    WidgetKeyCreated,
    WidgetKeyRevoked,
    WidgetKeyUpdated,
)
"""What people do to a tenant. Questions and answers are in the chats."""
AUDIT = ReadModel(
    service="gateway",
    name="audit",
    version=1,
    tables=audit_metadata,
    owns={},
    projection=AuditLog(),
    listens=[(event.aggregate, event.name) for event in AUDITED],
    erased=("audit_before",),
)
ERASURES = ReadModel(
    service="gateway",
    name="erasures",
    version=1,
    tables=erasures_metadata,
    owns={"erasure": erasure_decider, "retention": retention_decider},
    projection=Erasures(),
)
LETTERS = ReadModel(
    service="gateway",
    name="letters",
    version=2,
    tables=letters_metadata,
    owns={"dead_letter": letter_decider},
    projection=Letters(),
)
COMMANDS = (
    RegisterTenant,
    UpdateTenant,
    DeactivateTenant,
    ReactivateTenant,
    CreateUser,
    UpdateUser,
    DeactivateUser,
    EraseUser,
    ChangePassword,
    StartSession,
    RefreshSession,
    EndSession,
    IssueApiToken,
    RevokeApiToken,
    RecordTokenUse,
    CreateWidgetKey,
    UpdateWidgetKey,
    RevokeWidgetKey,
)


async def build(settings: Settings, platform: Platform, stack: AsyncExitStack) -> Service:
    """The service, not yet running."""
    service = Service(platform)
    store = service.keeps(IDENTITY)
    service.takes(store, COMMANDS, before=DestroyKeyFirst(platform.vault))
    service.depends("postgres", partial(_postgres, platform))

    audited = service.keeps(AUDIT)
    audit = AuditQueries(audited, platform.vault)
    service.answers(ListAudit, audit.list_audit)
    queries = IdentityQueries(store)
    erasures = _erases(service, platform, queries)
    letters = service.keeps(LETTERS)
    service.takes(letters, [ReplayDeadLetter, DiscardDeadLetter, RecordReplay])
    settled = LetterQueries(letters)
    service.answers(GetLetterStates, settled.get_letter_states)
    service.answers(ListSettledLetters, settled.list_settled_letters)
    end = partial(sweep, platform.client)
    take_part(service, store, audited, erasures, letters, end_tenant=end)
    bus = Bus(
        platform.client,
        platform.codec,
        platform.event_log.refuse_if_damaged,
        platform.neighbours,
    )
    principals = CachedPrincipals(
        platform.client, platform.codec, queries, settings.principal_cache_seconds
    )
    passwords = Argon2Passwords()
    stack.callback(passwords.close)
    token_uses = TokenUses(service.execute)
    service.starts(bus.start)
    service.starts(principals.start)
    service.runs(token_uses.run)

    secrets = settings.jwt_secret.get_secret_value().split(",")
    signed = SignedWebTokens(secrets, access_seconds=60 * settings.jwt_expire_minutes)
    counters = SharedCounters(platform.client)

    async def postgres() -> str:
        async with platform.engine.connect() as db:
            version = await db.scalar(text("show server_version"))
        return f"ok {version}"

    async def broker() -> str:
        return "ok" if platform.client.is_connected else "not reachable"

    service.depends("postgres", postgres)
    service.depends("nats", broker)

    leaving = asyncio.Event()
    every = [f"evt.*.{event.aggregate}.*.{event.name}" for event in events_behind()]
    feed = LogTail(platform.event_log, every)
    service.runs(feed.run)
    standings = Standings(principals.changed)
    service.runs(standings.run)
    gateway = Gateway(
        bus=bus,
        identity=queries,
        passwords=passwords,
        signed=signed,
        throttle=LoginThrottle(counters, _login_limits(settings)),
        quotas=VisitorQuotas(counters),
        token_uses=token_uses,
        frames=FrameChannel(platform.client),
        vault=platform.vault,
        blobs=platform.blobs,
        signup_open=settings.signup_open,
        session_days=settings.session_days,
        health=service.health,
        event_log=platform.event_log,
        feed=feed,
        standings=standings,
        leaving=leaving,
        letters=TenantLetters(platform.client),
    )
    authenticator = Authenticator(principals, signed)
    _subscribers(service, settings, authenticator, token_uses)
    app = create_app(
        gateway,
        authenticator=authenticator,
        replays=await SealedReplays.open(platform.client, platform.vault),
        limits=Limits(
            address=settings.requests_per_address_minute,
            caller=settings.requests_per_caller_minute,
            requests=settings.requests_at_once,
            streams=settings.streams_at_once,
            reads=settings.reads_at_once,
            writes=settings.writes_at_once,
            answers=settings.answers_at_once,
        ),
        precedence=platform.neighbours.precedence,
        files=await asyncio.to_thread(Files),
        demo_key=partial(_demo_key, settings.demo_widget_key_file),
        allowed_origins=[origin.strip() for origin in settings.allowed_origins.split(",")],
    )
    config = uvicorn.Config(
        app,
        http=turnstile(app.state.lines, settings.trusted_proxies),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        # What a client claims about where it comes from is believed of nobody else.
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.drain_seconds,
    )

    service.serves(Door(config, leaving, settings.notice_seconds).serve)
    return service


def _erases(service: Service, platform: Platform, queries: IdentityQueries) -> ReadModelStore:
    """What is ordered to be gone, and what the gateway does about it."""
    store = service.keeps(ERASURES)
    service.takes(
        store,
        [RequestErasure, RecordErasureTold, RecordErasurePart, SetRetention],
        check=CheckErasure(service.current),
    )
    erasures = ErasureQueries(store)
    service.answers(GetErasure, erasures.get_erasure)
    service.answers(ListErasures, erasures.list_erasures)
    erase = EraseUsers(service.execute, platform.vault, queries.password_ref)
    service.reacts("erase-users", [ErasureRequested], erase)
    whole = EraseTenants(service.execute, platform.vault)
    service.reacts("erase-tenants", [ErasureRequested], whole, attempts=ATTEMPTS)
    service.answers(GetRetention, RetentionQueries(service.current).get_retention)
    old = EraseOld(service.execute, service.current)
    service.reacts("erase-old", [ScheduleFired], old, from_now=True)
    return store


def _subscribers(
    service: Service, settings: Settings, authenticator: Authenticator, token_uses: TokenUses
) -> None:
    """Let in those from outside who follow events on the broker itself."""
    if settings.subscriber_seed is None:
        return
    platform = service.platform

    async def admit(credential: str) -> Principal:
        found = await authenticator.of_token(credential, utc_now())
        check(found, "GET", "/v1/events")
        token_uses.note(found.tenant_id, found.id)
        return found

    door = BrokerDoor(
        platform.client,
        platform.codec,
        settings.nats_url.get_secret_value(),
        settings.subscriber_seed.get_secret_value(),
        admit,
        service.shown(IDENTITY.name),
    )
    service.starts(door.start)
    tell = Subscribers(platform.client.publish, platform.vault).tell
    service.reacts("subscribers", events_behind(), tell, in_order=True, from_now=True)


async def _demo_key(file: Path | None) -> str | None:
    if file is None or not await asyncio.to_thread(file.exists):
        return None
    return (await asyncio.to_thread(file.read_text)).strip() or None


async def _postgres(platform: Platform) -> str:
    async with platform.engine.connect() as db:
        version = await db.scalar(text("show server_version"))
    return f"ok {version}"


def _login_limits(settings: Settings) -> LoginLimits:
    return LoginLimits(
        per_account_and_address_minute=settings.failed_logins_per_account_minute,
        per_address_minute=settings.failed_logins_per_address_minute,
        per_account_hour=settings.failed_logins_per_account_hour,
        signups_per_address_hour=settings.signups_per_address_hour,
    )
