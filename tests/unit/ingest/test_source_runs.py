"""What may happen to a source while it is ingested: each stage once, each run ended once."""

import pytest

from services.ingest.domain.source import REASON_LIMIT, Absent, Present, source_decider
from services.ingest.domain.stages import Run
from shared.contracts.base import Metadata
from shared.contracts.ingest import (
    CompleteIngestion,
    IngestionRequested,
    RecordFailed,
    RecordUnchanged,
    RequestIngestion,
    SourceCommand,
    SourceEvent,
    SourceSettings,
    SourceUpdated,
    StartIngestion,
)
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
    record_fetched,
    record_prepared,
    requested,
    started,
    unchanged,
    was_prepared,
)

SourceScenario = Scenario[Absent | Present, SourceCommand, SourceEvent]
REQUEST = RequestIngestion(source_id="s1")


@pytest.fixture
def source(metadata: Metadata) -> SourceScenario:
    return Scenario(source_decider, metadata)


def start(attempt: int = 1, run: str = "r1") -> StartIngestion:
    return StartIngestion(source_id="s1", run_id=run, attempt=attempt)


def complete(revision: int = 1, run: str = "r1") -> CompleteIngestion:
    return CompleteIngestion(source_id="s1", run_id=run, revision=revision)


def record_failed(reason: str = "It rains", run: str = "r1") -> RecordFailed:
    return RecordFailed(source_id="s1", run_id=run, reason=reason)


def record_unchanged(run: str = "r1") -> RecordUnchanged:
    return RecordUnchanged(source_id="s1", run_id=run)


class TestRequesting:
    def test_begins_a_run_named_after_the_order(
        self, source: SourceScenario, metadata: Metadata
    ) -> None:
        source.given(CREATED).when(REQUEST).then(
            IngestionRequested(source_id="s1", run_id=metadata.message_id)
        )

    def test_while_one_waits_in_the_queue_is_served_by_that_one(
        self, source: SourceScenario
    ) -> None:
        source.given(CREATED, requested()).when(REQUEST).then_nothing()

    @pytest.mark.parametrize("stage", range(1, 4))
    def test_while_one_is_on_its_way_is_refused(self, source: SourceScenario, stage: int) -> None:
        past: list[SourceEvent] = [started(), fetched(), was_prepared()]
        source.given(CREATED, requested(), *past[:stage]).when(REQUEST).then_refused(
            Conflict, "Source is already being processed"
        )

    @pytest.mark.parametrize("end", [ingested(), unchanged(), failed()], ids=lambda e: e.name)
    def test_after_a_run_has_ended_begins_another(
        self, source: SourceScenario, metadata: Metadata, end: SourceEvent
    ) -> None:
        past: list[SourceEvent] = [CREATED, requested(), started(), fetched(), was_prepared(), end]
        source.given(*past).when(REQUEST).then(requested(metadata.message_id))

    def test_what_is_not_there_is_refused(self, source: SourceScenario) -> None:
        source.given().when(REQUEST).then_refused(NotFound, "Source not found")
        source.given(CREATED, DELETED).when(REQUEST).then_refused(NotFound)

    def test_an_inactive_source_is_allowed(
        self, source: SourceScenario, metadata: Metadata
    ) -> None:
        off = SourceUpdated(
            source_id="s1",
            bot_profile_id="b1",
            settings=SETTINGS.model_copy(update={"is_active": False}),
        )
        source.given(CREATED, off).when(REQUEST).then(requested(metadata.message_id))


class TestStarting:
    def test_tells_which_attempt_it_is(self, source: SourceScenario) -> None:
        source.given(CREATED, requested()).when(start(1)).then(started(attempt=1))
        source.given(CREATED, requested(), started(attempt=1)).when(start(3)).then(
            started(attempt=3)
        )

    @pytest.mark.parametrize("attempt", [0, 1, 2])
    def test_an_attempt_that_was_overtaken_is_nothing(
        self, source: SourceScenario, attempt: int
    ) -> None:
        source.given(CREATED, requested(), started(attempt=2)).when(start(attempt)).then_nothing()

    def test_does_not_forget_the_stages_behind_it(self, source: SourceScenario) -> None:
        past: list[SourceEvent] = [CREATED, requested(), started(), fetched(), started(attempt=2)]
        state = source_decider.fold(past)
        assert isinstance(state, Present)
        assert state.run == Run(run_id="r1", attempt=2, fetched=fetched())


class TestTheStages:
    def test_are_recorded_in_turn(self, source: SourceScenario) -> None:
        source.given(CREATED, requested(), started()).when(record_fetched()).then(fetched())
        source.given(CREATED, requested(), started(), fetched()).when(record_prepared()).then(
            was_prepared()
        )
        source.given(CREATED, requested(), started(), fetched(), was_prepared()).when(
            complete()
        ).then(ingested())

    def test_are_recorded_once(self, source: SourceScenario) -> None:
        past: list[SourceEvent] = [CREATED, requested(), started(), fetched(), was_prepared()]
        source.given(*past).when(record_fetched()).then_nothing()
        source.given(*past).when(record_prepared()).then_nothing()
        source.given(*past).when(record_prepared(revision=2)).then_nothing()
        source.given(*past, ingested()).when(complete()).then_nothing()

    def test_preparing_takes_name_and_authority_as_they_are_now(
        self, source: SourceScenario
    ) -> None:
        settings = SourceSettings(
            name="Rules", config=SETTINGS.config, authority="mandatory", is_active=False
        )
        update = SourceUpdated(source_id="s1", bot_profile_id="b1", settings=settings)
        past: list[SourceEvent] = [CREATED, requested(), started(), fetched(), update]
        source.given(*past).when(record_prepared()).then(
            was_prepared(source_name="Rules", authority="mandatory", is_active=False)
        )

    def test_a_revision_that_is_not_the_next_is_refused(self, source: SourceScenario) -> None:
        past: list[SourceEvent] = [CREATED, *ready(), requested("r2"), started("r2"), fetched("r2")]
        for revision in (1, 3):
            source.given(*past).when(record_prepared("r2", revision)).then_refused(Conflict)
        source.given(*past).when(record_prepared("r2", 2)).then(was_prepared("r2", 2))

    def test_completing_needs_the_revision_that_was_prepared(self, source: SourceScenario) -> None:
        past: list[SourceEvent] = [CREATED, requested(), started(), fetched()]
        source.given(*past).when(complete()).then_nothing()
        source.given(*past, was_prepared()).when(complete(revision=2)).then_nothing()

    def test_a_failed_revision_number_is_not_used_again(self, source: SourceScenario) -> None:
        past: list[SourceEvent] = [
            CREATED,
            requested(),
            started(),
            fetched(),
            was_prepared(),
            failed(),
        ]
        past += [requested("r2"), started("r2"), fetched("r2")]
        source.given(*past).when(record_prepared("r2", 1)).then_refused(Conflict)
        source.given(*past).when(record_prepared("r2", 2)).then(was_prepared("r2", 2))


class TestEnding:
    def test_well_makes_the_revision_answer(self, source: SourceScenario) -> None:
        source.given(CREATED, *ready()).then_state(
            Present(
                bot_profile_id="b1",
                parent_id=None,
                source_type="url",
                settings=SETTINGS,
                run=None,
                serving=prepared(),
                fetched=fetched(),
                revision=1,
            )
        )

    def test_with_a_failure_leaves_the_revision_before_to_answer(
        self, source: SourceScenario
    ) -> None:
        past: list[SourceEvent] = [CREATED, *ready(), requested("r2"), started("r2")]
        past += [fetched("r2", etag='"2"'), was_prepared("r2", 2)]
        source.given(*past).when(record_failed(run="r2")).then(failed("r2"))
        state = source_decider.fold([*past, failed("r2")])
        assert isinstance(state, Present)
        assert (state.run, state.serving, state.fetched) == (None, prepared(), fetched())
        assert state.revision == 2

    def test_unchanged_keeps_what_the_newest_fetch_told(self, source: SourceScenario) -> None:
        newer = fetched("r2", etag='"2"')
        past: list[SourceEvent] = [CREATED, *ready(), requested("r2"), started("r2"), newer]
        source.given(*past).when(record_unchanged("r2")).then(unchanged("r2"))
        state = source_decider.fold([*past, unchanged("r2")])
        assert isinstance(state, Present)
        assert (state.run, state.serving, state.fetched) == (None, prepared(), newer)

    def test_unchanged_without_a_fetch_keeps_the_fetch_before(self) -> None:
        past: list[SourceEvent] = [
            CREATED,
            *ready(),
            requested("r2"),
            started("r2"),
            unchanged("r2"),
        ]
        state = source_decider.fold(past)
        assert isinstance(state, Present)
        assert state.fetched == fetched()

    def test_a_waiting_run_can_fail_before_it_was_started(self, source: SourceScenario) -> None:
        source.given(CREATED, requested()).when(record_failed()).then(failed())

    def test_an_endless_reason_is_cut(self, source: SourceScenario) -> None:
        source.given(CREATED, requested()).when(record_failed("x" * 5000)).then(
            failed(reason="x" * REASON_LIMIT)
        )


LATE: list[SourceCommand] = [
    start(9),
    record_fetched(),
    record_prepared(),
    record_unchanged(),
    record_failed(),
    complete(),
]


@pytest.mark.parametrize("late", LATE, ids=lambda command: command.verb)
class TestAResultThatComesTooLate:
    @pytest.mark.parametrize("end", [ingested(), unchanged(), failed()], ids=lambda e: e.name)
    def test_after_its_run_has_ended_changes_nothing(
        self, source: SourceScenario, late: SourceCommand, end: SourceEvent
    ) -> None:
        past: list[SourceEvent] = [CREATED, requested(), started(), fetched(), was_prepared(), end]
        source.given(*past).when(late).then_nothing()

    def test_after_another_run_has_begun_changes_nothing(
        self, source: SourceScenario, late: SourceCommand
    ) -> None:
        past: list[SourceEvent] = [
            CREATED,
            requested(),
            started(),
            failed(),
            requested("r2"),
            started("r2"),
        ]
        source.given(*past).when(late).then_nothing()
        source.given(*past, fetched("r2"), was_prepared("r2")).when(late).then_nothing()

    def test_after_the_source_was_deleted_changes_nothing(
        self, source: SourceScenario, late: SourceCommand
    ) -> None:
        past: list[SourceEvent] = [
            CREATED,
            requested(),
            started(),
            fetched(),
            was_prepared(),
            DELETED,
        ]
        source.given(*past).when(late).then_nothing()

    def test_for_a_source_that_never_was_changes_nothing(
        self, source: SourceScenario, late: SourceCommand
    ) -> None:
        source.given().when(late).then_nothing()
