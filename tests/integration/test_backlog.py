"""How much of a tenant waits, as the facts tell it, and who is sent away."""

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

import pytest
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.ingest.domain.source import Absent, Present, source_decider
from services.ingest.main import SOURCES
from services.ingest.queries.backlog import MUCH, RETRY_SECONDS, SHARE, TRUSTED_SECONDS, Backlog
from shared.adapters.projector import project
from shared.adapters.read_model import ReadModelStore
from shared.contracts.base import Event, Metadata
from shared.contracts.ingest import (
    IngestionRequested,
    IngestionStarted,
    SourceDeleted,
    SourceEvent,
    SourceFailed,
    SourceUnchanged,
)
from shared.contracts.ingest_backlog import AskAdmission
from shared.contracts.ingest_stages import SourceUndone
from shared.kernel.errors import InvalidCommand, NotFound
from shared.kernel.ids import new_id
from tests.integration.test_source_lists import created, ingested, meta, records

LIMIT = 2
QUEUED: list[SourceEvent] = [created("queued"), IngestionRequested(source_id="queued", run_id="r")]
BEGUN: list[SourceEvent] = [
    created("begun"),
    IngestionRequested(source_id="begun", run_id="r"),
    IngestionStarted(source_id="begun", run_id="r", attempt=1),
]
UNDONE = SourceUndone(source_id="begun", run_id="u", undeleted=True, is_active=True, restored=1)


@dataclass
class Tenant:
    """One whose facts are shown."""

    store: ReadModelStore
    id: str
    last: int = 0

    async def had(self, *events: Event) -> None:
        past = records(self.id, events, first=self.last + 1)
        assert await project(self.store, past, self.last)
        self.last = past[-1].sequence


@pytest.fixture
async def store(engines: Callable[[str], AsyncEngine]) -> AsyncIterator[ReadModelStore]:
    made = ReadModelStore(engines("ingest"), replace(SOURCES, name=f"backlog_{new_id()[:8]}"))
    await made.create("test")
    yield made
    await made.drop()


@pytest.fixture
def tenant(store: ReadModelStore, tenant_id: str) -> Tenant:
    return Tenant(store, tenant_id)


def backlog(
    store: ReadModelStore,
    limit: int = LIMIT,
    *known: SourceEvent,
    timer: Callable[[], float] = time.monotonic,
) -> Backlog:
    async def current(_aggregate: str, _tenant: str, source_id: str) -> Absent | Present:
        return source_decider.fold([one for one in known if one.source_id == source_id])

    async def check_new(bot: str, _parent: str | None, _meta: Metadata) -> None:
        if bot != "b1":
            raise InvalidCommand("Bot profile not found", field="bot_profile_id")

    return Backlog(store, limit, current, check_new, timer=timer)


async def test_with_much_room_a_count_is_good_for_a_share_of_it(
    store: ReadModelStore, tenant: Tenant
) -> None:
    now = 0.0
    it = backlog(store, 4 * MUCH, timer=lambda: now)
    short = backlog(store, MUCH - 1, timer=lambda: now)
    timed = backlog(store, 4 * MUCH, timer=lambda: now)
    for one in (it, short, timed):
        assert not await one.full(tenant.id)
    await store.drop()
    for _ in range(4 * MUCH // SHARE):
        assert not await it.full(tenant.id)
    now += TRUSTED_SECONDS
    for one in (it, short, timed):
        with pytest.raises(DBAPIError):
            await one.full(tenant.id)


async def test_what_is_queued_or_worked_on_counts(store: ReadModelStore, tenant: Tenant) -> None:
    it = backlog(store)
    await tenant.had(created("idle"), *QUEUED)
    assert not await it.full(tenant.id)
    await tenant.had(*BEGUN)
    assert await it.full(tenant.id)
    assert not await it.full("somebody-else")


@pytest.mark.parametrize(
    "end",
    [
        ingested("begun", 3),
        SourceUnchanged(source_id="begun", run_id="r"),
        SourceFailed(source_id="begun", run_id="r", reason="It rains"),
        SourceDeleted(source_id="begun", bot_profile_id="b1"),
    ],
)
async def test_what_has_ended_does_not(store: ReadModelStore, tenant: Tenant, end: Event) -> None:
    await tenant.had(*QUEUED, *BEGUN, end)
    assert not await backlog(store).full(tenant.id)


async def test_a_revision_that_is_prepared_anew_counts(
    store: ReadModelStore, tenant: Tenant
) -> None:
    deleted = SourceDeleted(source_id="begun", bot_profile_id="b1")
    await tenant.had(*QUEUED, *BEGUN, deleted, UNDONE)
    assert await backlog(store).full(tenant.id)


async def test_a_website_counts_by_its_pages(store: ReadModelStore, tenant: Tenant) -> None:
    site = created("site", source_type="website", settings={"config": {"root_url": "x"}})
    await tenant.had(*QUEUED, site, IngestionRequested(source_id="site", run_id="r"))
    assert not await backlog(store).full(tenant.id)


async def test_without_a_limit_nothing_is_too_much(store: ReadModelStore, tenant: Tenant) -> None:
    await tenant.had(*QUEUED, *BEGUN)
    assert not await backlog(store, 0).full(tenant.id)


class TestAdmission:
    async def test_is_given_while_there_is_room(
        self, store: ReadModelStore, tenant: Tenant
    ) -> None:
        await tenant.had(*QUEUED)
        question = AskAdmission(bot_profile_id="unknown", source_id="unknown")
        answer = await backlog(store).ask_admission(question, meta(tenant.id))
        assert answer.retry_after is None

    async def test_is_not_given_when_there_is_none_but_what_else_is_wrong_is_told_first(
        self, store: ReadModelStore, tenant: Tenant
    ) -> None:
        await tenant.had(*QUEUED, *BEGUN)
        it, asked = backlog(store, LIMIT, created("idle"), *QUEUED), meta(tenant.id)
        for question in (AskAdmission(bot_profile_id="b1"), AskAdmission(source_id="idle")):
            assert (await it.ask_admission(question, asked)).retry_after == RETRY_SECONDS
        with pytest.raises(InvalidCommand):
            await it.ask_admission(AskAdmission(bot_profile_id="b2"), asked)
        with pytest.raises(NotFound):
            await it.ask_admission(AskAdmission(source_id="unknown"), asked)

    async def test_is_given_to_what_is_queued_already(
        self, store: ReadModelStore, tenant: Tenant
    ) -> None:
        await tenant.had(*QUEUED, *BEGUN)
        it = backlog(store, LIMIT, *QUEUED)
        answer = await it.ask_admission(AskAdmission(source_id="queued"), meta(tenant.id))
        assert answer.retry_after is None
