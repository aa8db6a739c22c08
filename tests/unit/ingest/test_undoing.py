"""What is done last can be taken back, and comes at the price of no embedding."""

import pytest

from services.ingest.domain.source import Absent, Present, source_decider
from shared.contracts.base import Metadata
from shared.contracts.ingest import (
    DeleteSource,
    SourceCommand,
    SourceDeleted,
    SourceEvent,
    SourceIngested,
    SourcePrepared,
    SourceUpdated,
)
from shared.contracts.ingest_stages import SourceUndone, UndoSource
from shared.kernel.errors import Conflict, NotFound
from shared.kernel.testing import Scenario
from tests.unit.ingest.samples import (
    CREATED,
    DELETED,
    SETTINGS,
    failed,
    fetched,
    ingested,
    prepared,
    ready,
    requested,
    started,
)

SourceScenario = Scenario[Absent | Present, SourceCommand, SourceEvent]
UNDO = UndoSource(source_id="s1")
TWICE = [CREATED, *ready("r1", 1), *ready("r2", 2)]


@pytest.fixture
def source(metadata: Metadata) -> SourceScenario:
    return Scenario(source_decider, metadata)


def undone(run: str, restored: int | None, **fields: bool) -> SourceUndone:
    flags = {"undeleted": False, "is_active": True, **fields}
    return SourceUndone(source_id="s1", run_id=run, restored=restored, **flags)


def again(run: str, revision: int, of: int, origin: int | None = None) -> SourcePrepared:
    """The revision `of` under a new number."""
    return SourcePrepared(
        source_id="s1",
        run_id=run,
        bot_profile_id="b1",
        source_name="Guide",
        prepared=prepared(of, embedded_count=0, restored_from=origin or of).model_copy(
            update={"revision": revision}
        ),
    )


def state(*events: SourceEvent) -> Present:
    found = source_decider.fold(events)
    assert isinstance(found, Present)
    return found


class TestAChange:
    def test_is_taken_back_by_preparing_the_revision_before_anew(
        self, source: SourceScenario, metadata: Metadata
    ) -> None:
        run = metadata.message_id
        source.given(*TWICE).when(UNDO).then(undone(run, 1), again(run, 3, 1))

    def test_is_made_again_by_undoing_twice(
        self, source: SourceScenario, metadata: Metadata
    ) -> None:
        run = metadata.message_id
        past = [*TWICE, undone("u1", 1), again("u1", 3, 1), ingested("u1", 3)]
        source.given(*past).when(UNDO).then(undone(run, 2), again(run, 4, 2))
        past += [undone("u2", 2), again("u2", 4, 2), ingested("u2", 4)]
        source.given(*past).when(UNDO).then(undone(run, 3), again(run, 5, 1, origin=1))

    def test_is_fetched_again_after_it_was_taken_back(self) -> None:
        """What the server said of the newer content does not hold for the older."""
        first: list[SourceEvent] = [
            requested("r1"),
            started("r1"),
            fetched("r1", etag="old"),
            *ready("r1", 1)[3:],
        ]
        second: list[SourceEvent] = [
            requested("r2"),
            started("r2"),
            fetched("r2", etag="new"),
            *ready("r2", 2)[3:],
        ]
        past = [CREATED, *first, *second, undone("u1", 1), again("u1", 3, 1), ingested("u1", 3)]
        serving = state(*past)
        assert serving.fetched is not None
        assert serving.fetched.etag == "old"

    @pytest.mark.parametrize(
        "past", [[CREATED], [CREATED, *ready()], [CREATED, requested(), started(), failed()]]
    )
    def test_that_never_was_is_not_taken_back(
        self, source: SourceScenario, past: list[SourceEvent]
    ) -> None:
        source.given(*past).when(UNDO).then_refused(Conflict, "nothing to undo")

    def test_is_not_taken_back_while_the_source_is_processed(self, source: SourceScenario) -> None:
        past: list[SourceEvent] = [*TWICE, requested("r3")]
        source.given(*past).when(UNDO).then_refused(Conflict, "already being processed")

    def test_leaves_the_older_revision_to_come_back_if_the_index_fails(
        self, source: SourceScenario, metadata: Metadata
    ) -> None:
        run = metadata.message_id
        past = [*TWICE, undone("u1", 1), again("u1", 3, 1), failed("u1")]
        source.given(*past).when(UNDO).then(undone(run, 1), again(run, 4, 1))


class TestADeletion:
    def test_is_taken_back_with_the_revision_that_answered(
        self, source: SourceScenario, metadata: Metadata
    ) -> None:
        run = metadata.message_id
        source.given(*TWICE, DELETED).when(UNDO).then(
            undone(run, 2, undeleted=True), again(run, 3, 2)
        )

    def test_of_a_source_without_revisions_is_taken_back(
        self, source: SourceScenario, metadata: Metadata
    ) -> None:
        run = metadata.message_id
        source.given(CREATED, DELETED).when(UNDO).then(undone(run, None, undeleted=True))

    def test_keeps_the_revision_before(self, source: SourceScenario, metadata: Metadata) -> None:
        run = metadata.message_id
        back: list[SourceEvent] = [
            undone("u1", 2, undeleted=True),
            again("u1", 3, 2),
            ingested("u1", 3),
        ]
        source.given(*TWICE, DELETED, *back).when(UNDO).then(undone(run, 1), again(run, 4, 1))

    def test_brings_back_what_was_switched_off_as_it_was(
        self, source: SourceScenario, metadata: Metadata
    ) -> None:
        off = SETTINGS.model_copy(update={"is_active": False})
        updated = SourceUpdated(source_id="s1", bot_profile_id="b1", settings=off)
        run = metadata.message_id
        source.given(CREATED, *ready(), updated, DELETED).when(UNDO).then(
            undone(run, 1, undeleted=True, is_active=False),
            again(run, 2, 1).model_copy(update={"is_active": False}),
        )

    def test_takes_the_serving_revision_out(self) -> None:
        """A run that failed after the undoing must not end in `unchanged`: nothing answers."""
        gone = state(*TWICE, DELETED)
        assert (gone.serving, gone.known) == (None, prepared(2))
        back = state(
            *TWICE, DELETED, undone("u1", 2, undeleted=True), again("u1", 3, 2), failed("u1")
        )
        assert (back.deleted, back.serving, back.known) == (False, None, prepared(2))

    def test_of_an_unknown_source_is_not_found(self, source: SourceScenario) -> None:
        source.given().when(UNDO).then_refused(NotFound, "Source not found")

    def test_with_the_parent_is_told(self, source: SourceScenario) -> None:
        source.given(CREATED).when(DeleteSource(source_id="s1", with_parent=True)).then(
            SourceDeleted(source_id="s1", bot_profile_id="b1", with_parent=True)
        )

    def test_of_remote_knowledge_is_taken_back(
        self, source: SourceScenario, metadata: Metadata
    ) -> None:
        counted = SourceIngested(
            source_id="s1",
            run_id="r1",
            revision=0,
            source_name="Guide",
            document_count=2,
            chunk_count=9,
        )
        past: list[SourceEvent] = [CREATED, requested(), started(), counted, DELETED]
        source.given(*past).when(UNDO).then(undone(metadata.message_id, None, undeleted=True))
