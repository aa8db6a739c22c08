"""A crawl brings no more pages while too many sources of its tenant wait."""

from dataclasses import dataclass, field
from typing import Any, cast

from services.ingest.domain.crawl import Crawl, crawl_decider
from services.ingest.domain.source import Present, source_decider
from services.ingest.reactions.crawl import KIND, REST_SECONDS, CrawlWebsite
from services.ingest.reactions.visit import Visit
from shared.contracts.base import Command, Done, Metadata
from shared.contracts.ingest import SourceCreated, SourceSettings
from shared.contracts.ingest_website import CrawlBegun, CrawlSiteRead, RecordPage
from shared.runtime.timers import Tick
from tests.unit.ingest.fakes import ManualTimers
from tests.unit.ingest.samples import requested
from tests.unit.samples import T0, metadata

BEGUN = CrawlBegun(source_id="s1", run_id="r1")
READ = CrawlSiteRead(source_id="s1", run_id="r1", robots_ref=None, delay_seconds=1.0)
CREATED = SourceCreated(
    source_id="s1",
    bot_profile_id="b1",
    source_type="website",
    settings=SourceSettings(name="Site", config={"root_url": "https://example.com/"}),
)
TICK = Tick("s1", b"r1", metadata())


@dataclass(frozen=True)
class Due:
    url: str = "https://example.com/"
    depth: int = 0
    child_id: str | None = None


class OneDue:
    """Rows of a site with one page to go, until that was visited."""

    def __init__(self, visited: list[str]) -> None:
        self._visited = visited

    async def next_due(self, *_of: str) -> Due | None:
        return None if self._visited else Due()

    async def known(self, *_of: object) -> set[str]:
        return set()

    async def kept(self, *_of: str) -> list[Any]:
        return []

    async def why_root_failed(self, *_of: str) -> None:
        return None


@dataclass
class World:
    """A crawl that has read its site."""

    full: bool
    timers: ManualTimers = field(default_factory=ManualTimers)
    visited: list[str] = field(default_factory=list)
    ordered: list[Command] = field(default_factory=list)

    async def step(self) -> None:
        crawl = CrawlWebsite(
            execute=self._execute,
            current=self._current,
            rows=cast("Any", OneDue(self.visited)),
            read_site=cast("Any", None),
            visit_page=cast("Any", self._visit),
            full=self._full,
            pace=cast("Any", self),
            timers=self.timers,
            blobs=cast("Any", None),
            sleep=self._sleep,
            now=lambda: T0,
        )
        await crawl(TICK)

    async def reserve(self, *_of: object) -> float:
        return 0.0

    async def _full(self, tenant_id: str) -> bool:
        assert tenant_id == TICK.metadata.tenant_id
        return self.full

    async def _current(self, aggregate: str, _tenant: str, _id: str) -> Crawl | Any:
        if aggregate == "crawl":
            return crawl_decider.fold([BEGUN, READ])
        found = source_decider.fold([CREATED, requested()])
        assert isinstance(found, Present)
        return found

    async def _execute(self, command: Command, _meta: Metadata, _purpose: str) -> Done:
        self.ordered.append(command)
        return Done(position=1)

    async def _visit(self, visit: Visit, _paced: object) -> RecordPage:
        self.visited.append(visit.page.url)
        return visit.ends("skipped", "nothing on it")

    async def _sleep(self, _seconds: float) -> None:
        return


async def test_a_crawl_rests_and_neither_fails_nor_asks_the_site() -> None:
    it = World(full=True)
    await it.step()
    assert (it.visited, it.ordered) == ([], [])
    [(kind, timer_id, at, _, body)] = it.timers.made
    assert (kind, timer_id, body) == (KIND, "s1", b"r1")
    assert (at - T0).total_seconds() == REST_SECONDS


async def test_a_crawl_goes_on_when_there_is_room() -> None:
    it = World(full=False)
    await it.step()
    assert it.visited == ["https://example.com/"]
