"""Whatever is killed, every event arrives, in order, each with one id and the same bytes."""

import threading
import time
from collections.abc import Callable
from itertools import groupby

import pytest

from tests.e2e.receivers import Hit, Receiver, receiving
from tests.e2e.test_webhooks import TEXT, deliveries, verify, webhook
from tests.harness import Installation, Tenant, eventually

Register = Callable[[str], Tenant]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

COUNT = 12


def arrived(receiver: Receiver) -> list[str]:
    """Which sources the receiver took, in order, without what came again at once."""
    return [source for source, _ in groupby(hit.json["source_id"] for hit in receiver.hits)]


def proper(receiver: Receiver, secret: str) -> bool:
    """Whether every event has one id, one body, and signatures that hold."""
    for hit in receiver.hits:
        verify(hit, secret)
    bodies: dict[str, set[bytes]] = {}
    for hit in receiver.hits:
        bodies.setdefault(hit.id, set()).add(hit.body)
    sources = {hit.json["source_id"] for hit in receiver.hits}
    return len(bodies) == len(sources) and all(len(found) == 1 for found in bodies.values())


def test_webhooks_killed_while_a_delivery_is_retried(
    isolated: Installation, register: Register
) -> None:
    tenant = register(isolated.url)
    down = threading.Event()
    down.set()
    with receiving(lambda _hit: 503 if down.is_set() else 200) as receiver:
        made = webhook(tenant, receiver.url, "source.created")
        bot = tenant.bot()
        ids = [tenant.source(bot, TEXT) for _ in range(COUNT)]
        eventually(lambda: len(receiver.hits) >= 2)
        isolated.kill("webhooks")
        down.clear()
        eventually(
            lambda: arrived(receiver) == ids,
            lambda: f"{arrived(receiver)} {isolated.logs()}",
            seconds=120,
        )
        assert proper(receiver, made["secret"])
        eventually(lambda: len(deliveries(tenant, made, status="delivered")) == COUNT)


def test_webhooks_killed_after_the_receiver_took_it_and_before_it_is_recorded(
    isolated: Installation, register: Register
) -> None:
    tenant = register(isolated.url)
    kills = [3, 7]

    def answer(hit: Hit) -> int:
        if kills and len(receiver.hits) >= kills[0]:
            kills.pop(0)
            isolated.kill("webhooks")
            time.sleep(0.2)
        return 200

    with receiving(answer) as receiver:
        made = webhook(tenant, receiver.url, "source.created")
        bot = tenant.bot()
        ids = [tenant.source(bot, TEXT) for _ in range(COUNT)]
        eventually(
            lambda: arrived(receiver) == ids,
            lambda: f"{arrived(receiver)} {isolated.logs()}",
            seconds=120,
        )
        assert kills == []
        assert proper(receiver, made["secret"])
        again = len(receiver.hits) - COUNT
        assert 1 <= again <= 2
        eventually(lambda: len(deliveries(tenant, made, status="delivered")) == COUNT)


@pytest.mark.parametrize("victim", ["nats", "postgres"])
def test_broker_or_database_killed_while_deliveries_go_out(
    isolated: Installation, register: Register, victim: str
) -> None:
    tenant = register(isolated.url)
    with receiving() as receiver:
        made = webhook(tenant, receiver.url, "source.created")
        bot = tenant.bot()
        ids = [tenant.source(bot, TEXT) for _ in range(COUNT)]
        eventually(lambda: receiver.hits)
        isolated.kill(victim)
        eventually(
            lambda: arrived(receiver) == ids,
            lambda: f"{arrived(receiver)} {isolated.logs()}",
            seconds=120,
        )
        assert proper(receiver, made["secret"])
    eventually(lambda: tenant.http.get("/readyz").status_code == 200)
