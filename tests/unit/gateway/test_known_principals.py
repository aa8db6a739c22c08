"""What is remembered of credentials, and until when."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from typing_extensions import override

from services.gateway.adapters import principals as module
from services.gateway.adapters.principals import CachedPrincipals
from services.gateway.ports import Principal, Principals, WidgetKey
from shared.adapters.envelope import Codec, metadata_headers
from shared.contracts.base import Event
from shared.contracts.gateway import (
    UserDeactivated,
    UserErased,
    UserReactivated,
    UserUpdated,
    WidgetQuotas,
)
from shared.contracts.gateway_erasure import ErasureTold
from shared.kernel.registry import REGISTRY
from tests.unit.samples import MemoryKeys, metadata

Callback = Callable[[Msg], Awaitable[None]]


class Broker:
    """The part of a broker's connection that is used here."""

    def __init__(self) -> None:
        self.is_connected = True
        self.stats = {"reconnects": 0}
        self.subscribed: dict[str, Callback] = {}

    async def subscribe(self, subject: str, cb: Callback) -> None:
        self.subscribed[subject] = cb

    async def tell(self, aggregate: str, aggregate_id: str, name: str, data: bytes = b"") -> None:
        """That something happened reaches the gateway."""
        subject = f"live.t.{aggregate}.{aggregate_id}.{name}"
        callback = self.subscribed[f"live.*.{aggregate}.*.{name}"]
        headers = {
            "ce-type": f"{aggregate}.{name}.v1",
            "ce-id": "e1",
            **metadata_headers(metadata(tenant_id="t")),
        }
        await callback(Msg(cast("Client", None), subject=subject, data=data, headers=headers))


class Rows(Principals):
    """The database, which counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.found: dict[str, Any] = {
            "token": Principal(kind="token", id="k", tenant_id="t", user_id="u"),
            "session": Principal(kind="session", id="s", tenant_id="t", user_id="u"),
            "key": WidgetKey(
                key_id="w",
                tenant_id="t",
                bot_profile_id="b",
                allowed_origins=(),
                quotas=WidgetQuotas(),
                is_active=True,
                tenant_active=True,
            ),
        }

    async def _look(self, name: str) -> Any:
        self.asked += 1
        found = self.found.get(name)
        await self.gate.wait()
        return found

    @override
    async def of_token(self, token_hash: str) -> Principal | None:
        return cast("Principal | None", await self._look("token"))

    @override
    async def of_session(self, tenant_id: str, session_id: str) -> Principal | None:
        return cast("Principal | None", await self._look("session"))

    @override
    async def of_widget_key(self, tenant_id: str, key_id: str) -> WidgetKey | None:
        return cast("WidgetKey | None", await self._look("key"))


class World:
    def __init__(self, seconds: float = 3600) -> None:
        self.broker, self.rows = Broker(), Rows()
        self.keys = MemoryKeys()
        self.codec = Codec(self.keys, REGISTRY)
        self.known = CachedPrincipals(cast("Client", self.broker), self.codec, self.rows, seconds)

    async def tell(self, event: Event) -> None:
        """An event, with what it says, reaches the gateway."""
        data = await self.codec.encode(event, "t")
        await self.broker.tell(event.aggregate, event.aggregate_id, event.name, data)

    async def ask(self, kind: str) -> Principal | WidgetKey | None:
        match kind:
            case "token":
                return await self.known.of_token("hash")
            case "session":
                return await self.known.of_session("t", "s")
            case _:
                return await self.known.of_widget_key("t", "w")

    async def lookups(self, kind: str, times: int = 3) -> int:
        """How often the database was asked for this many requests."""
        before = self.rows.asked
        for _ in range(times):
            await self.ask(kind)
        return self.rows.asked - before


def in_seconds(seconds: float) -> SimpleNamespace:
    """The module's clock, so much later. What a cache forgets by itself goes by another one."""
    return SimpleNamespace(monotonic=lambda: time.monotonic() + seconds)


@pytest.fixture
async def world() -> World:
    made = World()
    await made.known.start()
    return made


@pytest.mark.parametrize("kind", ["token", "session", "key"])
async def test_a_known_credential_costs_no_round_trip(world: World, kind: str) -> None:
    assert await world.lookups(kind) == 1
    assert await world.lookups(kind, times=1000) == 0


@pytest.mark.parametrize(
    ("kind", "event"),
    [
        ("token", ("api_token", "k", "revoked")),
        ("token", ("tenant", "t", "deactivated")),
        ("token", ("tenant", "t", "updated")),
        ("session", ("session", "s", "ended")),
        ("session", ("tenant", "t", "reactivated")),
        ("key", ("widget_key", "w", "revoked")),
        ("key", ("widget_key", "w", "updated")),
        ("key", ("tenant", "t", "deactivated")),
    ],
)
async def test_what_changed_is_looked_up_anew_and_not_kept_until_the_rows_show_it(
    world: World, kind: str, event: tuple[str, str, str]
) -> None:
    await world.lookups(kind)
    await world.broker.tell(*event)
    assert await world.lookups(kind) == 3


@pytest.mark.parametrize("kind", [UserUpdated, UserDeactivated, UserReactivated, UserErased])
async def test_what_changed_about_a_user_counts_for_all_its_credentials(
    world: World, kind: type[UserUpdated | UserDeactivated | UserReactivated | UserErased]
) -> None:
    for credential in ("token", "session"):
        await world.lookups(credential)
    await world.tell(kind(tenant_id="t", user_id="somebody else"))
    assert await world.lookups("token") == await world.lookups("session") == 0
    await world.tell(kind(tenant_id="t", user_id="u"))
    assert await world.lookups("token") == await world.lookups("session") == 3


async def test_an_erasure_counts_if_it_is_of_the_whole_tenant(world: World) -> None:
    for credential in ("token", "session", "key"):
        await world.lookups(credential)
    await world.tell(ErasureTold(erasure_id="e", kind="visitor", subject_id="v"))
    assert await world.lookups("token") == 0
    await world.tell(ErasureTold(erasure_id="t", kind="tenant", subject_id="t"))
    for credential in ("token", "session", "key"):
        assert await world.lookups(credential) == 3


async def test_what_cannot_be_read_any_more_counts_for_the_whole_tenant(world: World) -> None:
    await world.lookups("token")
    data = await world.codec.encode(UserUpdated(tenant_id="t", user_id="somebody else"), "t")
    world.keys.erased.add("t")
    await world.broker.tell("directory", "t", "user_updated", data)
    assert await world.lookups("token") == 3


async def test_those_who_come_at_once_are_looked_up_once(world: World) -> None:
    found = await asyncio.gather(*(world.ask("token") for _ in range(20)))
    assert found == [world.rows.found["token"]] * 20
    assert world.rows.asked == 1


async def test_before_its_time_is_over_one_of_those_who_come_looks_anew(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.ask("token")
    monkeypatch.setattr(module, "time", in_seconds(0.95 * 3600))
    world.rows.gate.clear()
    async with asyncio.TaskGroup() as tasks:
        one = tasks.create_task(world.ask("token"))
        await asyncio.sleep(0)
        changed = world.rows.found["token"] = world.rows.found["token"].model_copy(
            update={"user_id": "v"}
        )
        others = await asyncio.gather(*(world.ask("token") for _ in range(20)))
        assert {found.user_id for found in others if isinstance(found, Principal)} == {"u"}
        world.rows.gate.set()
    assert (one.result(), world.rows.asked) == (others[0], 2)
    assert await world.lookups("token") == 0
    monkeypatch.setattr(module, "time", in_seconds(1.9 * 3600))
    assert await world.ask("token") == changed


async def test_who_is_found_to_be_nobody_is_forgotten(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.ask("token")
    world.rows.found.pop("token")
    monkeypatch.setattr(module, "time", in_seconds(0.95 * 3600))
    assert [await world.ask("token"), await world.ask("token")] == [None, None]


async def test_behind_a_change_nobody_waits_for_an_older_look_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.rows.gate.clear()
    async with asyncio.TaskGroup() as tasks:
        older = tasks.create_task(world.ask("token"))
        await asyncio.sleep(0)
        world.rows.found.pop("token")
        await world.broker.tell("api_token", "k", "revoked")
        soon = tasks.create_task(world.ask("token"))
        with monkeypatch.context() as patch:
            patch.setattr(module, "time", in_seconds(60))
            late = tasks.create_task(world.ask("token"))
            await asyncio.sleep(0)
        world.rows.gate.set()
    assert older.result() is not None
    assert (soon.result(), late.result()) == (None, None)


async def test_just_behind_a_change_everybody_looks(world: World) -> None:
    await world.broker.tell("tenant", "another", "updated")
    world.rows.gate.clear()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(5):
            tasks.create_task(world.ask("token"))
        await asyncio.sleep(0)
        assert world.rows.asked == 5
        world.rows.gate.set()


async def test_a_change_during_a_look_up_is_not_forgotten_by_it(world: World) -> None:
    world.rows.gate.clear()
    async with asyncio.TaskGroup() as tasks:
        late = tasks.create_task(world.ask("token"))
        await asyncio.sleep(0)
        await world.broker.tell("api_token", "k", "revoked")
        world.rows.found.pop("token")
        world.rows.gate.set()
    assert late.result() is not None
    assert await world.ask("token") is None


async def test_after_a_moment_it_is_kept_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SETTLING", -1.0)
    await world.lookups("token")
    await world.broker.tell("api_token", "k", "revoked")
    assert await world.lookups("token") <= 1


async def test_without_a_broker_nothing_is_answered_from_memory(world: World) -> None:
    await world.lookups("token")
    world.broker.is_connected = False
    assert await world.lookups("token") == 3


async def test_what_was_known_before_the_broker_was_away_is_forgotten(world: World) -> None:
    await world.lookups("token")
    world.broker.stats["reconnects"] += 1
    assert await world.lookups("token") == 1


async def test_nothing_is_kept_longer_than_it_may_be() -> None:
    world = World(seconds=0)
    assert await world.lookups("token") == 3


async def test_nobody_is_not_remembered(world: World) -> None:
    world.rows.found.pop("token")
    assert await world.ask("token") is None
    assert await world.lookups("token") == 3
