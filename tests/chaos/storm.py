"""A storm: every fault point's process is ended while documents come in and questions are asked."""

import logging
import random
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from shared.kernel.faults import FaultPoint
from tests.chaos import evidence
from tests.chaos.detours import Detoured
from tests.chaos.evidence import Evidence
from tests.chaos.switches import Switches
from tests.chaos.work import Work
from tests.e2e import inside
from tests.e2e.sites import Page, Site, html, serving, sitemap
from tests.harness import SPARING, Installation, Tenant, eventually

log = logging.getLogger(__name__)

ENVIRONMENT = {
    **SPARING,
    # What died with a process keeps its share until the broker gives it out again.
    "MINIRAG_JOBS_PER_TENANT": "32",
}
PAGES = 8
TOLD_FRAMES = 8
"""Of a trouble's own traceback, those where it happened."""
REST_SECONDS = 600.0
REBUILT = ("sources", "chats", "index", "rollups")
"""Read models that a storm writes to; all others are rebuilt by other tests."""

P = FaultPoint
Traffic = Callable[["Storm"], None]


@dataclass(frozen=True, slots=True)
class Strike:
    """One process that is ended at one point."""

    point: FaultPoint
    service: str
    traffic: Traffic
    """Makes the process pass the point."""
    passage: int = 1


def documents(storm: "Storm") -> None:
    storm.work.feed(3)


def long_document(storm: "Storm") -> None:
    storm.work.feed(1, long=True)


def question(storm: "Storm") -> None:
    storm.work.ask()


def registration(storm: "Storm") -> None:
    storm.work.invite()
    storm.work.register()


def hook(storm: "Storm") -> None:
    storm.work.hook()


def farewell(storm: "Storm") -> None:
    storm.work.farewell()


def text(storm: "Storm") -> None:
    storm.work.write()


def slot(storm: "Storm") -> None:
    source = storm.work.scheduled()
    inside.make_due(storm.running.data_dir, storm.work.tenant.id, source, seconds=0.5)


def crawl(storm: "Storm") -> None:
    storm.crawl()


LANES: Sequence[Sequence[Strike]] = (
    [
        Strike(P.CRAWL_VISITED, "ingest", crawl, 2),
        Strike(P.INGEST_STARTED, "ingest", documents),
        Strike(P.INGEST_FETCHED, "ingest", documents, 2),
        Strike(P.CRAWL_RECORDED, "ingest", crawl, 2),
        Strike(P.INGEST_EXTRACTED, "ingest", documents),
        Strike(P.INGEST_BATCH_TOLD, "ingest", long_document),
        Strike(P.INGEST_CHUNKED, "ingest", documents, 2),
        Strike(P.INGEST_EMBEDDED, "ingest", long_document, 2),
        Strike(P.INGEST_PREPARED, "ingest", documents),
        Strike(P.JOB_HANDLED, "ingest", documents),
        Strike(P.JOB_ACKNOWLEDGED, "ingest", documents),
    ],
    [
        Strike(P.CHAT_RETRIEVED, "chat", question),
        Strike(P.CHAT_FRAME, "chat", question, 3),
        Strike(P.INDEX_UPSERTED, "chat", documents),
        Strike(P.CHAT_SPOKEN, "chat", question),
        Strike(P.INDEX_FLUSHED, "chat", documents),
        Strike(P.CHAT_ANSWERED, "chat", question),
        Strike(P.INDEX_DELETED, "chat", farewell),
        Strike(P.CHAT_ENDED, "chat", question),
    ],
    [
        Strike(P.SCHEDULE_WOKEN, "scheduler", slot),
        Strike(P.COMMAND_HANDLED, "webhooks", hook),
        Strike(P.PROJECTOR_ROWS, "analytics", text),
        Strike(P.SCHEDULE_FIRED, "scheduler", slot),
        Strike(P.COMMAND_ACKNOWLEDGED, "webhooks", hook),
        Strike(P.PROJECTOR_MOVED, "analytics", text),
        Strike(P.LOG_BATCHED, "gateway", registration),
        Strike(P.TIMER_HANDLED, "scheduler", slot),
        Strike(P.LOG_APPENDING, "webhooks", hook),
        Strike(P.PROJECTOR_COMMITTED, "analytics", text),
        Strike(P.ORDER_STORED, "gateway", registration),
        Strike(P.TIMER_ACKNOWLEDGED, "scheduler", slot),
        Strike(P.LOG_APPENDED, "webhooks", hook),
        Strike(P.BLOB_WRITTEN, "gateway", text),
        Strike(P.REACTION_HANDLED, "scheduler", text),
        Strike(P.COMMAND_ROWS, "webhooks", hook),
        Strike(P.BLOB_WRITING, "gateway", text),
        Strike(P.REACTION_ACKNOWLEDGED, "scheduler", text),
        Strike(P.ERASURE_KEYS, "gateway", farewell),
        Strike(P.COMMAND_SHOWN, "webhooks", hook),
        Strike(P.BLOB_SYNCED, "gateway", text),
        Strike(P.ERASURE_CLEARED, "analytics", farewell),
    ],
)
"""Lanes run side by side, and the strikes of one in turn: no two lanes end the same service, but
for a broker or a database that all of them lose.
"""
STORES: Mapping[int, str] = {3: "nats", 7: "postgres"}
"""What else is killed, by the strike of the first lane before which it is."""


class Undriven(Exception):
    """A storm did not come to its end: nothing is known then of what the product holds in one."""


def undriven(why: Exception, running: Installation) -> Undriven:
    """What to raise in the place of the first trouble; tells it, as a second try would hide it."""
    log.error("the storm was not driven to its end", exc_info=why)
    told = "".join(traceback.format_exception(why, limit=-TOLD_FRAMES))
    return Undriven(f"{told}\n{running.logs()}")


class Storm:
    """One run over one installation in processes of their own."""

    def __init__(self, running: Installation, switches: Switches, work: Work, site: Site) -> None:
        self.running = running
        self.work = work
        self._switches = switches
        self._site = site

    def strike(self, lanes: Sequence[Sequence[Strike]]) -> None:
        """Have every strike happen. Raises if one does not."""
        with ThreadPoolExecutor(len(lanes)) as threads:
            lost = [threads.submit(self._lane, lane, kills=not n) for n, lane in enumerate(lanes)]
            for one in lost:
                one.result()

    def crawl(self) -> None:
        """Import a website, once."""
        with_pages = {f"/{n}": html(f"Page {n}", f"It is page {n}.") for n in range(PAGES)}
        if self._site.pages:
            return
        self._site.pages |= {
            "/": html("Home", "Welcome."),
            "/robots.txt": Page(b"", "text/plain"),
            "/sitemap.xml": sitemap(self._site.base, *with_pages),
            **with_pages,
        }
        config = {"root_url": f"{self._site.base}/", "delay_seconds": 0.2}
        source = self.work.write(source_type="website", content=None, config=config)
        self.work.ingest(source)

    def _lane(self, lane: Sequence[Strike], *, kills: bool) -> None:
        for n, one in enumerate(lane):
            if kills and n in STORES:
                self.running.kill(STORES[n])
                log.info("killed %s", STORES[n])
            self._switches.arm(one.point, one.service, one.passage)
            one.traffic(self)
            self._switches.await_fired(one.point, self.work.check)
            log.info("%s ended at %s", one.service, one.point)


def shuffled(lanes: Sequence[Sequence[Strike]], seed: int) -> list[list[Strike]]:
    """The same strikes in another order, at other passages."""
    chance = random.Random(seed)  # noqa: S311  a seed that can be given again is the point
    return [
        [
            replace(one, passage=chance.randint(1, 3)) if one.traffic is documents else one
            for one in chance.sample(lane, len(lane))
        ]
        for lane in lanes
    ]


@contextmanager
def weathered(
    data_dir: Path, rounds: int, lanes: Sequence[Sequence[Strike]]
) -> Iterator[tuple[Evidence, Mapping[str, int], set[str]]]:
    """What a storm left: the evidence, the points in the index by source, what points were met.

    Raises `Undriven` where it cannot be told.
    """
    with tempfile.TemporaryDirectory(prefix="tests-chaos-") as folder, serving(Site({})) as site:
        switches = Switches(Path(folder) / "faults")
        env = {**ENVIRONMENT, "MINIRAG_FAULT_DIR": str(switches.folder)}
        running = Detoured(data_dir, env=env).start()
        try:
            found = through(running, switches, site, rounds, lanes)
        except Exception as why:
            raise undriven(why, running) from why
        finally:
            code = running.stop()
        assert code == 0, "".join(running.output)
        yield found, evidence.points(data_dir, found), switches.fired()


def through(
    running: Installation,
    switches: Switches,
    site: Site,
    rounds: int,
    lanes: Sequence[Sequence[Strike]],
    also: Traffic = lambda _storm: None,
) -> Evidence:
    """What is left after every strike, and then whatever `also` does."""
    with ExitStack() as stack:
        work, calm = (
            Work(Tenant(running.url, "storm"), rounds),
            Work(Tenant(running.url, "calm"), 1),
        )
        for one in (work, calm):
            stack.callback(one.close)
        work.begin()
        blowing = Storm(running, switches, work, site)
        blowing.strike(lanes)
        also(blowing)
        work.feed_rest()
        work.told_all()
        calm.feed_rest()
        calm.told_all()
        return settled(running, switches, work, calm)


def settled(running: Installation, switches: Switches, work: Work, calm: Work) -> Evidence:
    """Wait until all is at rest, and see what is left; read models are made anew for it."""
    for one in (work, calm):
        one.rest()
    eventually(
        lambda: not inside.busy(running.data_dir),
        lambda: f"{inside.busy(running.data_dir)} {running.logs()}",
        REST_SECONDS,
    )
    log.info("all is at rest")
    rows, rebuilt = inside.remade(running.data_dir, *REBUILT)
    log.info("rebuilt")
    found = evidence.gathered(
        running.data_dir,
        switches,
        rows=rows,
        rebuilt=rebuilt,
        storm=work.tenant.id,
        calm=calm.tenant.id,
    )
    return replace(
        found,
        sources=sorted(work.sources),
        questions=sorted(work.answers),
        answers=work.answers,
        users=sorted(work.users),
        statuses=work.statuses,
    )
