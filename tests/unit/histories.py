"""Plays orders against an aggregate as the command handler would, for properties of histories."""

from collections.abc import Iterable
from typing import TypeVar

from shared.contracts.base import Event
from shared.kernel.decider import Decider
from shared.kernel.errors import Refused
from tests.unit.samples import metadata

S = TypeVar("S")
C = TypeVar("C")
E = TypeVar("E", bound=Event)


def play(
    decider: Decider[S, C, E], orders: Iterable[C], start: S | None = None
) -> tuple[S, list[E]]:
    """The state in the end, and everything that happened. Refusals change nothing.

    Between two orders the state goes through JSON, as it does between two processes.
    """
    state = decider.initial if start is None else start
    happened: list[E] = []
    for n, order in enumerate(orders):
        try:
            decided = decider.decide(state, order, metadata(f"order {n}"))
        except Refused:
            continue
        own: list[E] = [event for event in decided if event.aggregate == decider.aggregate]  # type: ignore[misc]  # an aggregate's own events are E
        happened += own
        state = kept(decider, decider.fold(own, state))
    return state, happened


def kept(decider: Decider[S, C, E], state: S) -> S:
    """`state` after it was stored and loaded; fails if that changes it."""
    loaded = decider.state.validate_json(decider.state.dump_json(state))
    assert loaded == state
    return loaded
