"""What the log says about stages, revisions and their undoing, as the rows of ingest show it."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.ingest.main import SOURCES
from services.ingest.queries.history import HistoryQueries
from services.ingest.queries.sources import SourceQueries
from shared.adapters.blobs import Blobs
from shared.adapters.chunk_batch import PreparedChunk, write_batch
from shared.adapters.difference import difference
from shared.adapters.read_model import ReadModel, ReadModelStore
from shared.contracts.base import Event, Recorded
from shared.contracts.ingest import (
    GetSource,
    GetTimeline,
    IngestionRequested,
    IngestionStarted,
    Prepared,
    SourceCreated,
    SourceDeleted,
    SourceFailed,
    SourceIngested,
    SourcePrepared,
    SourceSettings,
    SourceUpdated,
    TimelineEntry,
)
from shared.contracts.ingest_history import (
    ChunkView,
    GetChunks,
    GetDifference,
    GetDocuments,
    GetRevisions,
)
from shared.contracts.ingest_stages import (
    Batch,
    Plan,
    SourceChunked,
    SourceEmbedded,
    SourceExtracted,
    SourceUndone,
)
from shared.kernel.errors import NotFound
from tests.bank.messages import metadata
from tests.integration.replay import ProjectionContract, replay

CHUNKS = 200
TEXTS = {1: "One.\nTwo.", 2: "One.\nThree."}


def batch(first: int, count: int) -> bytes:
    return write_batch(
        [
            PreparedChunk(n, f"Chunk {n}", n, n + 1, "Heading", b"\0" * 16, n // 100 + 1)
            for n in range(first, first + count)
        ]
    )


def prepared(revision: int, refs: Sequence[str], text_ref: str, **fields: object) -> Prepared:
    return Prepared(
        **{
            "revision": revision,
            "content_hash": "c" * 64,
            "recipe": "r",
            "text_ref": text_ref,
            "title": "Title",
            "language": "de",
            "characters": 300,
            "embedding_model": "local/static",
            "dimension": 4,
            "chunk_count": CHUNKS,
            "embedded_count": CHUNKS,
            "batches": (Batch(ref=refs[0], count=128), Batch(ref=refs[1], count=72)),
            "media_type": "application/pdf",
            "pages": 2,
            **fields,
        }
    )


def was(run_id: str, revision: Prepared, source_id: str = "s") -> list[Event]:
    return [
        SourcePrepared(
            source_id=source_id,
            run_id=run_id,
            bot_profile_id="b1",
            source_name="S",
            prepared=revision,
        ),
        SourceIngested(
            source_id=source_id,
            run_id=run_id,
            revision=revision.revision,
            source_name="S",
            document_count=1,
            chunk_count=CHUNKS,
        ),
    ]


def created(source_id: str, **fields: object) -> SourceCreated:
    return SourceCreated.model_validate(
        {
            "source_id": source_id,
            "bot_profile_id": "b1",
            "source_type": "text",
            "settings": SourceSettings(name="S"),
            **fields,
        }
    )


def history(refs: Sequence[str], texts: Sequence[str]) -> list[Event]:
    plan = Plan(
        recipe="r",
        content_hash="c" * 64,
        text_ref=texts[0],
        spans_ref="p" * 64,
        characters=300,
        pages=2,
        chunk_count=CHUNKS,
    )
    run = {"source_id": "s", "run_id": "r1"}
    first, second = prepared(1, refs, texts[0]), prepared(2, refs, texts[1])
    return [
        created("s"),
        IngestionRequested(**run),
        IngestionStarted(**run, attempt=1),
        SourceExtracted(**run, characters=300, pages=2, language="de", seconds=1.5),
        SourceChunked(**run, plan=plan, seconds=0.25),
        IngestionStarted(**run, attempt=2),
        SourceEmbedded(
            **run,
            number=1,
            batch=Batch(ref=refs[0], count=128),
            done=128,
            total=CHUNKS,
            embedded=128,
        ),
        *was("r1", first),
        IngestionRequested(source_id="s", run_id="r2"),
        *was("r2", second),
        SourceDeleted(source_id="s", bot_profile_id="b1"),
        SourceUndone(source_id="s", run_id="u1", undeleted=True, is_active=True, restored=2),
        *was("u1", prepared(3, refs, texts[1], restored_from=2, embedded_count=0)),
        created("failing"),
        IngestionRequested(source_id="failing", run_id="f1"),
        SourceFailed(source_id="failing", run_id="f1", reason="It rains."),
        created("parent"),
        created("child", parent_id="parent"),
        created("orphan", parent_id="parent"),
        *was("c1", prepared(1, refs, texts[0]), "child"),
        SourceDeleted(
            source_id="orphan", bot_profile_id="b1", parent_id="parent", with_parent=True
        ),
        created("french", settings=SourceSettings(name="F", language="fr")),
        *was("g1", prepared(1, refs, texts[0]), "french"),
        created("unset", settings=SourceSettings(name="U", language="fr")),
        SourceUpdated(source_id="unset", bot_profile_id="b1", settings=SourceSettings(name="U")),
        *was("g2", prepared(1, refs, texts[0]), "unset"),
    ]


class TestHistory(ProjectionContract):
    @pytest.fixture
    def engine(self, engines: Callable[[str], AsyncEngine]) -> AsyncEngine:
        return engines("ingest")

    @pytest.fixture
    def model(self) -> ReadModel:
        return SOURCES

    @pytest.fixture
    def blobs(self, tmp_path: Path) -> Blobs:
        return Blobs.open(f"file://{tmp_path}")

    @pytest.fixture
    async def events(self, blobs: Blobs, tenant_id: str) -> Sequence[Event]:
        refs = [
            await blobs.put(tenant_id, batch(0, 128)),
            await blobs.put(tenant_id, batch(128, 72)),
        ]
        texts = [await blobs.put(tenant_id, text.encode()) for text in TEXTS.values()]
        return history(refs, texts)

    @pytest.fixture
    def queries(self, store: ReadModelStore, blobs: Blobs) -> HistoryQueries:
        async def differ(before: str, after: str) -> tuple[list[str], int, int, bool]:
            return difference(before, after)

        return HistoryQueries(store, blobs, differ)

    async def test_stages_show_attempt_duration_and_progress(
        self, store: ReadModelStore, past: list[Recorded[Event]], tenant_id: str
    ) -> None:
        await replay(store, past, chunk=4)
        meta, ask = metadata(tenant_id), SourceQueries(store).get_timeline
        found = (await ask(GetTimeline(source_id="s"), meta)).items[:8]
        minute = timedelta(minutes=1).total_seconds()
        assert [(e.event[7:], e.attempt, e.seconds, e.done, e.total) for e in found] == [
            ("created", None, None, None, None),
            ("ingestion_requested", None, None, None, None),
            ("ingestion_started", 1, minute, None, None),
            ("extracted", 1, 1.5, None, None),
            ("chunked", 1, 0.25, None, None),
            ("ingestion_started", 2, minute, None, None),
            ("embedded", 2, minute, 128, CHUNKS),
            ("prepared", 2, minute, CHUNKS, CHUNKS),
        ]
        (*_, failed) = (await ask(GetTimeline(source_id="failing"), meta)).items
        assert (failed.event, failed.reason) == ("source.failed", "It rains.")

    async def test_a_page_of_the_timeline_tells_the_same_durations(
        self, store: ReadModelStore, past: list[Recorded[Event]], tenant_id: str
    ) -> None:
        await replay(store, past)
        meta, ask = metadata(tenant_id), SourceQueries(store).get_timeline
        whole = (await ask(GetTimeline(source_id="s"), meta)).items
        pieces: list[TimelineEntry] = []
        after = None
        while True:
            page = await ask(GetTimeline(source_id="s", after=after, limit=2), meta)
            pieces += page.items
            if (after := page.following) is None:
                break
        assert tuple(pieces) == whole

    async def test_revisions_tell_which_of_them_answers(
        self,
        store: ReadModelStore,
        queries: HistoryQueries,
        past: list[Recorded[Event]],
        tenant_id: str,
    ) -> None:
        await replay(store, past)
        found = await queries.get_revisions(
            GetRevisions(source_id="s", counted=True), metadata(tenant_id)
        )
        assert found.total == 3
        assert [(r.revision, r.answers, r.restored_from) for r in found.items] == [
            (3, True, 2),
            (2, False, None),
            (1, False, None),
        ]
        assert all(r.ingested_at is not None for r in found.items)
        assert [r.embedded_count for r in found.items] == [0, CHUNKS, CHUNKS]

    async def test_documents_are_those_that_answer(
        self,
        store: ReadModelStore,
        queries: HistoryQueries,
        past: list[Recorded[Event]],
        tenant_id: str,
    ) -> None:
        await replay(store, past)
        meta = metadata(tenant_id)
        (one,) = (await queries.get_documents(GetDocuments(source_id="s"), meta)).items
        assert (one.revision, one.pages, one.media_type) == (3, 2, "application/pdf")
        (child,) = (await queries.get_documents(GetDocuments(source_id="parent"), meta)).items
        assert child.source_id == "child"
        none = await queries.get_documents(GetDocuments(source_id="failing"), meta)
        assert none.items == ()

    async def test_chunks_come_in_order_and_in_parts(
        self,
        store: ReadModelStore,
        queries: HistoryQueries,
        past: list[Recorded[Event]],
        tenant_id: str,
    ) -> None:
        await replay(store, past)
        meta = metadata(tenant_id)
        whole = await queries.get_chunks(GetChunks(source_id="s", counted=True), meta)
        assert (whole.total, whole.following) == (CHUNKS, None)
        assert [chunk.ordinal for chunk in whole.items] == list(range(CHUNKS))
        assert {chunk.language for chunk in whole.items} == {"de"}
        assert [chunk.page for chunk in whole.items[99:101]] == [1, 2]
        pieces: list[ChunkView] = []
        after = None
        while True:
            question = GetChunks(source_id="s", after=after, limit=60)
            page = await queries.get_chunks(question, meta)
            pieces += page.items
            if (after := page.following) is None:
                break
        assert tuple(pieces) == whole.items
        old = await queries.get_chunks(GetChunks(source_id="s", revision=1, limit=1), meta)
        assert old.items[0].id != whole.items[0].id
        none = await queries.get_chunks(GetChunks(source_id="failing", counted=True), meta)
        assert (none.items, none.total) == ((), 0)

    async def test_revisions_can_be_compared(
        self,
        store: ReadModelStore,
        queries: HistoryQueries,
        past: list[Recorded[Event]],
        tenant_id: str,
    ) -> None:
        await replay(store, past)
        found = await queries.get_difference(
            GetDifference(source_id="s", before=1, after=2), metadata(tenant_id)
        )
        assert (found.added, found.removed, found.shortened) == (1, 1, False)
        assert found.lines[1:] == (" One.", "-Two.", "+Three.")

    async def test_what_was_deleted_with_its_parent_is_known(
        self, store: ReadModelStore, past: list[Recorded[Event]], tenant_id: str
    ) -> None:
        await replay(store, past)
        assert await SourceQueries(store).deleted_with(tenant_id, "parent") == ["orphan"]

    async def test_a_language_that_is_set_is_shown(
        self, store: ReadModelStore, past: list[Recorded[Event]], tenant_id: str
    ) -> None:
        await replay(store, past)
        meta, ask = metadata(tenant_id), SourceQueries(store).get_source
        found = {
            name: (await ask(GetSource(source_id=name), meta)).language
            for name in ("s", "french", "unset", "failing")
        }
        assert found == {"s": "de", "french": "fr", "unset": "de", "failing": None}

    async def test_what_never_was_is_not_found(
        self,
        store: ReadModelStore,
        queries: HistoryQueries,
        past: list[Recorded[Event]],
        tenant_id: str,
        other_tenant_id: str,
    ) -> None:
        await replay(store, past)
        for tenant, source in ((tenant_id, "nobody"), (other_tenant_id, "s")):
            meta = metadata(tenant)
            with pytest.raises(NotFound):
                await queries.get_revisions(GetRevisions(source_id=source), meta)
            with pytest.raises(NotFound):
                await queries.get_documents(GetDocuments(source_id=source), meta)
            with pytest.raises(NotFound):
                await queries.get_chunks(GetChunks(source_id=source), meta)
        with pytest.raises(NotFound, match="Revision not found"):
            await queries.get_chunks(GetChunks(source_id="s", revision=9), metadata(tenant_id))
