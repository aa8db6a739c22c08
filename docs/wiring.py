"""Who takes, answers, projects and reacts to which message: read from the services' `main.py`.

A `main.py` is a list of calls such as `service.takes(store, [CreateSource])`. The names in it are
looked up in the imported module, so what is told here is what runs.
"""

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any, TypeVar

from shared.contracts.base import Command, Event, Message, Question
from shared.runtime.process import SERVICES

M = TypeVar("M", bound=Message)
LISTS = (list, tuple, set, frozenset, dict)


@dataclass(frozen=True, slots=True)
class Wiring:
    """One service's ways in."""

    service: str
    takes: frozenset[type[Command]]
    answers: frozenset[type[Question[Any]]]
    reacts: frozenset[type[Event]]
    projects: frozenset[type[Event]]
    """Events of others' aggregates, and those of its own that a read model beside the one of
    their aggregate listens to.
    """


def wirings() -> list[Wiring]:
    """One for every service, by name."""
    return [wiring(import_module(f"services.{service}.main")) for service in sorted(SERVICES)]


def wiring(main: ModuleType) -> Wiring:
    """What this composition root wires."""
    source = _Source(main)
    return Wiring(
        service=main.__name__.split(".")[-2],
        takes=source.named_in("takes", Command),
        answers=source.named_in("answers", Question),
        reacts=source.named_in("reacts", Event),
        projects=source.named_in("ReadModel", Event),
    )


class _Source:
    """The code of a module, and what the names in it stand for."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module
        self._tree = ast.parse(inspect.getsource(module))
        self._bound = dict(_bindings(self._tree))

    def named_in(self, call: str, kind: type[M]) -> frozenset[type[M]]:
        """The messages of this kind that the arguments of such calls name."""
        return frozenset(
            found
            for node in ast.walk(self._tree)
            if isinstance(node, ast.Call) and _called(node) == call
            for argument in (*node.args, *(keyword.value for keyword in node.keywords))
            for found in self._classes(argument, set())
            if issubclass(found, kind)
        )

    def _classes(self, node: ast.AST, seen: set[str]) -> Iterator[type]:
        for inner in ast.walk(node):
            if not isinstance(inner, ast.Name) or inner.id in seen:
                continue
            seen.add(inner.id)
            yield from _classes_in(getattr(self._module, inner.id, None))
            for expression in self._bound.get(inner.id, ()):
                yield from self._classes(expression, seen)


def _called(call: ast.Call) -> str:
    match call.func:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        case _:
            return ""


def _bindings(tree: ast.AST) -> Iterator[tuple[str, list[ast.AST]]]:
    """Local names, and the expressions that they are bound to in loops and assignments."""
    found: dict[str, list[ast.AST]] = {}
    for node in ast.walk(tree):
        match node:
            case ast.For(target=target, iter=value) | ast.comprehension(target=target, iter=value):
                targets = [target]
            case ast.Assign(targets=targets, value=value) if not isinstance(value, ast.Call):
                pass
            case _:
                continue
        for name in (inner for one in targets for inner in ast.walk(one)):
            if isinstance(name, ast.Name):
                found.setdefault(name.id, []).append(value)
    yield from found.items()


def _classes_in(value: object) -> Iterator[type]:
    if isinstance(value, type):
        yield value
    elif isinstance(value, LISTS):
        for inner in value:
            yield from _classes_in(inner)
