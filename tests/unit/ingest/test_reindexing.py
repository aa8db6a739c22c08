"""A source for another generation of its bot's index: from stored text, and never paid twice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from typing_extensions import override

from services.ingest.domain.prices import chunks_of, tokens_of
from services.ingest.domain.shadow import Shadow, shadow_decider
from services.ingest.ports import BotIndexed, Embedder, Embedders, EmbeddingRefused
from services.ingest.reactions.choosing import ChooseSettings
from services.ingest.reactions.reindex import FollowIngestion, QueueReindex, ReindexSource
from shared.adapters.chunk_batch import BATCH_SIZE, read_batch
from shared.contracts.base import Command, Done, Metadata
from shared.contracts.chat_index import IndexSettings, ReindexStarted
from shared.contracts.ingest import SourceIngested
from shared.contracts.ingest_shadow import ShadowEvent, ShadowFailed, ShadowPrepared
from shared.kernel.errors import Unavailable
from tests.unit.ingest.fakes import CountingEmbedder, Killed, LineDocuments
from tests.unit.ingest.samples import DELETED
from tests.unit.ingest.test_ingesting import PAGE, Job, World, world
from tests.unit.samples import T0, TENANT, recorded

SMALL = IndexSettings(chunk_size=200, embedder="other")


@dataclass
class Models(Embedders):
    """One model that is not bundled."""

    other: CountingEmbedder = field(default_factory=lambda: CountingEmbedder("other"))
    refused: bool = False

    @property
    @override
    def bundled(self) -> str:
        return "model"

    @override
    def named(self, model: str, credentials: Mapping[str, str], chat_model: str) -> Embedder:
        if self.refused:
            raise EmbeddingRefused("The key is not accepted")
        assert model == "other"
        return self.other


@dataclass
class Bots:
    """What is known of the bot; its only source is current."""

    known: BotIndexed

    async def bot(self, tenant_id: str, bot_profile_id: str) -> BotIndexed:
        assert (tenant_id, bot_profile_id) == (TENANT, "b1")
        return self.known

    async def current_sources(
        self, tenant_id: str, bot_profile_id: str, after: str, limit: int
    ) -> Sequence[str]:
        return [] if after else ["s1"]


@dataclass
class Reindexing:
    """A source that answers, and its shadow."""

    world: World
    bots: Bots = field(
        default_factory=lambda: Bots(BotIndexed(0, IndexSettings(), 1, SMALL, "gpt", None))
    )
    models: Models = field(default_factory=Models)
    history: list[ShadowEvent] = field(default_factory=list)
    dies_at: str | None = None
    queued: list[tuple[str, bytes]] = field(default_factory=list)

    @property
    def shadow(self) -> Shadow:
        return shadow_decider.fold(self.history)

    async def current(self, aggregate: str, _tenant: str, _id: str) -> Any:
        return self.world.source.state if aggregate == "source" else self.shadow

    async def execute(self, command: Command, meta: Metadata, purpose: str) -> Done:
        events = shadow_decider.decide(self.shadow, cast("Any", command), meta)
        self.history += cast("Sequence[ShadowEvent]", events)
        if purpose == self.dies_at:
            self.dies_at = None
            raise Killed
        return Done(position=len(self.history))

    async def secret(self, _tenant_id: str, _ref: str) -> bytes | None:
        return None

    async def dispatch(
        self, aggregate: str, source_id: str, kind: str, _cause: Metadata, body: bytes
    ) -> None:
        assert (aggregate, kind) == ("source", "reindex")
        self.queued.append((source_id, body))

    async def attempt(self, generation: int = 1) -> None:
        job = ReindexSource(
            execute=self.execute,
            current=self.current,
            choose=ChooseSettings(self.bots, self.models, self.secret, 1000, 0),
            documents=LineDocuments(),
            blobs=cast("Any", self.world.blobs),
            timers=self.world.timers,
            now=lambda: T0,
        )
        await job(cast("Any", Job(body=str(generation).encode())))

    def made(self) -> ShadowPrepared:
        return [event for event in self.history if isinstance(event, ShadowPrepared)][-1]


async def reindexing(lines: int = 2) -> Reindexing:
    data = "\n".join(f"Line {n}." for n in range(lines)).encode()
    it = world(fetches=PAGE.__class__(**{**_fields(PAGE), "data": data}))
    await it.whole_run("r1")
    return Reindexing(it)


def _fields(page: Any) -> dict[str, Any]:
    return {name: getattr(page, name) for name in page.__slots__}


class TestAShadow:
    async def test_is_made_from_stored_text_by_the_settings_of_its_generation(self) -> None:
        it = await reindexing()
        asked = len(it.world.fetcher.asked)
        await it.attempt()
        made = it.made()
        assert (made.generation, made.revision, made.bot_profile_id) == (1, 1, "b1")
        assert (made.prepared.recipe, made.prepared.embedding_model) == ("1/other/200/0", "other")
        assert (made.prepared.generation, made.prepared.dimension) == (1, 2)
        [batch] = made.prepared.batches
        chunks = read_batch(await it.world.blobs.get(TENANT, batch.ref))
        assert [chunk.text for chunk in chunks] == ["Line 0.", "Line 1."]
        assert len(it.world.fetcher.asked) == asked
        assert it.world.documents.read_count == 1

    async def test_a_killed_attempt_goes_on_behind_its_last_batch(self) -> None:
        it = await reindexing(3 * BATCH_SIZE)
        it.dies_at = "shadow 1/2 by 1/other/200/0"
        with pytest.raises(Killed):
            await it.attempt()
        await it.attempt()
        assert len(it.models.other.embedded) == len(set(it.models.other.embedded)) == 384
        assert it.made().prepared.embedded_count == 384
        assert [event.name for event in it.history].count("chunked") == 1

    async def test_is_not_made_twice(self) -> None:
        it = await reindexing()
        await it.attempt()
        before = len(it.history)
        await it.attempt()
        assert len(it.history) == before

    async def test_nothing_is_made_for_what_is_superseded_or_deleted(self) -> None:
        it = await reindexing()
        await it.attempt(generation=7)
        it.world.source.history.append(DELETED)
        await it.attempt()
        assert it.history == []

    async def test_a_key_that_is_refused_is_told(self) -> None:
        it = await reindexing()
        it.models.refused = True
        await it.attempt()
        [told] = it.history
        assert isinstance(told, ShadowFailed)
        assert (told.generation, told.reason) == (1, "The key is not accepted")

    async def test_after_the_switch_the_same_content_is_unchanged(self) -> None:
        it = await reindexing()
        await it.attempt()
        it.world.source.shadow = it.shadow
        it.world.generation, it.world.embedder = 1, it.models.other
        it.world.max_chars = 200
        await it.world.whole_run("r2")
        assert it.world.source.names[-1] == "unchanged"
        assert len(it.models.other.embedded) == 2


class TestWhatIsQueued:
    async def test_every_current_source_when_a_generation_is_begun(self) -> None:
        it = await reindexing()

        async def shown(sequence: int, _seconds: float) -> int:
            return sequence

        queue = QueueReindex(it.bots, shown, it.dispatch)
        await queue(recorded(ReindexStarted(bot_profile_id="b1", generation=1, settings=SMALL)))
        assert it.queued == [("s1", b"1")]

    async def test_a_revision_that_comes_meanwhile(self) -> None:
        it = await reindexing()

        async def shown(sequence: int, _seconds: float) -> int:
            return sequence

        follow = FollowIngestion(it.current, it.bots, shown, it.dispatch)
        event = [e for e in it.world.source.history if isinstance(e, SourceIngested)][-1]
        await follow(recorded(event))
        assert it.queued == [("s1", b"1")]
        it.bots.known = BotIndexed(0, IndexSettings(), None, None, "gpt", None)
        await follow(recorded(event))
        assert len(it.queued) == 1

    async def test_waits_for_the_rows(self) -> None:
        it = await reindexing()

        async def behind(_sequence: int, _seconds: float) -> int:
            return 0

        queue = QueueReindex(it.bots, behind, it.dispatch)
        with pytest.raises(Unavailable):
            await queue(recorded(ReindexStarted(bot_profile_id="b1", generation=1, settings=SMALL)))


def test_a_text_has_at_least_one_chunk_and_overlap_costs_tokens() -> None:
    assert chunks_of(10, 1200, 0) == 1
    assert 100 < chunks_of(100_000, 1200, 0) < 130
    assert tokens_of(100_000, 1200, 0) == 25_000
    assert tokens_of(100_000, 512, 64) > 25_000
