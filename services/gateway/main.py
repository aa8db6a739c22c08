"""Composition root of the gateway. Read this first: it lists every way in."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager

import uvicorn
from sqlalchemy import text
from typing_extensions import override

from services.gateway.adapters.passwords import Argon2Passwords
from services.gateway.adapters.principals import CachedPrincipals
from services.gateway.domain import tenant_decider, token_decider
from services.gateway.http.app import create_app
from services.gateway.http.context import Gateway
from services.gateway.projections import Identity
from services.gateway.queries import IdentityQueries
from services.gateway.settings import Settings
from services.gateway.tables import metadata
from shared.adapters.frames import FrameChannel
from shared.adapters.read_model import ReadModel
from shared.contracts.gateway import IssueApiToken, RegisterTenant, RevokeApiToken
from shared.runtime.bus import Bus
from shared.runtime.platform import Platform
from shared.runtime.service import Service

__all__ = ["Settings", "build"]

IDENTITY = ReadModel(
    service="gateway",
    name="identity",
    version=1,
    tables=metadata,
    owns={
        "tenant": tenant_decider,
        "api_token": token_decider,
        "user": None,
        "tenant_slug": None,
        "user_email": None,
    },
    projection=Identity(),
)


class Server(uvicorn.Server):
    """Leaves signals to the process, which stops all its services together."""

    @override
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def build(settings: Settings, platform: Platform, stack: AsyncExitStack) -> Service:
    """The service, not yet running."""
    service = Service(platform)
    store = service.keeps(IDENTITY)
    service.takes(store, [RegisterTenant, IssueApiToken, RevokeApiToken])

    queries = IdentityQueries(store)
    bus = Bus(platform.client, platform.codec)
    principals = CachedPrincipals(platform.client, queries.principal)
    passwords = Argon2Passwords()
    stack.callback(passwords.close)
    service.starts(bus.start)
    service.starts(principals.start)

    async def postgres() -> str:
        async with platform.engine.connect() as db:
            version = await db.scalar(text("show server_version"))
        return f"ok {version}"

    service.depends("postgres", postgres)

    gateway = Gateway(
        bus=bus,
        identity=queries,
        principals=principals,
        passwords=passwords,
        frames=FrameChannel(platform.client),
        vault=platform.vault,
        blobs=platform.blobs,
        signup_open=settings.signup_open,
    )
    app = create_app(gateway, allowed_origins=settings.allowed_origins.split(","))
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=settings.drain_seconds,
    )

    async def serve(stopping: asyncio.Event) -> None:
        server = Server(config)
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(server.serve())
            await stopping.wait()
            server.should_exit = True
            await serving

    service.serves(serve)
    return service
