"""The decider: everything a service knows about its rules, as two pure functions.

After Jérémie Chassaing, "Functional Event Sourcing Decider" (2021).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter

from shared.contracts.base import Event, Metadata

S = TypeVar("S")
C = TypeVar("C")
E = TypeVar("E")


@dataclass(frozen=True)
class Decider(Generic[S, C, E]):
    """`decide` says what happens; `evolve` says what that means. Neither touches the world.

    `decide` may return events of other, new aggregates (a claim on a name, the first user of a
    tenant): they are stored together with the aggregate's own, all or none.
    """

    aggregate: str
    initial: S
    state: TypeAdapter[S]
    decide: Callable[[S, C, Metadata], Sequence[Event]]
    evolve: Callable[[S, E], S]

    def fold(self, events: Iterable[E], start: S | None = None) -> S:
        """The state after `events`, from `start` or the beginning."""
        return reduce(self.evolve, events, self.initial if start is None else start)


AnyDecider = Decider[Any, Any, Any]
