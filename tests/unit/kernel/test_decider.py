"""Folding, and the given/when/then that the aggregates' tests are written in."""

import pytest
from pydantic import TypeAdapter

from shared.contracts.base import Metadata
from shared.contracts.chat import IndexBuilt, RecordIndexBuilt
from shared.kernel.decider import Decider
from shared.kernel.errors import Conflict, NotFound
from shared.kernel.testing import Scenario


def built(revision: int) -> IndexBuilt:
    return IndexBuilt(source_id="s1", run_id="r1", revision=revision, points=1)


def decide(total: int, command: RecordIndexBuilt, _meta: Metadata) -> list[IndexBuilt]:
    if command.revision < 0:
        raise Conflict("below nothing")
    return [built(command.revision)] if command.revision > total else []


ADDING: Decider[int, RecordIndexBuilt, IndexBuilt] = Decider(
    aggregate="sum",
    initial=0,
    state=TypeAdapter(int),
    decide=decide,
    evolve=lambda total, event: total + event.revision,
)


def order(revision: int) -> RecordIndexBuilt:
    return RecordIndexBuilt(source_id="s1", run_id="r1", revision=revision, points=1)


class TestFolding:
    def test_begins_with_the_initial_state(self) -> None:
        assert ADDING.fold([]) == 0
        assert ADDING.fold([built(1), built(2)]) == 3

    def test_goes_on_from_a_snapshot(self) -> None:
        assert ADDING.fold([built(2)], 5) == 7

    def test_a_snapshot_that_looks_empty_is_still_a_snapshot(self) -> None:
        odd: Decider[int, RecordIndexBuilt, IndexBuilt] = Decider(
            "sum", 100, TypeAdapter(int), decide, lambda total, event: total + event.revision
        )
        assert odd.fold([built(1)], 0) == 1


class TestScenarios:
    @pytest.fixture
    def total(self, metadata: Metadata) -> Scenario[int, RecordIndexBuilt, IndexBuilt]:
        return Scenario(ADDING, metadata)

    def test_pass_when_the_outcome_is_as_said(
        self, total: Scenario[int, RecordIndexBuilt, IndexBuilt]
    ) -> None:
        total.given(built(1)).when(order(2)).then(built(2))
        total.given(built(2)).when(order(2)).then_nothing()
        total.when(order(-1)).then_refused(Conflict, "below")
        total.given(built(1), built(2)).then_state(3)

    def test_fail_when_it_is_not(self, total: Scenario[int, RecordIndexBuilt, IndexBuilt]) -> None:
        with pytest.raises(AssertionError):
            total.when(order(2)).then(built(3))
        with pytest.raises(AssertionError):
            total.when(order(2)).then_nothing()
        with pytest.raises(Conflict):
            total.when(order(-1)).then_refused(NotFound)
        with pytest.raises(AssertionError):
            total.given(built(1)).then_state(2)
        with pytest.raises(AssertionError):
            total.given(built(1)).then(built(1))
