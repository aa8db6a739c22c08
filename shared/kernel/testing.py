"""Given past events, when a command, then new events or a refusal."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import pytest

from shared.contracts.base import Event, Metadata
from shared.kernel.decider import Decider
from shared.kernel.errors import Refused

S = TypeVar("S")
C = TypeVar("C")
E = TypeVar("E")


@dataclass(frozen=True)
class Scenario(Generic[S, C, E]):
    """A sentence about one aggregate: `given(...).when(...).then(...)`."""

    decider: Decider[S, C, E]
    metadata: Metadata
    history: tuple[E, ...] = ()
    command: C | None = None

    def given(self, *events: E) -> "Scenario[S, C, E]":
        return replace(self, history=events)

    def when(self, command: C) -> "Scenario[S, C, E]":
        return replace(self, command=command)

    def then(self, *expected: Event) -> None:
        assert list(self._outcome()) == list(expected)

    def then_nothing(self) -> None:
        assert list(self._outcome()) == []

    def then_refused(self, error: type[Refused], match: str | None = None) -> None:
        with pytest.raises(error, match=match):
            self._outcome()

    def then_state(self, expected: S) -> None:
        assert self.decider.fold(self.history) == expected

    def _outcome(self) -> Sequence[Event]:
        assert self.command is not None, "call .when(command) first"
        return self.decider.decide(self.decider.fold(self.history), self.command, self.metadata)
