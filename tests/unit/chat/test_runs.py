"""What may happen to a run: one result per question and variant, whatever comes twice."""

import pytest
from hypothesis import given, strategies as st

from services.chat.domain.runs import Run, RunState, run_decider
from shared.contracts.base import Metadata
from shared.contracts.chat_index import IndexSettings
from shared.contracts.chat_playground import (
    CancelRun,
    ContinueRun,
    RunCancelled,
    RunCommand,
    RunContinued,
    RunEnded,
    RunEvent,
    Variant,
)
from shared.kernel.errors import Conflict, InvalidCommand, NotFound
from shared.kernel.testing import Scenario
from tests.unit.chat.testing import (
    record_result,
    record_verdict,
    result,
    start,
    started,
    verdict,
    whole_run,
)
from tests.unit.histories import play

RunScenario = Scenario[RunState, RunCommand, RunEvent]
CANCELLED = RunCancelled(run_id="r1", reason="cancelled")
ENDED = RunEnded(run_id="r1")


@pytest.fixture
def run(metadata: Metadata) -> RunScenario:
    return Scenario(run_decider, metadata)


class TestStarting:
    def test_is_done_once(self, run: RunScenario) -> None:
        run.given().when(start()).then(started())
        run.given(started()).when(start()).then_refused(Conflict)

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"chunk_size": 5}, "greater than or equal"),
            ({"name": "x"}, "cannot be tried"),
            ({"top_k": 0}, "greater than or equal"),
        ],
    )
    def test_with_what_cannot_be_tried_is_refused(
        self, run: RunScenario, changes: dict[str, object], words: str
    ) -> None:
        odd = Variant(title="Odd", changes=changes)
        run.given().when(start(variants=(odd,))).then_refused(InvalidCommand, words)

    def test_with_a_variant_of_an_index_that_is_not_there_is_refused(
        self, run: RunScenario
    ) -> None:
        small = (IndexSettings(chunk_size=200),)
        for number in (-1, 1):
            odd = Variant(title="Odd", changes={"chunk_size": 200}, index=number)
            command = start(variants=(odd,), indexes=small)
            run.given().when(command).then_refused(InvalidCommand, "no such index")
        even = Variant(title="Even", changes={"chunk_size": 200}, index=0)
        command = start(variants=(even,), indexes=small)
        run.given().when(command).then(started(variants=(even,), indexes=small))


class TestResults:
    def test_come_once_each(self, run: RunScenario) -> None:
        run.given(started()).when(record_result()).then(result())
        run.given(started(), result()).when(record_result(answer="another")).then_nothing()

    def test_that_the_run_did_not_ask_for_are_passed_over(self, run: RunScenario) -> None:
        run.given(started()).when(record_result("q9")).then_nothing()
        run.given(started()).when(record_result(variant=2)).then_nothing()

    def test_end_the_run_with_the_last_one(self, run: RunScenario) -> None:
        before = (*whole_run("q1", "q2"), result("q2", 0))
        run.given(*before).when(record_result("q2", 1)).then(result("q2", 1), ENDED)

    def test_of_a_judged_run_wait_for_the_verdicts(self, run: RunScenario) -> None:
        judged = started("q1", judged=True)
        run.given(judged, result("q1", 0)).when(record_result("q1", 1)).then(result("q1", 1))
        both = (judged, result("q1", 0), result("q1", 1))
        run.given(*both).when(record_verdict()).then(verdict(), ENDED)
        run.given(judged, verdict()).when(record_verdict()).then_nothing()

    def test_of_a_run_that_is_over_are_passed_over(self, run: RunScenario) -> None:
        run.given(started(), CANCELLED).when(record_result()).then_nothing()

    def test_of_no_run_are_refused(self, run: RunScenario) -> None:
        run.given().when(record_result()).then_refused(NotFound)


class TestGoingOn:
    def test_counts_stretches_one_by_one(self, run: RunScenario) -> None:
        second = RunContinued(run_id="r1", stretch=1)
        run.given(started()).when(ContinueRun(run_id="r1", stretch=1)).then(second)
        run.given(started(), second).when(ContinueRun(run_id="r1", stretch=1)).then_nothing()
        run.given(started()).when(ContinueRun(run_id="r1", stretch=2)).then_nothing()

    def test_ends_when_it_is_cancelled(self, run: RunScenario) -> None:
        run.given(started()).when(CancelRun(run_id="r1")).then(CANCELLED)
        run.given(started(), CANCELLED).when(CancelRun(run_id="r1")).then_nothing()
        run.given(started(), CANCELLED).when(ContinueRun(run_id="r1", stretch=1)).then_nothing()


def test_what_is_missing_is_told_question_by_question() -> None:
    state = run_decider.fold([started(judged=True), result("q1", 1), verdict("q2", 1)])
    assert isinstance(state, Run)
    assert list(state.missing()) == [("q1", (0,), (1,)), ("q2", (0, 1), ())]


COMMANDS: list[RunCommand] = [
    start(judged=True),
    *(record_result(question, variant) for question in ("q1", "q2") for variant in (0, 1)),
    *(record_verdict(question) for question in ("q1", "q2")),
    ContinueRun(run_id="r1", stretch=1),
]


@given(st.permutations([*COMMANDS, *COMMANDS]))
def test_in_any_order_and_twice_over_a_run_ends_once_with_one_result_each(
    commands: list[RunCommand],
) -> None:
    _, history = play(run_decider, [start(judged=True), *commands])
    assert history.index(ENDED) == len(history) - 1
    for expected in (result("q1", 0), result("q2", 1), verdict("q2")):
        assert history.count(expected) == 1
