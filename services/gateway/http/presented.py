"""What clients are shown of a page, and the same again for the same answer of its owner.

The bytes for a client follow from the bytes of the answer alone, so they are kept for a moment: an
owner that has nothing else to say gives the very same answer.
"""

import hashlib
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import orjson
from cachetools import TTLCache
from pydantic import BaseModel, TypeAdapter

from shared.contracts.base import Page, SortKey
from shared.web import json_stream

KEPT_BYTES = 16_000_000
"""Of answers, with what is shown of them, in one gateway."""
KEPT_SECONDS = 5.0
"""As long as their owners keep them: what is erased is gone here as soon as there."""
OTHER_BYTES = 500
TAG_BYTES = 16

SORT_KEY: TypeAdapter[SortKey | None] = TypeAdapter(SortKey | None)

Present = Callable[[Any], BaseModel] | type[BaseModel]
"""What a client is shown of an item. A class: its fields, as the owner wrote them; to read fifty
items, and to write them again, would be half of what a list costs.
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """A page as a client gets it: a JSON array, and what its headers tell."""

    array: bytes
    following: SortKey | None
    total: int | None
    tag: str
    """A strong validator (RFC 9110, section 8.8): the same for the same array."""


class Presented:
    """Pages as clients get them."""

    def __init__(self, timer: Callable[[], float] = time.monotonic) -> None:
        self._kept: TTLCache[tuple[Hashable, bytes], tuple[Shown, int]] = TTLCache(
            KEPT_BYTES, KEPT_SECONDS, timer, lambda kept: kept[1]
        )

    def page(self, answer: bytes, shape: type[Page], present: Present) -> Shown:
        """What is shown of an owner's answer, a page of this shape."""
        key = (present, answer)
        if (kept := self._kept.get(key)) is not None:
            return kept[0]
        if isinstance(present, type):
            shown = written(answer, present)
        else:
            shown = made(answer, shape, present)
        weight = len(answer) + len(shown.array) + OTHER_BYTES
        if weight < KEPT_BYTES:
            self._kept[key] = (shown, weight)
        return shown


def written(answer: bytes, shape: type[BaseModel]) -> Shown:
    """The fields of `shape` as the owner wrote them, null where an older one does not tell one."""
    page = orjson.loads(answer)
    names, items = tuple(shape.model_fields), page["items"]
    if any(tuple(item) != names for item in items):
        items = [{name: item.get(name) for name in names} for item in items]
    following = SORT_KEY.validate_python(page.get("following"))
    return _shown(orjson.dumps(items), following, page.get("total"))


def made(answer: bytes, shape: type[Page], present: Callable[[Any], BaseModel]) -> Shown:
    """Each item by way of what it becomes for a client."""
    page: Any = shape.model_validate_json(answer)
    items = b",".join(json_stream.encoded(present(item)) for item in page.items)
    return _shown(b"[" + items + b"]", page.following, page.total)


def _shown(array: bytes, following: SortKey | None, total: int | None) -> Shown:
    tag = hashlib.blake2b(array, digest_size=TAG_BYTES).hexdigest()
    return Shown(array, following, total, f'"{tag}"')
