"""One of each fault but crashes, upon what a storm has left: short enough for the suite.

The waits are shared: what takes half a minute to be noticed happens to all at the same time.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

from shared.kernel.faults import FaultPoint
from tests.chaos import detour, evidence, gusts, storm
from tests.chaos.company import accompanied
from tests.chaos.disks import Small, files_limited
from tests.chaos.evidence import Evidence
from tests.chaos.gusts import Gust, Weather
from tests.chaos.storm import Storm, Strike
from tests.e2e.sites import Site, serving
from tests.harness import eventually
from tests.proxy import Proxy

P = FaultPoint
STOP_SECONDS = 20.0
"""Longer than the broker waits for anybody to acknowledge, which is 15 at most."""
PING_SECONDS = 4
"""Instead of ten: three unanswered pings of the broker's client tell that nobody is there."""
ENVIRONMENT = {**storm.ENVIRONMENT, detour.PINGS: str(PING_SECONDS)}
PAUSE_SECONDS = 2.0
SLOW_SECONDS = 2
PATIENCE = 300.0
SERVERS = ("nats", "postgres")
STOPPED = (
    (P.TIMER_HANDLED, "scheduler", storm.slot),
    (P.PROJECTOR_ROWS, "analytics", storm.documents),
    (P.INGEST_EMBEDDED, "ingest", storm.documents),
)
"""Who is stopped, where; those who answer go on. Ingest is last, as the others need it for that."""
Left = tuple[Evidence, Mapping[str, int], set[str], list[str]]
"""The evidence, the points in the index by source, what points were met, and what was left out."""


def mistakes(weather: Weather) -> None:
    """As `code_fails`, while a service holds its event loop up, and models and receivers of
    webhooks do what they should not.
    """
    with ThreadPoolExecutor(1) as beside:
        company = beside.submit(weather.company.called, weather.work)
        weather.switches.arm(P.CHAT_SPOKEN, "chat", action=f"sleep={SLOW_SECONDS}")
        storm.question(weather.storm)
        gusts.code_fails(weather)
        weather.switches.await_fired(P.CHAT_SPOKEN, weather.work.check)
        company.result()


def silence(weather: Weather) -> None:
    """The server's ends of all connections are gone without a word, while some services are
    stopped; the others find out by themselves, and the rest is reset.
    """
    with gusts.stopped_services(weather, STOPPED):
        began = time.monotonic()
        for server in SERVERS:
            weather.detours.do(server, Proxy.half_open)
        told = len(weather.work.answers)
        weather.busy()
        eventually(lambda: len(weather.work.answers) > told, weather.storm.running.logs, PATIENCE)
        time.sleep(max(0.0, STOP_SECONDS - (time.monotonic() - began)))
        for server in SERVERS:
            weather.detours.do(server, Proxy.reset)
    weather.calm()


def full(weather: Weather) -> None:
    """There is no room to write for the database, and then for the broker if it has a small disk;
    there is room again once somebody was refused for it.
    """
    running, work = weather.storm.running, weather.work
    before = eventually(lambda: running.pids().get("postgres"), running.logs)
    with files_limited(before) as done:
        weather.busy()
        if done:  # then it cannot even recover, so it ends, and whoever keeps it starts another
            eventually(
                lambda: running.pids().get("postgres", before) != before, running.logs, PATIENCE
            )
        else:
            weather.left_out.append("needs prlimit, and the right to use it")
    weather.calm()
    if weather.disk is None:
        return
    refused = work.statuses[HTTPStatus.SERVICE_UNAVAILABLE]
    with weather.disk.filled():
        weather.busy()
        eventually(
            lambda: work.statuses[HTTPStatus.SERVICE_UNAVAILABLE] > refused, running.logs, PATIENCE
        )
    weather.busy()
    weather.calm()


EACH: Sequence[Gust] = (
    mistakes,
    gusts.connections_break,
    gusts.connections_lie,
    silence,
    full,
)


@contextmanager
def after_a_storm(
    data_dir: Path,
    rounds: int,
    lanes: Sequence[Sequence[Strike]],
    disk: Small | None,
) -> Iterator[Left]:
    """As `storm.weathered`, with one of each other fault upon what the storm has left."""
    with (
        gusts.installation(data_dir, ENVIRONMENT) as (running, switches, ways),
        serving(Site({})) as site,
        accompanied() as company,
    ):
        struck: set[str] = set()
        left_out: list[str] = []

        def blow(blowing: Storm) -> None:
            struck.update(switches.fired())
            company.introduced(blowing.work)
            weather = Weather(
                blowing, switches, ways, company, pause=PAUSE_SECONDS, disk=disk, left_out=left_out
            )
            for gust in EACH:
                gusts.blow(gust, weather)

        try:
            found = storm.through(running, switches, site, rounds, lanes, blow)
        except Exception as why:
            raise storm.undriven(why, running) from why
        found = replace(
            found,
            planted=1,
            ledger=company.model.ledger,
            may_fail=company.questions,
            hits=company.hits(),
        )
    yield found, evidence.points(data_dir, found), struck, left_out
