"""Whatever orders come in whatever order, a source's history makes sense."""

from collections import Counter
from contextlib import suppress

from hypothesis import given, strategies as st

from services.ingest.domain.source import Absent, Present, source_decider
from shared.contracts.ingest import (
    CompleteIngestion,
    DeleteSource,
    IngestionRequested,
    IngestionStarted,
    RecordFailed,
    RecordUnchanged,
    RequestIngestion,
    SourceCommand,
    SourceDeleted,
    SourceEvent,
    SourceFailed,
    SourceFetched,
    SourceIngested,
    SourcePrepared,
    SourceUnchanged,
    StartIngestion,
    UpdateSource,
)
from shared.contracts.ingest_stages import SourceUndone, UndoSource
from shared.kernel.errors import Refused
from tests.unit.histories import kept, play
from tests.unit.ingest.samples import (
    CREATE,
    CREATED,
    DELETED,
    fetched,
    ingested,
    record_fetched,
    record_prepared,
    requested,
    started,
    unchanged,
    was_prepared,
)
from tests.unit.samples import metadata

ENDS = (SourceIngested, SourceUnchanged, SourceFailed)
RUNS = st.sampled_from([metadata(f"order {n}").message_id for n in range(12)])
REVISIONS = st.integers(1, 4)


def of(run: str, revision: int, attempt: int) -> list[SourceCommand]:
    return [
        StartIngestion(source_id="s1", run_id=run, attempt=attempt),
        record_fetched(run),
        record_prepared(run, revision),
        RecordUnchanged(source_id="s1", run_id=run),
        RecordFailed(source_id="s1", run_id=run, reason="It rains"),
        CompleteIngestion(source_id="s1", run_id=run, revision=revision),
    ]


ORDERS = st.one_of(
    st.just(CREATE),
    st.just(DeleteSource(source_id="s1")),
    st.just(UndoSource(source_id="s1")),
    st.just(RequestIngestion(source_id="s1")),
    st.builds(
        lambda name: UpdateSource(source_id="s1", changes={"name": name}), st.sampled_from("abc")
    ),
    st.builds(of, RUNS, REVISIONS, st.integers(0, 3)).flatmap(st.sampled_from),
)


@given(st.lists(ORDERS, max_size=30))
def test_a_run_is_requested_before_all_else_and_ends_at_most_once(
    orders: list[SourceCommand],
) -> None:
    _, happened = play(source_decider, [CREATE, *orders])
    ended: Counter[str] = Counter()
    running: str | None = None
    for event in happened:
        match event:
            case IngestionRequested():
                assert running is None
                running = event.run_id
            case IngestionStarted() | SourceFetched() | SourcePrepared():
                assert event.run_id == running
            case SourceIngested() | SourceUnchanged() | SourceFailed():
                assert event.run_id == running
                ended[event.run_id] += 1
                running = None
            case SourceDeleted():
                running = None
            case SourceUndone(restored=int()):
                assert running is None
                running = event.run_id
            case _:
                pass
    assert set(ended.values()) <= {1}


@given(st.lists(ORDERS, max_size=30))
def test_nothing_happens_to_a_deleted_source_but_its_return(orders: list[SourceCommand]) -> None:
    gone: list[SourceCommand] = [CREATE, DeleteSource(source_id="s1")]
    state, _ = play(source_decider, gone)
    others = [order for order in orders if not isinstance(order, UndoSource)]
    _, happened = play(source_decider, others, state)
    assert happened == []


@given(st.lists(ORDERS, max_size=30))
def test_revisions_grow_by_one_and_each_is_ingested_after_it_was_prepared(
    orders: list[SourceCommand],
) -> None:
    state, happened = play(source_decider, [CREATE, *orders])
    revisions = [e.prepared.revision for e in happened if isinstance(e, SourcePrepared)]
    assert revisions == list(range(1, len(revisions) + 1))
    for n, event in enumerate(happened):
        if isinstance(event, SourceIngested):
            assert event.revision in [
                e.prepared.revision
                for e in happened[:n]
                if isinstance(e, SourcePrepared) and e.run_id == event.run_id
            ]
    assert isinstance(state, Present)
    assert state.revision == len(revisions)


@given(st.lists(ORDERS, max_size=20))
def test_what_was_decided_once_is_nothing_the_next_time(orders: list[SourceCommand]) -> None:
    """All but a request or an undoing: whether it was served already, only its id tells."""
    state, _ = play(source_decider, [CREATE, *orders])
    for order in orders:
        if isinstance(order, RequestIngestion | UndoSource):
            continue
        again, happened = play(source_decider, [order], state)
        _, once_more = play(source_decider, [order], again)
        assert once_more == []
        assert len(happened) <= 1


EVENTS = st.sampled_from(
    [
        CREATED,
        DELETED,
        requested(),
        requested("r2"),
        started(),
        started("r2", 2),
        fetched(),
        was_prepared(),
        was_prepared("r2", 2),
        ingested(),
        unchanged("r2"),
        SourceFailed(source_id="s1", run_id="r1", reason="It rains"),
    ]
)


@given(st.lists(EVENTS, max_size=15))
def test_evolving_never_raises_whatever_the_log_holds(events: list[SourceEvent]) -> None:
    state = source_decider.fold(events)
    kept(source_decider, state)
    assert isinstance(state, Absent) == (CREATED not in events)


@given(st.lists(EVENTS, max_size=15), ORDERS)
def test_deciding_raises_nothing_but_refusals(
    events: list[SourceEvent], order: SourceCommand
) -> None:
    with suppress(Refused):
        source_decider.decide(source_decider.fold(events), order, metadata())
