"""Streams that are cut and resumed elsewhere, also while gateways and chat are killed."""

import asyncio
import logging
import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import httpx
import pytest

from tests.e2e import inside
from tests.e2e.paced_model import PROMPT_TOKENS, PacedModel, paced_model
from tests.e2e.streaming import Reader, number
from tests.e2e.test_gateways import one_more
from tests.harness import PLAIN, Installation, Tenant, eventually

log = logging.getLogger(__name__)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

WORDS, SECONDS = 10, 0.03
AT_ONCE = 64
"""Turns that chat answers at once."""
FEW = 24
"""Streams where a process is killed under them."""
TEXT = "The harbour of Corran was closed in 1998 because the sea had become too shallow."


@dataclass
class Place:
    """An installation with a model that takes its time."""

    running: Installation
    model: PacedModel


@pytest.fixture
def place(isolated: Installation) -> Iterator[Place]:
    with paced_model(WORDS, SECONDS) as model:
        yield Place(isolated, model)


def known_bot(place: Place, tenant: Tenant) -> str:
    credentials = {"api_key": "k", "api_base": place.model.url}
    bot = tenant.bot(model="gpt-4o-mini", credentials=credentials)
    source = tenant.source(bot, TEXT)
    tenant.ingest(source)
    tenant.ready(source)
    return bot


async def read_all(
    place: Place,
    tenant: Tenant,
    urls: Sequence[str],
    count: int,
    rng: random.Random,
    meanwhile: Callable[[Sequence[Reader]], bool] = lambda _: True,
) -> list[Reader]:
    """Ask so many questions at once and read all answers; do `meanwhile` until it did it."""
    bot = known_bot(place, tenant)
    limits = httpx.Limits(max_connections=None)
    headers = {"Authorization": f"Bearer {tenant.token}"}
    clients = [
        httpx.AsyncClient(
            base_url=url, headers=headers, verify=PLAIN, timeout=120, limits=limits, trust_env=False
        )
        for url in urls
    ]
    readers = [
        Reader(
            f"When was the harbour of Corran closed, {number()}?",
            bot,
            clients if n % 2 else clients[::-1],
            [rng.choice((1, 2, 3, 4, 4, 6, 9)) for _ in range(rng.randrange(4))],
        )
        for n in range(count)
    ]

    async def act() -> None:
        while not meanwhile(readers):
            await asyncio.sleep(0.02)

    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(act())
            for reader in readers:
                tasks.create_task(reader.read())
    finally:
        for client in clients:
            await client.aclose()
    return readers


def told_once_each(place: Place, tenant: Tenant, readers: Sequence[Reader]) -> None:
    """What every client saw is what is stored, and each turn was stored and billed once."""
    facts = inside.facts(place.running.data_dir, tenant.id)
    for reader in readers:
        assert [name for name, _ in reader.ends] == ["done"], reader.ends
        expected = "".join(place.model.answer(reader.question))
        assert reader.text == expected
        said = tenant.http.get(f"/v1/chat/{reader.chat}/messages").json()
        assert [one["content"] for one in said] == [reader.question, expected]
        prefix = f"evt.{tenant.id}.chat.{reader.chat}"
        assert facts[prefix, "question_asked"] == facts[prefix, "answered"] == 1
    assert len({reader.turn for reader in readers}) == len(readers)
    billed = len(readers) * PROMPT_TOKENS
    path = "/v1/stats/overview"
    eventually(
        lambda: tenant.http.get(path).json()["total_prompt_tokens"] == billed,
        lambda: tenant.http.get(path).text,
    )


def test_two_hundred_streams_that_are_cut_anywhere_and_lose_a_gateway_lose_and_repeat_nothing(
    place: Place, register: Callable[[str], Tenant]
) -> None:
    """The gateway is told to stop while all are open: it brings them to their end, or they are
    resumed at the other one.
    """
    tenant = register(place.running.url)
    place.model.held = True
    with one_more(place.running, requests=60_000) as second:

        def stop(readers: Sequence[Reader]) -> bool:
            if not (all(reader.turn for reader in readers) and begun(readers)):
                return False
            second.process.terminate()
            place.model.held = False
            return True

        urls = (place.running.url, second.url)
        rng = random.Random(5)  # noqa: S311  no secret
        readers = asyncio.run(read_all(place, tenant, urls, 200, rng, stop))
        assert second.process.wait(120) == 0, second.said()
    told = Counter(name for reader in readers for name, _ in reader.ends)
    again = sum(reader.connections > 1 for reader in readers)
    log.info("%s streams ended as %s, %s of them resumed", len(readers), dict(told), again)
    told_once_each(place, tenant, readers)
    assert sum(reader.connections > 1 for reader in readers) > 50
    assert asked_once(place, readers), troubles(place)


def asked_once(place: Place, readers: Sequence[Reader]) -> bool:
    """Whether the model was asked once for each turn. A connection that breaks before the first
    word is tried again, as it may on a machine that is busy: that leaves room for one in twenty.
    """
    again = [reader for reader in readers if place.model.asked[reader.question] > 1]
    return len(again) <= len(readers) // 20


def troubles(place: Place) -> list[str]:
    """What chat complained of."""
    told = (place.running.data_dir / "logs" / "chat.log").read_text().splitlines()
    return [line for line in told if '"level": "INFO"' not in line]


def begun(readers: Sequence[Reader]) -> bool:
    """Whether half of them, or of those that chat answers at once, have got their first words."""
    return sum(reader.deltas > 0 for reader in readers) >= min(len(readers), AT_ONCE) // 2


def test_a_gateway_that_is_killed_under_its_streams_costs_nothing(
    place: Place, register: Callable[[str], Tenant]
) -> None:
    tenant = register(place.running.url)
    place.model.held = True
    with one_more(place.running, requests=60_000) as second:

        def kill(readers: Sequence[Reader]) -> bool:
            if not begun(readers):
                return False
            os.kill(second.process.pid, signal.SIGKILL)
            place.model.held = False
            return True

        urls = (second.url, place.running.url)
        rng = random.Random(6)  # noqa: S311  no secret
        readers = asyncio.run(read_all(place, tenant, urls, FEW, rng, kill))
    told_once_each(place, tenant, readers)
    assert asked_once(place, readers), troubles(place)


def test_chat_that_is_killed_under_its_streams_takes_them_over(
    place: Place, register: Callable[[str], Tenant]
) -> None:
    tenant = register(place.running.url)
    place.model.held = True

    def kill(readers: Sequence[Reader]) -> bool:
        if not begun(readers):
            return False
        place.running.kill("chat")
        place.model.held = False
        return True

    rng = random.Random(7)  # noqa: S311  no secret
    readers = asyncio.run(read_all(place, tenant, (place.running.url,), FEW, rng, kill))
    told_once_each(place, tenant, readers)
    assert sum(place.model.asked[reader.question] > 1 for reader in readers) >= len(readers) // 2
