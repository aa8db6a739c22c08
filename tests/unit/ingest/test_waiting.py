"""A provider that takes no more for now: the run rests, goes on, and pays for nothing twice."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from typing_extensions import override

from services.ingest.domain.source import Present
from services.ingest.domain.stages import LONGEST_WAIT
from services.ingest.reactions.waiting import KIND, GoOn
from shared.adapters.chunk_batch import BATCH_SIZE
from shared.contracts.base import Metadata
from shared.contracts.ingest import RecordFailed, SourceDeleted, SourceFailed, SourcePrepared
from shared.contracts.ingest_stages import RecordWaiting, SourceWaiting
from shared.kernel.errors import Throttled
from shared.runtime.timers import Tick
from tests.unit.ingest.fakes import Aggregate, CountingEmbedder
from tests.unit.ingest.samples import CREATED, requested
from tests.unit.ingest.test_ingesting import PAGE, World, world
from tests.unit.samples import T0, metadata

LINES = 2 * BATCH_SIZE + 1
DOCUMENT = replace(PAGE, data="\n".join(f"Line {n}." for n in range(LINES)).encode())


@dataclass
class LimitedEmbedder(CountingEmbedder):
    """Takes so many calls until it is given more."""

    calls_left: int = 1
    retry_after: float | None = 30.0

    @override
    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        if not self.calls_left:
            raise Throttled("429 Too Many Requests", retry_after=self.retry_after)
        self.calls_left -= 1
        return await super().embed(texts)


@dataclass
class DeletingEmbedder(CountingEmbedder):
    """Refuses while somebody deletes the source."""

    source: Aggregate = field(default_factory=lambda: Aggregate([]))

    @override
    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        self.source.history.append(SourceDeleted(source_id="s1", bot_profile_id="b1"))
        raise Throttled("429 Too Many Requests")


def limited(calls: int, retry_after: float | None = 30.0) -> tuple[World, LimitedEmbedder]:
    embedder = LimitedEmbedder(calls_left=calls, retry_after=retry_after)
    it = world(fetches=DOCUMENT)
    it.embedder = embedder
    return it, embedder


class TestARunWhoseProviderHasEnough:
    async def test_tells_until_when_it_waits_and_sets_a_timer(self) -> None:
        it, _ = limited(0)
        await it.attempt()
        told = it.source.history[-1]
        until = T0 + timedelta(seconds=30)
        assert isinstance(told, SourceWaiting)
        assert (told.run_id, told.until, told.reason) == ("r1", until, "429 Too Many Requests")
        [(kind, timer_id, at, _, body)] = it.timers.made
        assert (kind, timer_id, at, body) == (KIND, "s1", until, b"r1")

    async def test_waits_for_a_moment_at_least(self) -> None:
        it, _ = limited(0, retry_after=None)
        await it.attempt()
        assert it.timers.made[0][2] > T0

    async def test_goes_on_without_embedding_a_finished_batch_again(self) -> None:
        it, embedder = limited(1)
        await it.attempt()
        assert len(embedder.embedded) == BATCH_SIZE
        embedder.calls_left = 1
        await it.attempt()
        embedder.calls_left = 9
        await it.attempt()
        assert isinstance(it.source.history[-1], SourcePrepared)
        assert len(embedder.embedded) == len(set(embedder.embedded)) == LINES
        assert it.documents.read_count == 1
        assert it.prepared().prepared.embedded_count == LINES

    async def test_burns_no_attempt_however_often_it_waits(self) -> None:
        it, embedder = limited(0)
        for _ in range(50):
            await it.attempt()
        embedder.calls_left = 9
        await it.attempt()
        assert it.source.names.count("ingestion_started") == 1
        assert it.source.names.count("waiting") == 50
        assert it.source.names[-1] == "prepared"

    async def test_has_a_timer_of_its_own_each_time(self) -> None:
        it, _ = limited(0)
        for _ in range(3):
            await it.attempt()
        assert len({cause.message_id for _, _, _, cause, _ in it.timers.made}) == 3

    async def test_fails_after_a_day_for_nothing(self) -> None:
        it, _ = limited(0)
        await it.attempt()
        state = it.source.state
        assert isinstance(state, Present)
        late = metadata(now=T0 + LONGEST_WAIT + timedelta(hours=1))
        waiting = RecordWaiting(source_id="s1", run_id="r1", until=late.now, reason="429")
        await it.source.execute(waiting, late, "wait much longer")
        failed = it.source.history[-1]
        assert isinstance(failed, SourceFailed)
        assert failed.reason.endswith("took nothing for a day: 429")
        await it.attempt()
        assert len(it.timers.made) == 1

    async def test_that_was_deleted_meanwhile_waits_for_nothing(self) -> None:
        it, _ = limited(0)
        it.embedder = DeletingEmbedder(source=it.source)
        await it.attempt()
        assert it.timers.made == []


@dataclass
class Queue:
    """Remembers the jobs."""

    jobs: list[tuple[Any, ...]] = field(default_factory=list)

    async def dispatch(
        self, aggregate: str, aggregate_id: str, kind: str, cause: Metadata, body: bytes
    ) -> None:
        self.jobs.append((aggregate, aggregate_id, kind, cause, body))


class TestTheTimer:
    async def test_queues_the_job_again(self) -> None:
        queue, source = Queue(), Aggregate([CREATED, requested()])
        tick = Tick("s1", b"r1", metadata("wait"))
        await GoOn(queue.dispatch, source.execute)(tick)
        assert queue.jobs == [("source", "s1", "ingest", metadata("wait"), b"r1")]

    async def test_that_cannot_do_it_lets_the_source_say_so(self) -> None:
        queue, source = Queue(), Aggregate([CREATED, requested()])
        tick = Tick("s1", b"r1", metadata("wait"))
        await GoOn(queue.dispatch, source.execute).given_up(tick, "no broker")
        [(_, command)] = source.ordered
        assert isinstance(command, RecordFailed)
        assert command.reason.endswith("no broker")
        assert source.names[-1] == "failed"
