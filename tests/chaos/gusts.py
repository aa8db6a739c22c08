"""What else happens to processes and connections than their end, one thing after another.

Each gust is over when every client was told, so that the next one meets a product at work.
"""

import logging
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil

from shared.kernel.faults import FaultPoint
from tests.chaos import probes, storm
from tests.chaos.company import Company, accompanied
from tests.chaos.detours import Detoured, Detours, detours
from tests.chaos.disks import Small
from tests.chaos.evidence import Evidence
from tests.chaos.storm import Storm, Traffic
from tests.chaos.switches import Switches
from tests.chaos.work import Work
from tests.e2e import inside
from tests.e2e.sites import Site, serving
from tests.harness import PASSWORD, Tenant, eventually
from tests.proxy import Proxy

log = logging.getLogger(__name__)

P = FaultPoint
LATENCY_SECONDS = 0.02
CUT_AFTER = 20_000
"""Bytes: in the midst of the work of one document."""
RESTART_SECONDS = 180.0
ALIKE = 4
"""Documents that somebody uploads undisturbed, for comparison."""


@dataclass(frozen=True)
class Weather:
    """What gusts blow upon."""

    storm: Storm
    switches: Switches
    detours: Detours
    company: Company
    stop: float = 30.0
    """Seconds that processes are stopped."""
    pause: float = 5.0
    """Seconds that connections misbehave."""
    disk: Small | None = None
    """What the broker writes to, if it can be filled."""
    left_out: list[str] = field(default_factory=list)
    """What could not be done here, and why."""

    @property
    def work(self) -> Work:
        return self.storm.work

    def busy(self) -> None:
        """Something of everything, without waiting for it."""
        self.work.feed(2)
        self.work.ask()
        self.work.hook()
        self.work.invite()
        self.work.register()

    def calm(self) -> None:
        """Wait until every client was told."""
        self.work.told_all()


Gust = Callable[[Weather], None]
Places = Sequence[tuple[FaultPoint, str, Traffic]]
"""Where which service fails, and what makes it pass there."""
STOPPED: Places = (
    (P.SCHEDULE_WOKEN, "scheduler", storm.slot),
    (P.PROJECTOR_ROWS, "analytics", storm.text),
    (P.COMMAND_HANDLED, "webhooks", storm.hook),
    (P.INGEST_EMBEDDED, "ingest", storm.documents),
    (P.CHAT_FRAME, "chat", storm.question),
    (P.ORDER_STORED, "gateway", storm.registration),
)
"""Where each service is stopped; the gateway last, as all others are reached by it."""
FAILED: Places = (
    (P.INGEST_EXTRACTED, "ingest", storm.documents),
    (P.COMMAND_ROWS, "webhooks", storm.hook),
    (P.PROJECTOR_MOVED, "analytics", storm.text),
    (P.CHAT_RETRIEVED, "chat", storm.question),
    (P.SCHEDULE_WOKEN, "scheduler", storm.slot),
)
"""Where the code of each service fails as by a mistake."""


@contextmanager
def stopped_services(weather: Weather, places: Places = STOPPED) -> Iterator[None]:
    """Every service is stopped in the midst of something, and goes on afterwards."""
    stopped: list[int] = []
    try:
        for point, service, traffic in places:
            weather.switches.arm(point, service, action="stop")
            traffic(weather.storm)
            stopped.append(weather.switches.await_fired(point, weather.work.check))
            log.info("%s stopped at %s", service, point)
        yield
    finally:
        for pid in stopped:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@contextmanager
def stopped_database(weather: Weather) -> Iterator[None]:
    """All of the database is stopped, and goes on afterwards."""
    postmaster = psutil.Process(weather.storm.running.pids()["postgres"])
    stopped = [postmaster, *postmaster.children(recursive=True)]
    try:
        for process in stopped:
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        yield
    finally:
        for process in stopped:
            with suppress(psutil.NoSuchProcess):
                process.resume()


def services_stop(weather: Weather) -> None:
    """All services are stopped for longer than the broker waits for any of them."""
    with stopped_services(weather):
        time.sleep(weather.stop)
    weather.calm()


def everything_stops(weather: Weather) -> None:
    """Services, broker and database are stopped; the broker is replaced by whoever keeps it, which
    takes longer than it waits for commands to be acknowledged.
    """
    with stopped_services(weather), stopped_database(weather):
        _replaced(weather)
    weather.calm()


def code_fails(weather: Weather) -> None:
    """Every service meets a mistake, of which only that one attempt comes to nothing, and one a
    message that it can never handle.
    """
    inside.plant(weather.storm.running.data_dir, weather.work.tenant.id)
    for point, service, traffic in FAILED:
        weather.switches.arm(point, service, action="raise")
        traffic(weather.storm)
        weather.switches.await_fired(point, weather.work.check)
        log.info("%s failed at %s", service, point)
    weather.calm()


def code_is_slow(weather: Weather) -> None:
    """A service holds its event loop up."""
    weather.switches.arm(P.INGEST_CHUNKED, "ingest", action=f"sleep={weather.stop}")
    storm.documents(weather.storm)
    weather.switches.await_fired(P.INGEST_CHUNKED, weather.work.check)
    weather.calm()


def broker_hangs(weather: Weather) -> None:
    """The broker is stopped for good while there is work; whoever keeps it starts another."""
    weather.busy()
    _replaced(weather)
    weather.calm()


def database_hangs(weather: Weather) -> None:
    """The database is stopped for a while, and there is work."""
    with stopped_database(weather):
        weather.busy()
        time.sleep(weather.stop)
    weather.calm()


def _replaced(weather: Weather) -> None:
    """Stop the broker, and wait until there is another."""
    running = weather.storm.running
    before = eventually(lambda: running.pids().get("nats"), running.logs)
    os.kill(before, signal.SIGSTOP)
    eventually(lambda: running.pids().get("nats", before) != before, running.logs, RESTART_SECONDS)


def connections(server: str) -> Iterator[Gust]:
    """What befalls the connections of all services with a server."""

    def during(begin: Callable[[Proxy], None], end: Callable[[Proxy], None]) -> Gust:
        def gust(weather: Weather) -> None:
            weather.detours.do(server, begin)
            try:
                weather.busy()
                time.sleep(weather.pause)
            finally:
                weather.detours.do(server, end)
            weather.calm()

        return gust

    def slow(proxy: Proxy) -> None:
        proxy.latency = LATENCY_SECONDS

    def quick(proxy: Proxy) -> None:
        proxy.latency = 0.0

    def swallowed(weather: Weather) -> None:
        """What was asked for is done, and nobody hears of it until the connections break."""
        weather.detours.do(server, Proxy.swallow)
        weather.busy()
        time.sleep(weather.pause)
        weather.detours.do(server, Proxy.cut)
        weather.calm()

    def reset(weather: Weather) -> None:
        weather.busy()
        weather.detours.do(server, Proxy.reset)
        weather.calm()

    def cut(weather: Weather) -> None:
        weather.detours.do(server, lambda proxy: proxy.cut_after(CUT_AFTER))
        weather.busy()
        weather.calm()

    named = {
        "slow": during(slow, quick),
        "stalled": during(Proxy.stall, Proxy.go_on),
        "swallowed": swallowed,
        "reset": reset,
        "cut": cut,
    }
    for name, gust in named.items():
        gust.__name__ = f"{server}_{name}"
        yield gust


def half_open(server: str) -> Gust:
    """The server's end of every connection is gone and no service is told; it must find out."""

    def gust(weather: Weather) -> None:
        weather.detours.do(server, Proxy.half_open)
        weather.busy()
        weather.calm()

    gust.__name__ = f"{server}_half_open"
    return gust


def connections_break(weather: Weather) -> None:
    """Those with the broker in the midst of a message, those with the database by RST."""
    weather.detours.do("nats", lambda proxy: proxy.cut_after(CUT_AFTER))
    weather.busy()
    weather.detours.do("postgres", Proxy.reset)
    weather.calm()


def connections_lie(weather: Weather) -> None:
    """What the broker is asked for is done and nobody hears of it; the database is silent."""
    weather.detours.do("postgres", Proxy.stall)
    weather.detours.do("nats", Proxy.swallow)
    try:
        weather.busy()
        time.sleep(weather.pause)
    finally:
        weather.detours.do("nats", Proxy.cut)
        weather.detours.do("postgres", Proxy.go_on)
    weather.calm()


def others_misbehave(weather: Weather) -> None:
    """Models and receivers of webhooks do what they should not while both servers are far away;
    each turn and delivery comes to its end.
    """
    for server in ("nats", "postgres"):
        weather.detours.do(server, lambda proxy: setattr(proxy, "latency", LATENCY_SECONDS))
    weather.company.called(weather.work)
    for server in ("nats", "postgres"):
        weather.detours.do(server, lambda proxy: setattr(proxy, "latency", 0.0))
    weather.calm()


NATS = {gust.__name__: gust for gust in connections("nats")}
POSTGRES = {gust.__name__: gust for gust in connections("postgres")}
SHORT: Sequence[Gust] = (
    everything_stops,
    code_fails,
    connections_break,
    connections_lie,
    others_misbehave,
)
"""One of each kind."""
LONG: Sequence[Gust] = (
    *SHORT,
    services_stop,
    broker_hangs,
    database_hangs,
    code_is_slow,
    *NATS.values(),
    *POSTGRES.values(),
    half_open("nats"),
    half_open("postgres"),
)


@contextmanager
def installation(
    data_dir: Path, env: Mapping[str, str] | None = None
) -> Iterator[tuple[Detoured, Switches, Detours]]:
    """Whose services can be stopped and whose connections broken."""
    with (
        tempfile.TemporaryDirectory(prefix="tests-chaos-") as folder,
        detours(data_dir) as ways,
    ):
        switches = Switches(Path(folder) / "faults")
        told = {
            **(env or {}),
            "MINIRAG_FAULT_DIR": str(switches.folder),
            # Webhooks are tried again after 0.1, 6 and 36 seconds.
            "MINIRAG_WEBHOOK_PACE": "0.02",
            **ways.env,
        }
        running = Detoured(data_dir, env=told).start()
        try:
            yield running, switches, ways
        finally:
            code = running.stop()
        assert code == 0, "".join(running.output)


def blow(gust: Gust, weather: Weather) -> None:
    """Have it begin, and be over."""
    began = time.monotonic()
    gust(weather)
    log.info("%s: over after %.1f s", gust.__name__, time.monotonic() - began)


def blown(data_dir: Path, gusts: Sequence[Gust], *, stop: float, pause: float) -> Evidence:
    """What a row of gusts left."""
    with (
        installation(data_dir) as (running, switches, ways),
        serving(Site({})) as site,
        accompanied() as company,
        ExitStack() as stack,
    ):
        work = Work(Tenant(running.url, "gusts"), len(gusts), looks=True)
        calm = Work(Tenant(running.url, "calm"), 1)
        for one in (work, calm):
            stack.callback(one.close)
            parts = (
                f"The guarantee on part {n} of a bicycle lasts {canary(one)} years. "
                for n in range(1, 9)
            )
            one.ingest(one.write(content="".join(parts)))
            one.rest()
            one.ask()
            one.told_all()
        work.begin()
        company.introduced(work)
        before = probes.held(running)
        blowing = Storm(running, switches, work, site)
        weather = Weather(blowing, switches, ways, company, stop=stop, pause=pause)
        for gust in gusts:
            blow(gust, weather)
        calm.feed(ALIKE)
        calm.told_all()
        found = storm.settled(running, switches, work, calm)
        return replace(
            found,
            canaries={one.tenant.id: canary(one) for one in (work, calm)},
            spilled=probes.spilled(data_dir, [*company.secrets, work.tenant.token, PASSWORD]),
            resources=probes.compared(before, probes.held(running)),
            planted=gusts.count(code_fails),
            ledger=company.model.ledger,
            may_fail=company.questions,
            hits=company.hits(),
            replays=work.repeated(),
            unread=work.unread,
        )


def canary(work: Work) -> str:
    """A word that only this tenant's documents have."""
    return f"zircon{work.tenant.id.replace('-', '')}"
