"""The blob format of a plan: where the chunks of a text are. JSON, a list per chunk."""

from collections.abc import Iterable
from typing import NamedTuple

import orjson


class Planned(NamedTuple):
    """A chunk that has no vector yet: `text[start:end]`."""

    start: int
    end: int
    heading: str | None = None
    page: int | None = None
    language: str | None = None


def write_plan(chunks: Iterable[Planned]) -> bytes:
    return orjson.dumps([list(chunk) for chunk in chunks])


def read_plan(data: bytes) -> list[Planned]:
    return [Planned(*item) for item in orjson.loads(data)]
