"""One attempt at an ingestion: what it does, what it does not do twice, and how it fails."""

from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from services.ingest.domain.source import Present
from services.ingest.ports import Chosen, Fetched, FetchFailed, NotModified, Unreadable
from services.ingest.reactions.ingestion import FETCH_ATTEMPTS, IngestSource
from services.ingest.reactions.runs import EndIngestion, QueueIngestion
from services.ingest.reactions.waiting import WaitForProvider
from shared.adapters.chunk_batch import BATCH_SIZE, read_batch
from shared.contracts.base import Metadata, Recorded
from shared.contracts.chat import IndexBuilt, IndexFailed
from shared.contracts.ingest import (
    CompleteIngestion,
    RecordFailed,
    SourceCreated,
    SourceEvent,
    SourceFailed,
    SourceIngested,
    SourcePrepared,
    SourceSettings,
    SourceUpdated,
)
from shared.contracts.ingest_stages import SourceEmbedded
from shared.kernel.errors import Unavailable
from tests.unit.ingest.fakes import (
    Aggregate,
    CountingEmbedder,
    Killed,
    LineDocuments,
    ManualTimers,
    MemoryBlobs,
    ScriptedFetcher,
    ScriptedKnowledge,
)
from tests.unit.ingest.samples import (
    CREATED,
    DELETED,
    SETTINGS,
    URL,
    failed,
    ingested,
    requested,
    started,
)
from tests.unit.samples import T0, TENANT, metadata, recorded

PAGE = Fetched(f"{URL}/", b"One line.\nTwo lines.", "text/html", '"1"', "Thu, 01 Jan 2026")


@dataclass
class Job:
    attempt: int = 1
    body: bytes = b"r1"
    aggregate_id: str = "s1"
    metadata: Metadata = field(default_factory=metadata)


@dataclass
class World:
    """Everything around one source."""

    source: Aggregate
    fetcher: ScriptedFetcher
    documents: LineDocuments = field(default_factory=LineDocuments)
    embedder: CountingEmbedder = field(default_factory=CountingEmbedder)
    blobs: MemoryBlobs = field(default_factory=MemoryBlobs)
    remote: ScriptedKnowledge = field(default_factory=ScriptedKnowledge)
    secrets: dict[tuple[str, str], bytes] = field(default_factory=dict)
    timers: ManualTimers = field(default_factory=ManualTimers)
    generation: int = 0
    max_chars: int = 1000

    @property
    def ingest(self) -> IngestSource:
        return IngestSource(
            execute=self.source.execute,
            current=self.source.current,
            fetcher=self.fetcher,
            documents=self.documents,
            choose=self.choose,
            remote=self.remote,
            secret=self.secret,
            wait=WaitForProvider(self.source.execute, self.source.current, self.timers, lambda: T0),
            blobs=cast("Any", self.blobs),
        )

    async def choose(self, _tenant_id: str, bot_profile_id: str) -> Chosen:
        assert bot_profile_id == "b1"
        return Chosen(self.generation, self.embedder, self.max_chars, 0)

    async def secret(self, tenant_id: str, ref: str) -> bytes | None:
        return self.secrets.get((tenant_id, ref))

    async def attempt(self, number: int = 1, run: str = "r1") -> None:
        await self.ingest(Job(number, run.encode()))

    async def whole_run(self, run: str) -> None:
        """From the request to the index's word that the revision is in."""
        self.source.history.append(requested(run))
        self.source.ordered.clear()
        await self.attempt(1, run)
        state = self.source.state
        if isinstance(state, Present) and state.run is not None:
            self.source.history.append(ingested(run, state.revision))

    def prepared(self) -> SourcePrepared:
        found = [e for e in self.source.history if isinstance(e, SourcePrepared)]
        return found[-1]


def world(*history: SourceEvent, fetches: Any = PAGE) -> World:
    answers = fetches if isinstance(fetches, list) else [fetches]
    return World(Aggregate(list(history or (CREATED, requested()))), ScriptedFetcher(answers))


class TestAnAttempt:
    async def test_goes_through_every_stage_in_turn(self) -> None:
        it = world()
        await it.attempt()
        stages = ["ingestion_started", "fetched", "extracted", "chunked", "prepared"]
        assert it.source.names[2:] == stages
        purposes = [purpose.split()[0] for purpose, _ in it.source.ordered]
        assert purposes == ["start", "fetched", "chunked", "prepared"]

    async def test_prepares_what_the_index_needs(self) -> None:
        it = world()
        await it.attempt()
        prepared = it.prepared().prepared
        assert (prepared.revision, prepared.chunk_count, prepared.embedded_count) == (1, 2, 2)
        assert (prepared.title, prepared.language) == ("Title of text/html", "en")
        assert (prepared.url, prepared.recipe) == (f"{URL}/", "1/model/1000/0")
        text = await it.blobs.get(TENANT, prepared.text_ref)
        chunks = read_batch(await it.blobs.get(TENANT, prepared.batches[0].ref))
        assert [text.decode()[c.start : c.end] for c in chunks] == [c.text for c in chunks]
        assert [c.ordinal for c in chunks] == [0, 1]

    async def test_embeds_text_together_with_its_heading_and_the_same_text_once(self) -> None:
        page = replace(PAGE, data=b"Same.\nOther.\nSame.")
        it = world(fetches=page)
        await it.attempt()
        assert it.embedder.embedded == ["Heading\nSame.", "Heading\nOther."]
        assert it.prepared().prepared.chunk_count == 3

    async def test_writes_long_documents_in_batches(self) -> None:
        lines = "\n".join(f"Line {n}." for n in range(BATCH_SIZE * 2 + 5))
        it = world(fetches=replace(PAGE, data=lines.encode()))
        await it.attempt()
        batches = it.prepared().prepared.batches
        assert [batch.count for batch in batches] == [BATCH_SIZE, BATCH_SIZE, 5]
        last = read_batch(await it.blobs.get(TENANT, batches[-1].ref))
        assert last[0].ordinal == BATCH_SIZE * 2

    async def test_takes_a_text_from_its_blob_and_asks_nobody(self) -> None:
        it = world()
        ref = await it.blobs.put(TENANT, b"A note.")
        settings = SourceSettings(name="Note", content_ref=ref)
        it.source.history[0] = SourceCreated(
            source_id="s1", bot_profile_id="b1", source_type="text", settings=settings
        )
        await it.attempt()
        assert it.fetcher.asked == []
        assert it.documents.strict is False
        assert it.prepared().prepared.title == "Title of text/markdown"

    async def test_takes_a_file_as_what_it_was_uploaded_and_guesses_nothing(self) -> None:
        it = world()
        ref = await it.blobs.put(TENANT, b"A note.")
        settings = SourceSettings(name="Note", content_ref=ref, media_type="text/csv")
        it.source.history[0] = CREATED.model_copy(
            update={"source_type": "upload", "settings": settings}
        )
        await it.attempt()
        assert it.documents.strict is True
        assert it.prepared().prepared.title == "Title of text/csv"


class TestRemoteKnowledge:
    @staticmethod
    def source(**settings: Any) -> SourceCreated:
        kept = SourceSettings(name="Guide", **settings)
        return CREATED.model_copy(update={"source_type": "nyxcore", "settings": kept})

    async def test_is_counted_and_stays_where_it_is(self) -> None:
        config = {"base_url": "https://knowledge.example"}
        it = world(self.source(config=config, token_ref="t"), requested())
        it.secrets[TENANT, "t"] = b"nyx_ax_1"
        await it.attempt()
        assert it.remote.asked == [("https://knowledge.example", "nyx_ax_1")]
        told = it.source.history[-1]
        assert isinstance(told, SourceIngested)
        assert (told.revision, told.document_count, told.chunk_count) == (0, 2, 12)
        assert it.fetcher.asked == []

    async def test_is_the_public_one_unless_another_is_named(self) -> None:
        it = world(self.source(token_ref="t"), requested())
        it.secrets[TENANT, "t"] = b"nyx_ax_1"
        await it.attempt()
        assert it.remote.asked == [("https://nyxcore.cloud", "nyx_ax_1")]

    @pytest.mark.parametrize("ref", [None, "lost"])
    async def test_without_a_token_is_not_asked(self, ref: str | None) -> None:
        it = world(self.source(token_ref=ref), requested())
        await it.attempt()
        assert it.source.history[-1] == failed(reason="No API token configured")
        assert it.remote.asked == []

    async def test_that_does_not_answer_is_asked_again_and_then_told(self) -> None:
        it = world(self.source(token_ref="t"), requested())
        it.secrets[TENANT, "t"] = b"nyx_ax_1"
        it.remote.answer = FetchFailed("The knowledge API answered 503", retryable=True)
        for attempt in range(1, FETCH_ATTEMPTS):
            with pytest.raises(Unavailable, match="503"):
                await it.attempt(attempt)
        await it.attempt(FETCH_ATTEMPTS)
        assert it.source.history[-1] == failed(reason="The knowledge API answered 503")


class TestAfterAKill:
    @pytest.mark.parametrize("at", ["start 1", "fetched", "prepared"])
    async def test_at_any_stage_the_next_attempt_finishes(self, at: str) -> None:
        it = world()
        it.source.dies_at = at
        with pytest.raises(Killed):
            await it.attempt(1)
        await it.attempt(2)
        assert it.source.names.count("fetched") == it.source.names.count("prepared") == 1
        assert len(it.fetcher.asked) == 1
        assert it.embedder.embedded == ["Heading\nOne line.", "Heading\nTwo lines."]

    async def test_while_the_index_works_the_next_attempt_does_nothing(self) -> None:
        it = world()
        await it.attempt(1)
        ordered = list(it.source.ordered)
        await it.attempt(2)
        assert it.source.ordered == ordered

    @pytest.mark.parametrize(
        "history",
        [
            (CREATED,),
            (CREATED, requested(), started(), failed()),
            (CREATED, requested(), DELETED),
            (CREATED, requested("r2")),
        ],
    )
    async def test_a_run_that_is_over_is_left_alone(self, history: tuple[SourceEvent, ...]) -> None:
        it = world(*history)
        await it.attempt()
        assert it.source.ordered == []
        assert it.fetcher.asked == []


class TestAfterAKillWhileEmbedding:
    LINES = "\n".join(f"Line number {n}." for n in range(2 * BATCH_SIZE + 10)).encode()

    @pytest.mark.parametrize("batch", [1, 2])
    async def test_finished_batches_are_not_embedded_again(self, batch: int) -> None:
        it = world(fetches=replace(PAGE, data=self.LINES))
        it.source.dies_at = await self.purpose(batch)
        with pytest.raises(Killed):
            await it.attempt(1)
        assert len(it.embedder.embedded) == batch * BATCH_SIZE
        await it.attempt(2)
        assert len(it.embedder.embedded) == len(set(it.embedder.embedded)) == 2 * BATCH_SIZE + 10
        assert it.documents.read_count == 1
        prepared = it.prepared().prepared
        assert prepared.embedded_count == prepared.chunk_count == 2 * BATCH_SIZE + 10
        assert [b.count for b in prepared.batches] == [BATCH_SIZE, BATCH_SIZE, 10]
        chunks = [
            chunk
            for b in prepared.batches
            for chunk in read_batch(await it.blobs.get(TENANT, b.ref))
        ]
        assert [chunk.ordinal for chunk in chunks] == list(range(2 * BATCH_SIZE + 10))

    async def test_a_plan_by_another_recipe_is_made_anew(self) -> None:
        it = world(fetches=replace(PAGE, data=self.LINES))
        it.source.dies_at = await self.purpose(1)
        with pytest.raises(Killed):
            await it.attempt(1)
        it.embedder.name = "better model"
        await it.attempt(2)
        assert it.source.names.count("chunked") == 2
        prepared = it.prepared().prepared
        assert prepared.embedding_model == "better model"
        assert prepared.embedded_count == 2 * BATCH_SIZE + 10

    async def test_every_batch_is_told_with_how_many_are_done(self) -> None:
        it = world(fetches=replace(PAGE, data=self.LINES))
        await it.attempt()
        told = [e for e in it.source.history if isinstance(e, SourceEmbedded)]
        total = 2 * BATCH_SIZE + 10
        assert [(e.done, e.total) for e in told] == [
            (BATCH_SIZE, total),
            (2 * BATCH_SIZE, total),
        ]

    async def purpose(self, batch: int) -> str:
        """What a run that is not killed says at this batch."""
        calm = world(fetches=replace(PAGE, data=self.LINES))
        await calm.attempt()
        return next(p for p, _ in calm.source.ordered if p.startswith(f"embedded {batch} "))


class TestALanguageThatIsSet:
    GERMAN = SETTINGS.model_copy(update={"language": "de"})

    async def test_goes_before_what_is_detected(self) -> None:
        it = world(CREATED.model_copy(update={"settings": self.GERMAN}), requested())
        await it.attempt()
        prepared = it.prepared().prepared
        assert prepared.language == "de"
        chunks = read_batch(await it.blobs.get(TENANT, prepared.batches[0].ref))
        assert {chunk.language for chunk in chunks} == {"de"}

    async def test_later_is_prepared_anew_without_embedding(self) -> None:
        it = world(CREATED)
        await it.whole_run("r1")
        it.embedder.embedded.clear()
        it.source.history.append(
            SourceUpdated(source_id="s1", bot_profile_id="b1", settings=self.GERMAN)
        )
        await it.whole_run("r2")
        assert it.embedder.embedded == []
        assert it.prepared().prepared.language == "de"
        assert it.prepared().prepared.embedded_count == 0


class TestTheSecondTime:
    async def test_the_same_content_costs_nothing(self) -> None:
        it = world(CREATED)
        await it.whole_run("r1")
        it.embedder.embedded.clear()
        await it.whole_run("r2")
        assert it.source.names[-1] == "unchanged"
        assert it.embedder.embedded == []

    async def test_the_server_is_asked_whether_anything_changed(self) -> None:
        it = world(CREATED, fetches=[PAGE, NotModified()])
        await it.whole_run("r1")
        reads = it.documents.read_count
        await it.whole_run("r2")
        assert it.fetcher.asked == [(URL, None, None), (URL, '"1"', "Thu, 01 Jan 2026")]
        assert it.source.names[-1] == "unchanged"
        assert it.documents.read_count == reads

    async def test_only_changed_chunks_are_embedded(self) -> None:
        it = world(CREATED, fetches=[PAGE, replace(PAGE, data=b"One line.\nThree lines.")])
        await it.whole_run("r1")
        it.embedder.embedded.clear()
        await it.whole_run("r2")
        assert it.embedder.embedded == ["Heading\nThree lines."]
        prepared = it.prepared().prepared
        assert (prepared.revision, prepared.chunk_count, prepared.embedded_count) == (2, 2, 1)

    async def test_another_recipe_prepares_anew_and_asks_unconditionally(self) -> None:
        it = world(CREATED)
        await it.whole_run("r1")
        it.embedder.name = "better model"
        it.embedder.embedded.clear()
        await it.whole_run("r2")
        assert it.fetcher.asked[1] == (URL, None, None)
        assert len(it.embedder.embedded) == 2
        assert it.prepared().prepared.embedding_model == "better model"

    async def test_another_address_is_asked_unconditionally(self) -> None:
        it = world(CREATED)
        await it.whole_run("r1")
        settings = SETTINGS.model_copy(update={"config": {"url": "https://other.example/"}})
        it.source.history.append(
            SourceUpdated(source_id="s1", bot_profile_id="b1", settings=settings)
        )
        await it.whole_run("r2")
        assert it.fetcher.asked[1] == ("https://other.example/", None, None)

    async def test_after_a_failed_first_run_nothing_is_taken_for_known(self) -> None:
        it = world(CREATED, requested(), fetches=[FetchFailed("404", retryable=False), PAGE])
        await it.attempt()
        await it.whole_run("r2")
        assert it.fetcher.asked[1] == (URL, None, None)
        assert it.source.names[-1] == "ingested"


class TestFailures:
    async def test_that_may_pass_are_tried_again_and_then_told(self) -> None:
        it = world(fetches=FetchFailed("The server answered 503", retryable=True))
        for attempt in range(1, FETCH_ATTEMPTS):
            with pytest.raises(Unavailable, match="503"):
                await it.attempt(attempt)
        await it.attempt(FETCH_ATTEMPTS)
        assert it.source.history[-1] == failed(reason="The server answered 503")

    async def test_that_will_not_pass_are_told_at_once(self) -> None:
        it = world(fetches=FetchFailed("The address is not allowed", retryable=False))
        await it.attempt(1)
        assert it.source.history[-1] == failed(reason="The address is not allowed")

    @pytest.mark.parametrize("data", [b"", b" \n ", b"\x00"])
    async def test_of_documents_without_text_are_told(self, data: bytes) -> None:
        it = world(fetches=replace(PAGE, data=data))
        await it.attempt()
        assert isinstance(it.source.history[-1], SourceFailed)

    async def test_of_a_page_without_an_address_are_told(self) -> None:
        it = world()
        it.source.history[0] = CREATED.model_copy(update={"settings": SourceSettings(name="Site")})
        await it.attempt()
        assert it.source.history[-1] == failed(reason="No address to fetch")

    async def test_of_a_text_source_without_text_are_told(self) -> None:
        it = world()
        it.source.history[0] = CREATED.model_copy(
            update={"source_type": "text", "settings": SourceSettings(name="Empty")}
        )
        await it.attempt()
        assert it.source.history[-1] == failed(reason="No content to ingest")

    @pytest.mark.parametrize("error", [Unavailable("a worker process died"), RuntimeError("bug")])
    async def test_of_the_world_are_raised_and_end_no_run(self, error: Exception) -> None:
        it = world()
        it.documents.error = error
        with pytest.raises(type(error)):
            await it.attempt()
        assert "failed" not in it.source.names
        it.documents.error = None
        await it.attempt(2)
        assert it.source.names[-1] == "prepared"
        assert len(it.fetcher.asked) == 1

    async def test_of_reading_are_told_in_the_readers_words(self) -> None:
        it = world()
        it.documents.error = Unreadable("The document needs more memory than is allowed")
        await it.attempt()
        assert it.source.history[-1] == failed(
            reason="The document needs more memory than is allowed"
        )

    async def test_at_every_attempt_end_the_run_all_the_same(self) -> None:
        it = world()
        await it.ingest.given_up(Job(6), "disk full")
        assert it.source.history[-1] == failed(
            reason="Ingestion failed at every attempt: disk full"
        )


class TestAroundARun:
    async def test_a_request_becomes_a_job_that_names_its_run(self) -> None:
        jobs: list[tuple[Any, ...]] = []

        async def dispatch(*job: Any) -> None:
            jobs.append(job)

        cause = recorded(requested("r7"))
        await QueueIngestion(dispatch)(cause)
        assert jobs == [("source", "s1", "ingest", cause.metadata, b"r7")]

    @pytest.mark.parametrize(
        ("told", "order"),
        [
            (
                IndexBuilt(source_id="s1", run_id="r1", revision=2, points=3),
                CompleteIngestion(source_id="s1", run_id="r1", revision=2),
            ),
            (
                IndexFailed(source_id="s1", run_id="r1", revision=2, reason="disk full"),
                RecordFailed(source_id="s1", run_id="r1", reason="disk full"),
            ),
        ],
    )
    async def test_what_the_index_tells_ends_it(
        self, told: IndexBuilt | IndexFailed, order: CompleteIngestion | RecordFailed
    ) -> None:
        source = Aggregate([CREATED])
        cause: Recorded[IndexBuilt | IndexFailed] = recorded(told)
        await EndIngestion(source.execute)(cause)
        assert source.ordered == [("end ingestion", order)]
