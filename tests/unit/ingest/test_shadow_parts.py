"""A source's part of a run's index: cut and embedded from stored text, once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import pytest
from typing_extensions import override

from services.ingest.domain.shadow import Shadow
from services.ingest.domain.shadow_part import Part, part_decider
from services.ingest.ports import BotIndexed
from services.ingest.reactions.choosing import ChooseSettings
from services.ingest.reactions.shadow_index import (
    CutForShadowIndexes,
    FollowWithShadows,
    GoOnWithShadow,
    QueueShadowIndex,
)
from shared.adapters.chunk_batch import read_batch
from shared.contracts.base import Command, Done, Metadata
from shared.contracts.chat_index import IndexSettings
from shared.contracts.chat_playground import RunPlan, RunStarted, Variant
from shared.contracts.ingest_shadow_parts import (
    PartEvent,
    PartFailed,
    PartPrepared,
    RecordPartFailed,
    RecordPartPrepared,
)
from shared.kernel.errors import Throttled, Unavailable
from shared.kernel.testing import Scenario
from tests.unit.ingest.fakes import CountingEmbedder, Killed, LineDocuments
from tests.unit.ingest.samples import DELETED, ingested, prepared
from tests.unit.ingest.test_ingesting import Job, World
from tests.unit.ingest.test_reindexing import Bots, Models, reindexing
from tests.unit.samples import T0, TENANT, recorded

SMALL = IndexSettings(chunk_size=200, embedder="other")
LARGE = IndexSettings(chunk_size=4000, embedder="other")


def part(**fields: Any) -> dict[str, Any]:
    mine = {"part_id": "p1", "run_id": "r1", "index": 0, "source_id": "s1", "bot_profile_id": "b1"}
    return {**mine, **fields}


class TestAPart:
    @pytest.fixture
    def one(self, metadata: Metadata) -> Scenario[Part, Any, PartEvent]:
        return Scenario(part_decider, metadata)

    def test_is_made_ready_once(self, one: Scenario[Part, Any, PartEvent]) -> None:
        ready = PartPrepared(**part(prepared=prepared(1)))
        command = RecordPartPrepared(**part(prepared=prepared(1)))
        one.given().when(command).then(ready)
        one.given(ready).when(command).then_nothing()
        one.given(ready).when(RecordPartFailed(**part(reason="late"))).then_nothing()

    def test_fails_once_and_can_be_made_ready_yet(
        self, one: Scenario[Part, Any, PartEvent]
    ) -> None:
        failed = PartFailed(**part(reason="no key"))
        one.given().when(RecordPartFailed(**part(reason="no key"))).then(failed)
        one.given(failed).when(RecordPartFailed(**part(reason="again"))).then_nothing()
        command = RecordPartPrepared(**part(prepared=prepared(1)))
        one.given(failed).when(command).then(PartPrepared(**part(prepared=prepared(1))))

    def test_keeps_as_much_of_a_reason_as_anybody_reads(
        self, one: Scenario[Part, Any, PartEvent]
    ) -> None:
        command = RecordPartFailed(**part(reason="x" * 3000))
        one.given().when(command).then(PartFailed(**part(reason="x" * 2000)))


class Full(CountingEmbedder):
    """A provider that takes no more for seven seconds."""

    @override
    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        raise Throttled("slow down", retry_after=7)


@dataclass
class Went:
    """A timer that went off."""

    timer_id: str
    body: bytes
    metadata: Metadata


@dataclass
class Cutting:
    """A source that answers, and a run with two indexes."""

    world: World
    indexes: list[IndexSettings] = field(default_factory=lambda: [SMALL, LARGE])
    bots: Bots = field(
        default_factory=lambda: Bots(BotIndexed(3, IndexSettings(), None, None, "gpt", None))
    )
    models: Models = field(default_factory=Models)
    history: dict[str, list[PartEvent]] = field(default_factory=dict)
    dies_at: str | None = None
    queued: list[tuple[str, str, bytes]] = field(default_factory=list)

    @property
    def told(self) -> list[PartEvent]:
        return [event for events in self.history.values() for event in events]

    async def settings(self, tenant_id: str, run_id: str) -> Sequence[IndexSettings]:
        assert (tenant_id, run_id) == (TENANT, "r1")
        return self.indexes

    async def of_bot(self, tenant_id: str, bot_profile_id: str) -> Sequence[str]:
        assert (tenant_id, bot_profile_id) == (TENANT, "b1")
        return ["r1", "r2"] if self.indexes else []

    async def current(self, aggregate: str, _tenant: str, aggregate_id: str) -> Any:
        if aggregate == "source":
            return self.world.source.state
        if aggregate == "shadow":
            return Shadow()
        return part_decider.fold(self.history.get(aggregate_id, []))

    async def execute(self, command: Command, meta: Metadata, purpose: str) -> Done:
        mine = self.history.setdefault(command.aggregate_id, [])
        mine += cast(
            "Sequence[PartEvent]",
            part_decider.decide(part_decider.fold(mine), cast("Any", command), meta),
        )
        if purpose == self.dies_at:
            self.dies_at = None
            raise Killed
        return Done(position=1)

    async def secret(self, _tenant_id: str, _ref: str) -> bytes | None:
        return None

    async def dispatch(
        self, aggregate: str, source_id: str, kind: str, cause: Metadata, body: bytes = b""
    ) -> None:
        assert (aggregate, kind) == ("source", "shadow_index")
        self.queued.append((source_id, cause.message_id, body))

    @property
    def work(self) -> CutForShadowIndexes:
        return CutForShadowIndexes(
            execute=self.execute,
            current=self.current,
            runs=self,
            choose=ChooseSettings(self.bots, self.models, self.secret, 1000, 0),
            documents=LineDocuments(),
            blobs=cast("Any", self.world.blobs),
            timers=self.world.timers,
            now=lambda: T0,
        )

    async def attempt(self) -> None:
        await self.work(cast("Any", Job(body=b"r1")))


@pytest.fixture
async def it() -> Cutting:
    return Cutting((await reindexing()).world)


class TestASourceForARun:
    async def test_is_cut_and_embedded_for_each_index_from_its_stored_text(
        self, it: Cutting
    ) -> None:
        fetched = len(it.world.fetcher.asked)
        await it.attempt()
        small, large = it.told
        assert isinstance(small, PartPrepared)
        assert isinstance(large, PartPrepared)
        assert (small.run_id, small.index, small.source_id) == ("r1", 0, "s1")
        assert (large.index, large.bot_profile_id) == (1, "b1")
        assert small.part_id != large.part_id
        assert small.prepared.recipe == "1/other/200/0"
        assert large.prepared.recipe == "1/other/4000/0"
        assert (small.prepared.generation, small.prepared.embedding_model) == (0, "other")
        [batch] = small.prepared.batches
        chunks = read_batch(await it.world.blobs.get(TENANT, batch.ref))
        assert [chunk.text for chunk in chunks] == ["Line 0.", "Line 1."]
        assert len(it.world.fetcher.asked) == fetched

    async def test_goes_on_where_a_killed_attempt_ended(self, it: Cutting) -> None:
        it.dies_at = "part 0 prepared"
        with pytest.raises(Killed):
            await it.attempt()
        so_far = len(it.models.other.embedded)
        await it.attempt()
        await it.attempt()
        assert [(one.index, one.name) for one in it.told] == [(0, "prepared"), (1, "prepared")]
        assert len(it.models.other.embedded) == 2 * so_far

    async def test_nothing_is_made_for_a_run_that_is_over_or_a_source_that_is_gone(
        self, it: Cutting
    ) -> None:
        it.indexes = []
        await it.attempt()
        it.indexes = [SMALL]
        it.world.source.history.append(DELETED)
        await it.attempt()
        assert it.told == []

    async def test_a_key_that_is_refused_is_told(self, it: Cutting) -> None:
        it.models.refused = True
        await it.attempt()
        (failed,) = it.told
        assert isinstance(failed, PartFailed)
        assert failed.reason == "The key is not accepted"

    async def test_what_fails_at_every_attempt_is_told(self, it: Cutting) -> None:
        await it.work.given_up(cast("Any", Job(body=b"r1")), "a worker died")
        (failed,) = it.told
        assert isinstance(failed, PartFailed)
        assert failed.reason == "Cutting and embedding failed at every attempt: a worker died"

    async def test_a_provider_that_takes_no_more_for_now_is_waited_for(self, it: Cutting) -> None:
        it.models.other = Full("other")
        await it.attempt()
        assert it.told == []
        ((kind, timer_id, at, cause, said),) = it.world.timers.made
        assert (kind, at) == ("shadow_index", T0 + timedelta(seconds=7))
        await GoOnWithShadow(it.dispatch)(Went(timer_id, said, cause))
        ((source_id, _, body),) = it.queued
        assert (source_id, body) == ("s1", b"r1")


def begun(*indexes: IndexSettings) -> RunStarted:
    plan = RunPlan(
        bot_profile_id="b1",
        bot_version=1,
        suite_id="x1",
        questions=("q1",),
        variants=(Variant(title="One", index=0 if indexes else None),),
        indexes=indexes,
    )
    return RunStarted(run_id="r1", plan=plan)


class TestQueuing:
    async def test_a_run_with_indexes_becomes_a_job_per_source(self, it: Cutting) -> None:
        async def shown(position: int, _seconds: float) -> int:
            return position

        queue = QueueShadowIndex(it.bots, shown, it.dispatch)
        await queue(recorded(begun()))
        assert it.queued == []
        await queue(recorded(begun(SMALL, LARGE)))
        assert [(source, body) for source, _, body in it.queued] == [("s1", b"r1")]

    async def test_waits_until_all_sources_are_shown(self, it: Cutting) -> None:
        async def behind(position: int, _seconds: float) -> int:
            return position - 1

        with pytest.raises(Unavailable):
            await QueueShadowIndex(it.bots, behind, it.dispatch)(recorded(begun(SMALL)))
        assert it.queued == []

    async def test_what_was_ingested_meanwhile_becomes_a_job_for_each_run(
        self, it: Cutting
    ) -> None:
        follow = FollowWithShadows(it.current, it, it.dispatch)
        event = ingested()
        await follow(recorded(event))
        assert [(source, body) for source, _, body in it.queued] == [("s1", b"r1"), ("s1", b"r2")]
        assert len({cause for _, cause, _ in it.queued}) == 2, "a cause queues a job once"
        await follow(recorded(event.model_copy(update={"revision": 0})))
        assert len(it.queued) == 2
