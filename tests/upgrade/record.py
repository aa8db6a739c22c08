"""Records an example of every event type that was released since: `python -m tests.upgrade.record`.

An example is written once, with every field that its schema then has, and never again: it stands
for what installations of that version have in their logs. The lines are those of a backup.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from shared.adapters.envelope import event_headers, event_subject, tenant_of
from shared.backup.archive import Stored
from shared.contracts.base import Metadata
from shared.kernel.ids import derived_id
from shared.kernel.registry import REGISTRY
from tests.architecture.message_schemas import SCHEMAS, Schema

RECORDED = Path(__file__).parent / "events.jsonl"
WHEN = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)
TENANT = derived_id("example", "tenant_id")
FIRST = ("registered", "created", "opened", "claimed", "issued", "begun", "started", "set")
LAST = ("deleted", "revoked", "ended", "retired")
HASH = "ab" * 32
BY_PATTERN = {"^[a-z]{2}$": "en", "^(?:#[0-9a-fA-F]{6})?$": "#336699"}


def recorded() -> list[Stored]:
    """What is recorded, in the order of the log."""
    with RECORDED.open("rb") as lines:
        return [Stored.read(line) for line in lines]


def released() -> list[str]:
    """Every event type that ever was, those of an aggregate in an order that can have happened."""
    return sorted((file.stem for file in SCHEMAS.glob("*/events/*.v*.json")), key=_order)


def example(schema: Schema) -> Any:
    """Something that this schema describes, with all its fields."""
    return _example(schema, schema.get("$defs", {}), "value")


def main() -> None:
    known = {line.headers["ce-type"] for line in recorded()} if RECORDED.exists() else set()
    fresh = [type_name for type_name in released() if type_name not in known]
    with RECORDED.open("ab") as lines:
        for number, type_name in enumerate(fresh, len(known) + 1):
            lines.write(_line(number, type_name).line())


def _line(number: int, type_name: str) -> Stored:
    (file,) = SCHEMAS.glob(f"*/events/{type_name}.json")
    # No two events tell of the same message, or of the same attempt.
    once = {"message_id": derived_id("example", "message", type_name), "attempt": number}
    body = _with(once, example(json.loads(file.read_text())))
    event = REGISTRY.decode(type_name, body)
    command = derived_id("example", type_name)
    metadata = Metadata(
        tenant_id=TENANT, message_id=command, correlation_id=command, now=WHEN, actor="user/1"
    )
    event_id = derived_id("event", command, "0")
    return Stored(
        sequence=number,
        subject=event_subject(tenant_of(event, metadata), event),
        headers=event_headers(event, event_id, metadata, "example"),
        data=json.dumps(body).encode(),
    )


def _with(values: Mapping[str, Any], body: Any) -> Any:
    """`body` with these values in the fields of their names, wherever they are."""
    if not isinstance(body, dict):
        return body
    return {name: values.get(name, _with(values, inner)) for name, inner in body.items()}


def _order(type_name: str) -> tuple[str, int, str]:
    aggregate, name = type_name.split(".")[:2]
    short = name.rsplit("_", 1)[-1]
    place = -1 if short in FIRST else 1 if short in LAST else 0
    return aggregate, place, name


def _example(schema: Schema, parts: Mapping[str, Schema], name: str) -> Any:
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    if "$ref" in schema:
        return _example(parts[schema["$ref"].rsplit("/", 1)[1]], parts, name)
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return _example(_fullest(schema[several]), parts, name)
    return _typed(schema, parts, name)


def _typed(schema: Schema, parts: Mapping[str, Schema], name: str) -> Any:
    match schema.get("type"):
        case "object":
            further = schema.get("additionalProperties")
            fields = schema.get("properties", {"key": further} if isinstance(further, dict) else {})
            return {field: _example(inner, parts, field) for field, inner in fields.items()}
        case "array":
            items = schema.get("prefixItems") or [schema.get("items", {})]
            return [_example(inner, parts, name) for inner in items]
        case "string":
            return _text(schema, name)
        case "integer" | "number":
            return max(1, schema.get("minimum", 1))
        case "boolean":
            return True
        case _:
            return name


def _fullest(choices: list[Schema]) -> Schema:
    return next(choice for choice in choices if choice.get("type") != "null")


def _text(schema: Schema, name: str) -> str:
    match schema.get("format"):
        case "date-time":
            return WHEN.isoformat()
        case "date":
            return WHEN.date().isoformat()
        case _:
            pass
    if "pattern" in schema:
        return BY_PATTERN[schema["pattern"]]
    if name.endswith(("_id", "_ids")):
        return derived_id("example", name)
    if name.endswith(("_ref", "_hash", "_sha256", "fingerprint")):
        return HASH
    return name


if __name__ == "__main__":
    main()
