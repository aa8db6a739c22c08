"""What may happen to a source. Pure: no clock, no ids, no I/O.

A source's status follows from facts: it is `processing` from `ingestion_started` until exactly one
of `ingested`, `unchanged` or `failed`. The revision that answered before goes on answering until
another one is in the index.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from services.ingest.domain import stages
from services.ingest.domain.settings import check_settings, merged
from services.ingest.domain.stages import Run
from shared.contracts.base import Message, Metadata
from shared.contracts.ingest import (
    BATCH_CHILDREN,
    ChildrenIngestionRequested,
    CompleteIngestion,
    ConfirmPage,
    CreateSource,
    CreateSourceBatch,
    DeleteSource,
    ImportPage,
    IngestionRequested,
    IngestionStarted,
    Prepared,
    RecordFailed,
    RecordFetched,
    RecordPrepared,
    RecordRemote,
    RecordUnchanged,
    RequestChildrenIngestion,
    RequestIngestion,
    SourceCommand,
    SourceCreated,
    SourceDeleted,
    SourceEvent,
    SourceFailed,
    SourceFetched,
    SourceIngested,
    SourcePrepared,
    SourceSettings,
    SourceType,
    SourceUnchanged,
    SourceUpdated,
    StartIngestion,
    UpdateSource,
)
from shared.contracts.ingest_stages import (
    RecordChunked,
    RecordEmbedded,
    RecordWaiting,
    SourceChunked,
    SourceEmbedded,
    SourceExtracted,
    SourceUndone,
    SourceWaiting,
    UndoSource,
)
from shared.kernel.decider import Decider
from shared.kernel.errors import Conflict, InvalidCommand, NotFound

REASON_LIMIT = 2000
"""Characters of an error message that are kept; the public contract's limit."""


class Absent(Message):
    """No such source yet."""

    kind: Literal["absent"] = "absent"


class Present(Message):
    """A source, deleted or not."""

    kind: Literal["present"] = "present"
    bot_profile_id: str
    parent_id: str | None
    source_type: SourceType
    settings: SourceSettings
    deleted: bool = False
    run: Run | None = None
    serving: Prepared | None = None
    """The revision that answers."""
    fetched: SourceFetched | None = None
    """How the serving revision was fetched: what a conditional request needs."""
    before: Prepared | None = None
    """The revision that answered before the serving one."""
    fetched_before: SourceFetched | None = None
    shelved: Prepared | None = None
    """The revision that answered when the source was deleted."""
    revision: int = 0

    @property
    def known(self) -> Prepared | None:
        """The newest revision that answers, or did: what need not be embedded again."""
        return self.serving or self.shelved


Source = Annotated[Absent | Present, Field(discriminator="kind")]


def decide(
    source: Absent | Present, command: SourceCommand, meta: Metadata
) -> Sequence[SourceEvent]:
    """What `command` does to `source`. Raises `NotFound`, `Conflict` or `InvalidCommand`."""
    match command:
        case CreateSource():
            return _create(source, command, meta)
        case CreateSourceBatch():
            return _create_batch(source, command)
        case UpdateSource():
            return _update(_existing(source), command)
        case DeleteSource():
            return _delete(source, command)
        case UndoSource():
            return _undo(source, command, meta)
        case RequestIngestion():
            return _request(_existing(source), command, meta)
        case RequestChildrenIngestion(source_id=source_id):
            if _existing(source).source_type == "website":
                # Its pages are fetched one after the other, as the site wants to be asked.
                return _request(_existing(source), RequestIngestion(source_id=source_id), meta)
            return [ChildrenIngestionRequested(source_id=source_id)]
        case ImportPage():
            return _import_page(source, command, meta)
        case ConfirmPage(source_id=source_id):
            if isinstance(source, Absent) or source.deleted or source.run is not None:
                return []
            return [SourceUnchanged(source_id=source_id, run_id=meta.message_id)]
        case StartIngestion():
            return _start(source, command)
        case RecordFetched():
            return _record_fetched(source, command)
        case RecordChunked(run_id=run_id):
            return stages.record_chunked(_run(source, run_id), command)
        case RecordEmbedded(run_id=run_id):
            return stages.record_embedded(_run(source, run_id), command)
        case RecordWaiting(run_id=run_id):
            return stages.record_waiting(_run(source, run_id), command, meta)
        case RecordPrepared():
            return _record_prepared(source, command)
        case RecordRemote():
            return _record_remote(source, command)
        case RecordUnchanged(source_id=source_id, run_id=run_id):
            if _run(source, run_id) is None:
                return []
            return [SourceUnchanged(source_id=source_id, run_id=run_id)]
        case RecordFailed(source_id=source_id, run_id=run_id, reason=reason):
            if _run(source, run_id) is None:
                return []
            return [SourceFailed(source_id=source_id, run_id=run_id, reason=reason[:REASON_LIMIT])]
        case CompleteIngestion():
            return _complete(source, command)


def _existing(source: Absent | Present) -> Present:
    if isinstance(source, Absent) or source.deleted:
        raise NotFound("Source not found")
    return source


def _run(source: Absent | Present, run_id: str) -> Run | None:
    """The run of this id, if it is still on its way: results of any other come too late."""
    if isinstance(source, Present) and source.run is not None and source.run.run_id == run_id:
        return source.run
    return None


def _create(
    source: Absent | Present, command: CreateSource, meta: Metadata
) -> Sequence[SourceEvent]:
    if isinstance(source, Present):
        raise Conflict("A source with this id exists already")
    check_settings(command.source_type, command.settings)
    if command.source_type == "website" and command.parent_id is not None:
        raise InvalidCommand("A website has its pages below it, and no parent", field="parent_id")
    source_id = command.source_id
    created = SourceCreated(
        source_id=source_id,
        bot_profile_id=command.bot_profile_id,
        parent_id=command.parent_id,
        source_type=command.source_type,
        settings=command.settings,
    )
    if not command.ingest:
        return [created]
    return [created, IngestionRequested(source_id=source_id, run_id=meta.message_id)]


def _create_batch(source: Absent | Present, command: CreateSourceBatch) -> Sequence[SourceEvent]:
    """The children are aggregates of their own, born together with their parent."""
    if isinstance(source, Present):
        raise Conflict("A source with this id exists already")
    if not command.children:
        raise InvalidCommand("At least one child source is required", field="children")
    if len(command.children) > BATCH_CHILDREN:
        raise InvalidCommand(
            f"A batch takes at most {BATCH_CHILDREN} children; create the parent with some of "
            "them, and the others with its id as their parent_id",
            field="children",
        )
    check_settings(command.source_type, command.settings)
    parent = SourceCreated(
        source_id=command.source_id,
        bot_profile_id=command.bot_profile_id,
        source_type=command.source_type,
        settings=command.settings,
    )
    children = []
    for n, child in enumerate(command.children):
        check_settings(child.source_type, child.settings, f"children.{n}.")
        if child.source_type == "website":
            raise InvalidCommand(
                "A website has its pages below it, and no parent", field=f"children.{n}.source_type"
            )
        children.append(
            SourceCreated(
                source_id=child.source_id,
                bot_profile_id=command.bot_profile_id,
                parent_id=command.source_id,
                source_type=child.source_type,
                settings=child.settings,
            )
        )
    return [parent, *children]


def _update(source: Present, command: UpdateSource) -> Sequence[SourceEvent]:
    settings = merged(source.settings, command.changes)
    check_settings(source.source_type, settings)
    changed = tuple(
        name
        for name in SourceSettings.model_fields
        if getattr(settings, name) != getattr(source.settings, name)
    )
    if not changed:
        return []
    return [
        SourceUpdated(
            source_id=command.source_id,
            bot_profile_id=source.bot_profile_id,
            settings=settings,
            changed=changed,
        )
    ]


def _delete(source: Absent | Present, command: DeleteSource) -> Sequence[SourceEvent]:
    if isinstance(source, Absent):
        raise NotFound("Source not found")
    if source.deleted:
        return []
    return [
        SourceDeleted(
            source_id=command.source_id,
            bot_profile_id=source.bot_profile_id,
            parent_id=source.parent_id,
            with_parent=command.with_parent,
        )
    ]


def _undo(source: Absent | Present, command: UndoSource, meta: Metadata) -> Sequence[SourceEvent]:
    """The revision comes back under a new number, with the chunks and vectors it had."""
    if isinstance(source, Absent):
        raise NotFound("Source not found")
    if source.run is not None:
        raise Conflict("Source is already being processed")
    restored = source.shelved or source.before
    if not source.deleted and restored is None:
        raise Conflict("There is nothing to undo: the source has had no other revision")
    undone = SourceUndone(
        source_id=command.source_id,
        run_id=meta.message_id,
        parent_id=source.parent_id,
        undeleted=source.deleted,
        is_active=source.settings.is_active,
        restored=restored.revision if restored else None,
    )
    if restored is None:
        return [undone]
    again = {
        "revision": source.revision + 1,
        "embedded_count": 0,
        "restored_from": restored.restored_from or restored.revision,
    }
    return [
        undone,
        SourcePrepared(
            source_id=command.source_id,
            run_id=meta.message_id,
            bot_profile_id=source.bot_profile_id,
            source_name=source.settings.name,
            authority=source.settings.authority,
            is_active=source.settings.is_active,
            prepared=restored.model_copy(update=again),
        ),
    ]


def _request(source: Present, command: RequestIngestion, meta: Metadata) -> Sequence[SourceEvent]:
    if source.run is None:
        return [IngestionRequested(source_id=command.source_id, run_id=meta.message_id)]
    if source.run.attempt == 0:
        return []  # one that waits in the queue serves this request too
    raise Conflict("Source is already being processed")


def _import_page(
    source: Absent | Present, command: ImportPage, meta: Metadata
) -> Sequence[SourceEvent]:
    """A run that has its first stage behind it. One that is on its way takes the page for its own
    if it has not fetched it yet, and is left alone otherwise.
    """
    fetched = command.model_dump(exclude={"bot_profile_id", "parent_id", "settings"})
    made: list[SourceEvent] = []
    run_id = meta.message_id
    if isinstance(source, Absent):
        made.append(
            SourceCreated(
                source_id=command.source_id,
                bot_profile_id=command.bot_profile_id,
                parent_id=command.parent_id,
                source_type="url",
                settings=command.settings,
            )
        )
    elif source.deleted or (source.run is not None and source.run.fetched is not None):
        return []
    if isinstance(source, Present) and source.run is not None:
        run_id = source.run.run_id
    else:
        made.append(IngestionRequested(source_id=command.source_id, run_id=run_id))
    return [*made, SourceFetched(run_id=run_id, url=command.requested_url, **fetched)]


def _start(source: Absent | Present, command: StartIngestion) -> Sequence[SourceEvent]:
    run = _run(source, command.run_id)
    if run is None or command.attempt <= run.attempt:
        return []
    return [
        IngestionStarted(
            source_id=command.source_id, run_id=command.run_id, attempt=command.attempt
        )
    ]


def _record_fetched(source: Absent | Present, command: RecordFetched) -> Sequence[SourceEvent]:
    run = _run(source, command.run_id)
    if run is None or run.fetched is not None:
        return []
    return [SourceFetched.model_validate(command.model_dump())]


def _record_prepared(source: Absent | Present, command: RecordPrepared) -> Sequence[SourceEvent]:
    run = _run(source, command.run_id)
    if run is None or run.prepared is not None or not isinstance(source, Present):
        return []
    if command.prepared.revision != source.revision + 1:
        raise Conflict("another revision was prepared meanwhile")
    return [
        SourcePrepared(
            source_id=command.source_id,
            run_id=command.run_id,
            bot_profile_id=source.bot_profile_id,
            source_name=source.settings.name,
            authority=source.settings.authority,
            is_active=source.settings.is_active,
            prepared=command.prepared,
        )
    ]


def _complete(source: Absent | Present, command: CompleteIngestion) -> Sequence[SourceEvent]:
    run = _run(source, command.run_id)
    if run is None or run.prepared is None or not isinstance(source, Present):
        return []
    if run.prepared.revision != command.revision:
        return []
    return [
        SourceIngested(
            source_id=command.source_id,
            run_id=command.run_id,
            revision=command.revision,
            source_name=source.settings.name,
            document_count=1,
            chunk_count=run.prepared.chunk_count,
        )
    ]


def _record_remote(source: Absent | Present, command: RecordRemote) -> Sequence[SourceEvent]:
    run = _run(source, command.run_id)
    if run is None or not isinstance(source, Present):
        return []
    return [
        SourceIngested(
            source_id=command.source_id,
            run_id=command.run_id,
            revision=source.revision,
            source_name=source.settings.name,
            document_count=command.document_count,
            chunk_count=command.chunk_count,
        )
    ]


def evolve(source: Absent | Present, event: SourceEvent) -> Absent | Present:
    """What `event` makes of `source`. Never raises."""
    if isinstance(event, SourceCreated):
        return Present(
            bot_profile_id=event.bot_profile_id,
            parent_id=event.parent_id,
            source_type=event.source_type,
            settings=event.settings,
        )
    if isinstance(source, Absent):
        return source
    match event:
        case SourceUpdated():
            return source.model_copy(update={"settings": event.settings})
        case SourceDeleted():
            shelved = {"shelved": source.known, "serving": None}
            return source.model_copy(update={"deleted": True, "run": None, **shelved})
        case SourceUndone():
            return _undone(source, event)
        case ChildrenIngestionRequested():
            return source
        case IngestionRequested():
            return source.model_copy(update={"run": Run(run_id=event.run_id)})
        case IngestionStarted():
            return _running(source, attempt=event.attempt)
        case SourceFetched():
            return _running(source, fetched=event)
        case SourceExtracted():
            return source
        case SourceChunked():
            run = source.run and stages.chunked(source.run, event.plan)
            return source.model_copy(update={"run": run})
        case SourceEmbedded():
            run = source.run and stages.embedded(source.run, event)
            return source.model_copy(update={"run": run})
        case SourceWaiting():
            run = source.run and stages.waiting(source.run, event.until)
            return source.model_copy(update={"run": run})
        case SourcePrepared():
            after = source.model_copy(update={"revision": event.prepared.revision})
            return _running(after, prepared=event.prepared)
        case SourceIngested():
            return _ingested(source)
        case SourceUnchanged():
            run = source.run
            fetched = run.fetched if run and run.fetched else source.fetched
            return source.model_copy(update={"run": None, "fetched": fetched})
        case SourceFailed():
            return source.model_copy(update={"run": None})


def _undone(source: Present, event: SourceUndone) -> Present:
    run = None
    if event.restored is not None:
        fetched = source.fetched if source.shelved else source.fetched_before
        run = Run(run_id=event.run_id, attempt=1, fetched=fetched)
    return source.model_copy(update={"deleted": False, "run": run})


def _ingested(source: Present) -> Present:
    run = source.run
    if run is None:
        return source
    changes = {"run": None, "serving": run.prepared, "fetched": run.fetched, "shelved": None}
    if source.serving is not None:
        changes |= {"before": source.serving, "fetched_before": source.fetched}
    return source.model_copy(update=changes)


def _running(source: Present, **changes: Any) -> Present:
    if source.run is None:
        return source
    return source.model_copy(update={"run": source.run.model_copy(update=changes)})


source_decider: Decider[Absent | Present, SourceCommand, SourceEvent] = Decider(
    aggregate="source",
    initial=Absent(),
    state=TypeAdapter(Source),
    decide=decide,
    evolve=evolve,
)
