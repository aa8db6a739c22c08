"""What may happen to the index of one source."""

import pytest
from hypothesis import given, strategies as st

from services.chat.domain.index import SourceIndex, index_decider
from shared.contracts.base import Metadata
from shared.contracts.chat import (
    IndexBuilt,
    IndexFailed,
    RecordIndexBuilt,
    RecordIndexFailed,
    RetrievalIndexCommand,
    RetrievalIndexEvent,
)
from shared.kernel.testing import Scenario
from tests.unit.histories import kept, play

IndexScenario = Scenario[SourceIndex, RetrievalIndexCommand, RetrievalIndexEvent]


@pytest.fixture
def index(metadata: Metadata) -> IndexScenario:
    return Scenario(index_decider, metadata)


def record_built(revision: int) -> RecordIndexBuilt:
    return RecordIndexBuilt(source_id="s1", run_id=f"r{revision}", revision=revision, points=3)


def record_failed(revision: int) -> RecordIndexFailed:
    return RecordIndexFailed(
        source_id="s1", run_id=f"r{revision}", revision=revision, reason="disk full"
    )


def built(revision: int) -> IndexBuilt:
    return IndexBuilt(source_id="s1", run_id=f"r{revision}", revision=revision, points=3)


def failed(revision: int) -> IndexFailed:
    return IndexFailed(source_id="s1", run_id=f"r{revision}", revision=revision, reason="disk full")


def test_a_revision_is_told_to_be_in(index: IndexScenario) -> None:
    index.given().when(record_built(1)).then(built(1))
    index.given(built(1)).when(record_built(2)).then(built(2))


def test_a_revision_that_cannot_be_in_is_told_too(index: IndexScenario) -> None:
    index.given(built(1)).when(record_failed(2)).then(failed(2))


def test_revisions_may_be_left_out(index: IndexScenario) -> None:
    index.given(built(1)).when(record_built(7)).then(built(7))


@pytest.mark.parametrize("revision", [1, 2, 3])
def test_a_revision_that_was_told_or_overtaken_is_nothing(
    index: IndexScenario, revision: int
) -> None:
    for past in (built(3), failed(3)):
        index.given(past).when(record_built(revision)).then_nothing()
        index.given(past).when(record_failed(revision)).then_nothing()


ORDERS: st.SearchStrategy[RetrievalIndexCommand] = st.one_of(
    st.builds(record_built, st.integers(0, 6)), st.builds(record_failed, st.integers(0, 6))
)


@given(st.lists(ORDERS, max_size=15))
def test_revisions_only_ever_grow(orders: list[RetrievalIndexCommand]) -> None:
    state, happened = play(index_decider, orders)
    revisions = [event.revision for event in happened]
    assert revisions == sorted(set(revisions))
    assert state.revision == max([0, *(order.revision for order in orders)])


@given(
    st.lists(st.one_of(st.builds(built, st.integers(0, 6)), st.builds(failed, st.integers(0, 6))))
)
def test_evolving_never_raises(events: list[RetrievalIndexEvent]) -> None:
    kept(index_decider, index_decider.fold(events))
