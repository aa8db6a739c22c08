"""The JSON schemas of released messages: what they are, where they lie, how they may grow.

A released message only grows optional fields: old bodies in the log must stay readable, and
during an upgrade old and new replicas read each other. Anything else is a new message: for an
event a new version with an upcaster, for a command or question a new name.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docs.messages import answer_of
from shared.contracts.base import Command, Done, Event, Keyed, Message, Question, Refusal
from shared.contracts.chat_frames import Frame
from shared.contracts.public import PUBLIC_TYPES
from shared.kernel.registry import released

SCHEMAS = Path(__file__).parent / "schemas"
Schema = dict[str, Any]

WORDS = ("title", "description")
"""Keywords that are for people: a better docstring is no other schema."""


@dataclass(frozen=True, slots=True)
class Released:
    """One shape that crosses a process."""

    name: str
    """Also its file: `<owner>/<kind>/<released name>`."""
    shape: type[Message]

    @property
    def schema(self) -> Schema:
        """As this checkout has it."""
        schema: Schema = _without_words(self.shape.model_json_schema())
        if issubclass(self.shape, Keyed):
            personal = sorted(name for name, _ in self.shape.personal_fields())
            if personal:
                schema["x-personal"] = personal
        return schema


def messages() -> list[Released]:
    """Every released shape, by name."""
    return sorted(_messages(), key=lambda message: message.name)


def owner_of(shape: type[Message]) -> str:
    return shape.__module__.rsplit(".", 1)[1]


def breaks(old: Schema, new: Schema) -> list[str]:
    """What in `new` a reader or writer of `old` could not live with, one line each."""
    found = list(_breaks(old, new, old, new, ""))
    was = old.get("x-personal")
    kept = [name for name in new.get("x-personal", ()) if name in old.get("properties", {})]
    if (was or []) != kept:
        found.append(f"personal fields were {was}")
    return found


def render(schema: Schema) -> str:
    """A line per field, sorted: a diff shows exactly the fields that changed."""
    return _render(schema, "") + "\n"


def read(folder: Path = SCHEMAS) -> dict[str, Schema]:
    """The released schemas, by name."""
    return {
        str(file.relative_to(folder).with_suffix("")): json.loads(file.read_text())
        for file in folder.rglob("*.json")
    }


def file_of(name: str, folder: Path = SCHEMAS) -> Path:
    return folder / f"{name}.json"


def _messages() -> Iterator[Released]:
    for command in released(Command):
        yield Released(f"{owner_of(command)}/commands/{command.aggregate}.{command.verb}", command)
    for event in released(Event):
        yield Released(f"{owner_of(event)}/events/{event.type()}", event)
    for question in released(Question):
        name = f"{owner_of(question)}/questions/{question.name}"
        yield Released(name, question)
        yield Released(f"{name}.answer", answer_of(question))
    for shape in (Done, Refusal):
        yield Released(f"base/outcomes/{shape.__name__.lower()}", shape)
    yield Released("chat/frames/frame", Frame)
    for name, public in PUBLIC_TYPES.items():
        yield Released(f"public/events/{name}", public)


def _without_words(node: Any, *, names: bool = False) -> Any:
    """Without what is for people; below `properties` the keys are names, not keywords."""
    match node:
        case dict():
            return {
                key: sorted(value)
                if key == "required" and isinstance(value, list)
                else _without_words(value, names=not names and key in ("properties", "$defs"))
                for key, value in sorted(node.items())
                if names or key not in WORDS
            }
        case list():
            return [_without_words(value) for value in node]
        case _:
            return node


def _breaks(old: Any, new: Any, old_root: Schema, new_root: Schema, where: str) -> Iterator[str]:
    old, new = _resolved(old, old_root), _resolved(new, new_root)
    match old, new:
        case {"properties": before}, {"properties": after}:
            yield from _broken_fields(before, after, old_root, new_root, where)
            if old.get("required") != new.get("required"):
                was = ", ".join(old.get("required", ())) or "nothing"
                yield f"{where or 'the message'} required {was}"
            old, new = _shell(old), _shell(new)
            if old != new:
                yield f"{where or 'the message'} was {json.dumps(old)}"
        case {"enum": before}, {"enum": after} if set(before) < set(after):
            # What was written before is still understood.
            rest = [{key: one[key] for key in one if key != "enum"} for one in (old, new)]
            yield from _breaks(rest[0], rest[1], old_root, new_root, where)
        case dict(), dict() if old.keys() == new.keys():
            for key in old:
                yield from _breaks(old[key], new[key], old_root, new_root, where)
        case list(), list() if len(old) == len(new):
            for before, after in zip(old, new, strict=True):
                yield from _breaks(before, after, old_root, new_root, where)
        case _:
            if old != new:
                yield f"{where or 'the message'} was {json.dumps(old)}"


def _broken_fields(
    before: Schema, after: Schema, old_root: Schema, new_root: Schema, where: str
) -> Iterator[str]:
    for name, field in before.items():
        path = f"{where}.{name}" if where else name
        if name not in after:
            yield f"{path} is gone"
            continue
        yield from _breaks(field, after[name], old_root, new_root, path)


def _shell(schema: Mapping[str, Any]) -> Schema:
    """What of an object's schema is neither fields nor bookkeeping."""
    inner = ("properties", "required", "$defs", "x-personal")
    return {key: value for key, value in schema.items() if key not in inner}


def _resolved(node: Any, root: Schema) -> Any:
    """A reference's target: a nested class may be renamed, only its shape counts."""
    while isinstance(node, dict) and "$ref" in node:
        rest = {key: value for key, value in node.items() if key != "$ref"}
        node = {**root["$defs"][node["$ref"].rsplit("/", 1)[1]], **rest}
    return node


def _render(node: Any, indent: str, *, names: bool = False) -> str:
    if not (isinstance(node, dict) and node and (names or "properties" in node)):
        return json.dumps(node, sort_keys=True, ensure_ascii=False)
    deeper = indent + "  "
    lines = [
        f"{deeper}{json.dumps(key)}: "
        + _render(node[key], deeper, names=not names and key in ("properties", "$defs"))
        for key in sorted(node)
    ]
    return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
