"""What may happen to the crawl of a website. Pure: no clock, no ids, no I/O.

The pages themselves stand in a read model: the aggregate holds what decisions need, so that it
stays small however large the site is.
"""

from collections.abc import Iterator, Sequence

from pydantic import TypeAdapter

from shared.contracts.base import Message, Metadata
from shared.contracts.ingest_website import (
    BeginCrawl,
    CancelCrawl,
    CrawlBegun,
    CrawlCancelled,
    CrawlCommand,
    CrawlCounts,
    CrawlEvent,
    CrawlFinished,
    CrawlPagesFound,
    CrawlPagesRetired,
    CrawlPageVisited,
    CrawlPaused,
    CrawlPhase,
    CrawlResumed,
    CrawlSiteRead,
    FinishCrawl,
    FoundPage,
    PauseCrawl,
    RecordPage,
    RecordSite,
    ResumeCrawl,
)
from shared.kernel.decider import Decider
from shared.kernel.errors import Conflict

AT_ONCE = 200
"""Pages of one event, so that it fits into a message."""
FOUND_LIMIT = 10_000
"""Addresses that one crawl looks at; a site can have no end."""


class Crawl(Message):
    """The last crawl of a website; the first one has no run yet."""

    run_id: str | None = None
    phase: CrawlPhase = "finished"
    site: CrawlSiteRead | None = None
    counts: CrawlCounts = CrawlCounts()
    incomplete: bool = False
    """Something could not be reached, so that pages that are missing may be there all the same."""

    @property
    def open(self) -> bool:
        return self.phase in ("running", "paused")


def decide(crawl: Crawl, command: CrawlCommand, _meta: Metadata) -> Sequence[CrawlEvent]:
    """What `command` does to `crawl`. Raises `Conflict`."""
    match command:
        case BeginCrawl(source_id=source_id, run_id=run_id):
            if crawl.run_id == run_id:
                return []
            return [CrawlBegun(source_id=source_id, run_id=run_id)]
        case RecordSite():
            return _record_site(crawl, command)
        case RecordPage():
            return _record_page(crawl, command)
        case PauseCrawl(source_id=source_id):
            run_id = _open_run(crawl)
            return [CrawlPaused(source_id=source_id, run_id=run_id)] * (crawl.phase == "running")
        case ResumeCrawl(source_id=source_id):
            run_id = _open_run(crawl)
            return [CrawlResumed(source_id=source_id, run_id=run_id)] * (crawl.phase == "paused")
        case CancelCrawl(source_id=source_id):
            run_id = _open_run(crawl)
            return [CrawlCancelled(source_id=source_id, run_id=run_id, counts=crawl.counts)]
        case FinishCrawl():
            return _finish(crawl, command)


def _open_run(crawl: Crawl) -> str:
    """Raise `Conflict` if no crawl is on its way."""
    if crawl.run_id is None or not crawl.open:
        raise Conflict("No import is on its way")
    return crawl.run_id


def _record_site(crawl: Crawl, command: RecordSite) -> Sequence[CrawlEvent]:
    if not crawl.open or crawl.run_id != command.run_id or crawl.site is not None:
        return []
    read = CrawlSiteRead(
        source_id=command.source_id,
        run_id=command.run_id,
        robots_ref=command.robots_ref,
        delay_seconds=command.delay_seconds,
        incomplete=command.incomplete,
    )
    return [read, *_found(command, crawl.counts, command.pages)]


def _record_page(crawl: Crawl, command: RecordPage) -> Sequence[CrawlEvent]:
    if not crawl.open or crawl.run_id != command.run_id:
        return []
    outcome = command.outcome
    counts = crawl.counts.model_copy(
        update={
            "visited": crawl.counts.visited + 1,
            outcome: getattr(crawl.counts, outcome) + 1,
        }
    )
    fields = command.model_dump(exclude={"found"})
    visited = CrawlPageVisited(**fields, counts=counts)
    return [visited, *_found(command, counts, command.found)]


def _finish(crawl: Crawl, command: FinishCrawl) -> Sequence[CrawlEvent]:
    if not crawl.open or crawl.run_id != command.run_id:
        return []
    source_id, run_id, counts = command.source_id, command.run_id, crawl.counts
    events: list[CrawlEvent] = []
    for first in range(0, len(command.retired), AT_ONCE):
        urls = command.retired[first : first + AT_ONCE]
        counts = counts.model_copy(update={"retired": counts.retired + len(urls)})
        events.append(
            CrawlPagesRetired(source_id=source_id, run_id=run_id, urls=urls, counts=counts)
        )
    return [
        *events,
        CrawlFinished(source_id=source_id, run_id=run_id, failure=command.failure, counts=counts),
    ]


def _found(
    command: RecordSite | RecordPage, counts: CrawlCounts, pages: Sequence[FoundPage]
) -> Iterator[CrawlPagesFound]:
    room = max(0, FOUND_LIMIT - counts.found)
    for first in range(0, min(len(pages), room), AT_ONCE):
        part = pages[first : min(first + AT_ONCE, room)]
        skipped = sum(page.skip is not None for page in part)
        counts = counts.model_copy(
            update={"found": counts.found + len(part), "skipped": counts.skipped + skipped}
        )
        yield CrawlPagesFound(
            source_id=command.source_id, run_id=command.run_id, pages=tuple(part), counts=counts
        )


def evolve(crawl: Crawl, event: CrawlEvent) -> Crawl:
    """What `event` makes of `crawl`. Never raises."""
    match event:
        case CrawlBegun(run_id=run_id):
            return Crawl(run_id=run_id, phase="running")
        case CrawlSiteRead():
            return crawl.model_copy(
                update={"site": event, "incomplete": crawl.incomplete or event.incomplete}
            )
        case CrawlPagesFound(counts=counts) | CrawlPagesRetired(counts=counts):
            return crawl.model_copy(update={"counts": counts})
        case CrawlPageVisited(counts=counts, outcome=outcome):
            incomplete = crawl.incomplete or outcome == "unreachable"
            return crawl.model_copy(update={"counts": counts, "incomplete": incomplete})
        case CrawlPaused():
            return crawl.model_copy(update={"phase": "paused"})
        case CrawlResumed():
            return crawl.model_copy(update={"phase": "running"})
        case CrawlCancelled():
            return crawl.model_copy(update={"phase": "cancelled"})
        case CrawlFinished(failure=failure, counts=counts):
            phase: CrawlPhase = "finished" if failure is None else "failed"
            return crawl.model_copy(update={"phase": phase, "counts": counts})


crawl_decider: Decider[Crawl, CrawlCommand, CrawlEvent] = Decider(
    aggregate="crawl",
    initial=Crawl(),
    state=TypeAdapter(Crawl),
    decide=decide,
    evolve=evolve,
)
