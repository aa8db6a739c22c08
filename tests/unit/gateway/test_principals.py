"""Who a token speaks for, from memory as long as it is true and no longer."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, cast

import orjson
import pytest

from services.gateway.adapters.principals import CachedPrincipals
from shared.contracts.gateway import Principal

ADA = Principal(tenant_id="t1", user_id="u1", token_id="k1", role="owner")


@dataclass
class Broker:
    """As much of a connection as the cache uses."""

    is_connected: bool = True
    subjects: list[str] = field(default_factory=list)
    told: Callable[[Any], Awaitable[None]] | None = None

    async def subscribe(self, subject: str, cb: Callable[[Any], Awaitable[None]]) -> None:
        self.subjects.append(subject)
        self.told = cb

    async def revoke(self, token_hash: str) -> None:
        assert self.told is not None
        await self.told(Told(orjson.dumps({"token_id": "k1", "token_hash": token_hash})))


@dataclass
class Told:
    data: bytes


@dataclass
class Database:
    """Counts its look-ups, and can be slow."""

    known: dict[str, Principal]
    asked: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, token_hash: str) -> Principal | None:
        self.asked += 1
        found = self.known.get(token_hash)
        await self.gate.wait()
        return found


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def database() -> Database:
    made = Database({"h": ADA})
    made.gate.set()
    return made


@pytest.fixture
async def principals(broker: Broker, database: Database) -> CachedPrincipals:
    made = CachedPrincipals(cast("Any", broker), database)
    await made.start()
    return made


async def test_a_token_costs_the_database_one_look_up(
    principals: CachedPrincipals, database: Database
) -> None:
    for _ in range(5):
        assert await principals.find("h") == ADA
    assert database.asked == 1


async def test_an_unknown_token_is_asked_for_each_time(
    principals: CachedPrincipals, database: Database
) -> None:
    assert await principals.find("x") is None
    database.known["x"] = ADA
    assert await principals.find("x") == ADA


async def test_a_revocation_is_followed_for_all_tenants_and_evicts_at_once(
    principals: CachedPrincipals, broker: Broker, database: Database
) -> None:
    assert broker.subjects == ["live.*.api_token.*.revoked"]
    await principals.find("h")
    database.known.clear()
    await broker.revoke("h")
    assert await principals.find("h") is None


async def test_without_a_broker_nothing_is_answered_from_memory(
    principals: CachedPrincipals, broker: Broker, database: Database
) -> None:
    await principals.find("h")
    broker.is_connected = False
    database.known.clear()
    assert await principals.find("h") is None


async def test_a_revocation_during_a_look_up_is_not_forgotten_by_it(
    principals: CachedPrincipals, broker: Broker, database: Database
) -> None:
    database.gate.clear()
    async with asyncio.TaskGroup() as tasks:
        late = tasks.create_task(principals.find("h"))
        await asyncio.sleep(0)
        database.known.clear()
        await broker.revoke("h")
        database.gate.set()
    assert late.result() == ADA
    assert await principals.find("h") is None
