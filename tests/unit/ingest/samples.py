"""One source, told by its facts."""

from typing import Any

from shared.contracts.ingest import (
    BatchChild,
    CreateSource,
    CreateSourceBatch,
    IngestionRequested,
    IngestionStarted,
    Prepared,
    RecordFetched,
    RecordPrepared,
    SourceCreated,
    SourceDeleted,
    SourceEvent,
    SourceFailed,
    SourceFetched,
    SourceIngested,
    SourcePrepared,
    SourceSettings,
    SourceUnchanged,
)
from shared.contracts.ingest_stages import Batch, SourceUndone

URL = "https://docs.example/guide"
SETTINGS = SourceSettings(name="Guide", config={"url": URL})
CREATE = CreateSource(source_id="s1", bot_profile_id="b1", source_type="url", settings=SETTINGS)
CREATED = SourceCreated(source_id="s1", bot_profile_id="b1", source_type="url", settings=SETTINGS)
PARENT = SourceSettings(name="Site")
BATCH = CreateSourceBatch(
    source_id="s1",
    bot_profile_id="b1",
    source_type="url",
    settings=PARENT,
    children=(
        BatchChild(source_id="c1", source_type="url", settings=SETTINGS),
        BatchChild(source_id="c2", source_type="text", settings=SourceSettings(name="Note")),
    ),
)
DELETED = SourceDeleted(source_id="s1", bot_profile_id="b1")
UNDONE = SourceUndone(source_id="s1", run_id="u1", undeleted=True, is_active=True)


def requested(run: str = "r1") -> IngestionRequested:
    return IngestionRequested(source_id="s1", run_id=run)


def started(run: str = "r1", attempt: int = 1) -> IngestionStarted:
    return IngestionStarted(source_id="s1", run_id=run, attempt=attempt)


def fetched(run: str = "r1", **fields: Any) -> SourceFetched:
    return SourceFetched(
        **{
            "source_id": "s1",
            "run_id": run,
            "raw_ref": "raw",
            "media_type": "text/html",
            "requested_url": URL,
            "url": f"{URL}/",
            "etag": '"1"',
            "size": 10,
            **fields,
        }
    )


def record_fetched(run: str = "r1") -> RecordFetched:
    return RecordFetched.model_validate(fetched(run).model_dump())


def prepared(revision: int = 1, **fields: Any) -> Prepared:
    return Prepared(
        **{
            "revision": revision,
            "content_hash": f"content-{revision}",
            "recipe": "1/model/1000/0",
            "text_ref": f"text-{revision}",
            "characters": 100,
            "embedding_model": "model",
            "dimension": 2,
            "chunk_count": 3,
            "embedded_count": 3,
            "batches": (Batch(ref=f"batch-{revision}", count=3),),
            **fields,
        }
    )


def record_prepared(run: str = "r1", revision: int = 1) -> RecordPrepared:
    return RecordPrepared(source_id="s1", run_id=run, prepared=prepared(revision))


def was_prepared(run: str = "r1", revision: int = 1, **fields: Any) -> SourcePrepared:
    return SourcePrepared(
        **{
            "source_id": "s1",
            "run_id": run,
            "bot_profile_id": "b1",
            "source_name": "Guide",
            "prepared": prepared(revision),
            **fields,
        }
    )


def ingested(run: str = "r1", revision: int = 1) -> SourceIngested:
    return SourceIngested(
        source_id="s1",
        run_id=run,
        revision=revision,
        source_name="Guide",
        document_count=1,
        chunk_count=3,
    )


def unchanged(run: str = "r1") -> SourceUnchanged:
    return SourceUnchanged(source_id="s1", run_id=run)


def failed(run: str = "r1", reason: str = "It rains") -> SourceFailed:
    return SourceFailed(source_id="s1", run_id=run, reason=reason)


def ready(run: str = "r1", revision: int = 1) -> list[SourceEvent]:
    """A whole run that ends well, for a source that exists."""
    return [
        requested(run),
        started(run),
        fetched(run),
        was_prepared(run, revision),
        ingested(run, revision),
    ]
