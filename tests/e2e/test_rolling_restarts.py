"""Every service is restarted, one replica after the other, while clients go on; none notices."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.embedded.child import ended
from shared.embedded.surroundings import SERVICES
from tests.e2e import inside
from tests.e2e.diary import Diary
from tests.e2e.doors import Door, opened
from tests.e2e.paced_model import paced_model
from tests.e2e.receivers import receiving
from tests.e2e.replicas import Replica, restarted
from tests.e2e.steady_load import Load
from tests.e2e.test_cut_streams import (
    SECONDS,
    TEXT,
    WORDS,
    Place,
    known_bot,
    told_once_each,
    troubles,
)
from tests.harness import SPARING, Installation, Tenant, eventually, reachable, told
from tests.qdrant_server import qdrant_server

log = logging.getLogger(__name__)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

NOTICE = "2"
"""Seconds that a gateway goes on to let requests in; many times what a door takes to notice."""
PATIENCE = 240.0


@pytest.fixture(scope="module")
def rolling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """An installation, each service in a process of its own, to which replicas may be added."""
    with paced_model(WORDS, SECONDS) as model, qdrant_server() as index:
        env = {
            **SPARING,
            # Several replicas of chat have one index together.
            "QDRANT_URL": index,
            "MINIRAG_NOTICE_SECONDS": NOTICE,
            # Webhooks are tried again after 0.1 seconds.
            "MINIRAG_WEBHOOK_PACE": "0.02",
        }
        folder = reachable(tmp_path_factory, "roll")
        running = Installation(folder, "--isolated", env=env, demo=False).start()
        yield Place(running, model)
        assert running.stop() == 0, "".join(running.output)


def test_every_service_is_restarted_under_load_and_no_client_notices(
    rolling: Place, register: Callable[[str], Tenant]
) -> None:
    """Two replicas of each, of which one after the other is told to stop, as in an upgrade: first
    those with a process each, then those that share one.
    """
    diary = Diary()
    try:
        tenant = register(rolling.running.url)
        roll(rolling, tenant, diary)
    except BaseException as error:
        error.add_note(f"{diary}\n{rolling.running.logs()}")
        raise


def roll(place: Place, tenant: Tenant, diary: Diary) -> None:
    """All of it, told to the diary."""
    running = place.running
    bot = known_bot(place, tenant)
    due = [tenant.source(bot, f"{TEXT} {n}", refresh_schedule="weekly") for n in range(2)]
    tenant.http.headers["Connection"] = "close"  # or a gateway would wait for this client to go
    with opened(diary) as door, receiving() as receiver:
        hook = {"url": receiver.url, "events": ["chat.message"]}
        told(tenant.http, "/v1/webhooks", hook)
        question = "When was the harbour of Corran closed, {}?"
        load = Load(door.url, tenant.token, bot, question, diary)
        others = Replica(running, "all")
        try:
            others.started()
            door.gateways += [running.url, others.url]
            eventually(lambda: len(door.ready) == len(door.gateways), others.said)
            asyncio.run(under_load(load, lambda: replaced(place, tenant, others, door, due)))
        except BaseException as error:
            error.add_note(others.said())
            raise
        finally:
            others.process.kill()
        eventually(
            lambda: len({hit.id for hit in receiver.hits}) == len(load.readers),
            lambda: f"{len(load.readers)} answers, {len(receiver.hits)} hits",
            PATIENCE,
        )
    log.info("%s, %s told to come again\n%s", load.statuses, load.put_off, diary)
    assert load.failures == []
    # On a machine that is too busy for its services, a client may be told to come again.
    assert load.put_off <= load.requests // 20
    told_once_each(place, tenant, load.readers)
    # Who has begun an answer ends it, though on a busy machine a connection may break before.
    again = [reader for reader in load.readers if place.model.asked[reader.question] > 1]
    assert len(again) <= 1 + len(load.readers) // 20, troubles(place)
    kept(tenant, load)
    eventually(lambda: all(fired(place, tenant, due)), seconds=PATIENCE)
    assert fired(place, tenant, due) == [1, 1]
    for name in SERVICES:
        assert f"{name} {ended(0)}" in "".join(running.output)


def fired(place: Place, tenant: Tenant, due: Sequence[str]) -> list[int]:
    """How often each slot came."""
    facts = inside.facts(place.running.data_dir, tenant.id)
    return [facts[f"evt.{tenant.id}.schedule.{source}", "fired"] for source in due]


async def under_load(load: Load, act: Callable[[], None]) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(load.run())
        try:
            await asyncio.to_thread(act)
        finally:
            load.over.set()


def replaced(place: Place, tenant: Tenant, others: Replica, door: Door, due: Sequence[str]) -> None:
    """Restart a replica of every service, then end the others; a slot comes up before each."""
    running = place.running

    def one(name: str) -> None:
        door.diary.note(f"{name} is told to stop")
        restarted(running, name)
        door.diary.note(f"{name} is back")

    inside.make_due(running.data_dir, tenant.id, due[0], seconds=0.5)
    with ThreadPoolExecutor(len(SERVICES)) as threads:
        for restart in [threads.submit(one, name) for name in SERVICES]:
            restart.result()
    eventually(lambda: running.url in door.ready, running.logs)
    inside.make_due(running.data_dir, tenant.id, due[1], seconds=0.5)
    door.diary.note("the others are told to stop")
    assert others.stop() == 0, others.said()
    door.diary.note("the others are gone")


def ready(tenant: Tenant) -> set[str]:
    """Ids of sources that questions can be answered from."""
    return {one["id"] for one in tenant.http.get("/v1/sources?status=ready").json()}


def kept(tenant: Tenant, load: Load) -> None:
    """Whatever was acknowledged is there and done."""

    def undone() -> list[str]:
        paths = [f"/v1/operations/{operation}" for operation in load.operations]
        return [path for path in paths if tenant.http.get(path).json()["status"] != "done"]

    eventually(lambda: not undone(), lambda: str(undone()), PATIENCE)
    listed = {one["id"] for one in tenant.http.get("/v1/sources").json()}
    assert set(load.sources) - listed == set()
    eventually(lambda: set(load.ingested) <= ready(tenant), seconds=PATIENCE)
    for path in ("/v1/bot-profiles", "/v1/api-tokens"):
        assert set(load.names) <= {one["name"] for one in tenant.http.get(path).json()}
