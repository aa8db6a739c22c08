"""Lists by cursor: opaque, bound to their list, and of no use when changed.

A cursor is the sort key of the last item that was given, so what is added or taken away meanwhile
shifts nothing. It is sealed with AES-256-GCM under a key of the tenant (NIST SP 800-38D), with the
list it belongs to as associated data: positions in the log are nobody else's business.
"""

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self
from urllib.parse import urlencode

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from fastapi import Depends, Query, Request

from shared.contracts.base import SortKey
from shared.kernel.errors import InvalidCommand

NONCE = 12
CURSOR_LENGTH = 512
PAGE_LIMIT = 200
"""Items of a page at most; who asks for more gets so many."""
PARAMETERS = frozenset({"limit", "cursor", "offset"})
"""Which part of a list is wanted; everything else in a query says which list."""
HEADERS: Mapping[str, Mapping[str, Any]] = {
    "Link": {
        "description": 'RFC 8288: `rel="next"` leads to the next page, if there is one.',
        "schema": {"type": "string"},
    },
    "X-Total-Count": {
        "description": "Items of the whole list.",
        "schema": {"type": "integer"},
    },
    "ETag": {
        "description": "Of a page: with it in `If-None-Match` an unchanged page is a bare 304.",
        "schema": {"type": "string"},
    },
}
"""For a route's description: what a page tells beside its items."""


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of a list is wanted; all of it, if nothing is said."""

    limit: int | None
    cursor: str | None

    @property
    def whole(self) -> bool:
        return self.limit is None and self.cursor is None

    def size(self, default: int = PAGE_LIMIT, most: int = PAGE_LIMIT) -> int:
        """Items of the page."""
        return min(default if self.limit is None else self.limit, most)


async def window(
    limit: Annotated[
        int | None, Query(ge=0, description=f"Items of a page, {PAGE_LIMIT} at most.")
    ] = None,
    cursor: Annotated[
        str | None,
        Query(max_length=CURSOR_LENGTH, description="Where to go on, from a `Link` header."),
    ] = None,
) -> Window:
    return Window(limit, cursor)


WindowDep = Annotated[Window, Depends(window)]


def unchanged(given: str | None, tag: str) -> bool:
    """Whether a client that sent this `If-None-Match` has this tag (RFC 9110, 13.1.2)."""
    if given is None:
        return False
    return any(one.strip().removeprefix("W/") in (tag, "*") for one in given.split(","))


def seal(key: bytes, scope: str, position: SortKey) -> str:
    """The cursor behind `position` of the list that `scope` names."""
    nonce = os.urandom(NONCE)
    sealed = AESGCM(key).encrypt(nonce, orjson.dumps(position), scope.encode())
    return base64.urlsafe_b64encode(nonce + sealed).rstrip(b"=").decode()


def unseal(key: bytes, scope: str, cursor: str) -> SortKey:
    """Raise `InvalidCommand` for a cursor that was changed or belongs to another list."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        opened = AESGCM(key).decrypt(raw[:NONCE], raw[NONCE:], scope.encode())
    except (binascii.Error, InvalidTag, ValueError) as error:
        raise InvalidCommand("The cursor does not belong to this list", field="cursor") from error
    position, ident = orjson.loads(opened)
    return position, ident


@dataclass(frozen=True, slots=True)
class Address:
    """Of a list, whichever part of it is wanted."""

    path: str
    filters: tuple[tuple[str, str], ...]
    """In the order in which they came."""

    @classmethod
    def of(cls, request: Request) -> Self:
        """Of the list that is asked for."""
        given = request.query_params.multi_items()
        return cls(request.url.path, tuple(pair for pair in given if pair[0] not in PARAMETERS))

    @property
    def scope(self) -> str:
        """Names the list: its path and its filters."""
        return f"{self.path}?{urlencode(sorted(self.filters))}"

    def headers(
        self, *, cursor: str | None = None, limit: int | None = None, total: int | None
    ) -> dict[str, str]:
        """`Link` to the page that begins at `cursor`, if there is one, and `X-Total-Count`."""
        told = {} if total is None else {"X-Total-Count": str(total)}
        if cursor is not None:
            sized = [] if limit is None else [("limit", str(limit))]
            query = urlencode([*self.filters, *sized, ("cursor", cursor)])
            told["Link"] = f'<{self.path}?{query}>; rel="next"'
        return told
