"""Whether two bodies say the same."""

import hashlib
import re

import orjson
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

BOUNDARY = re.compile(rb"boundary=\"?([^\";,\s]{1,70})", re.IGNORECASE)


class Body:
    """A request's body that can be told apart from another, and still be read by a route.

    JSON is compared by what it says, whatever its spacing and order. A form with files flows
    through and is never held; the boundary between its parts is left out, as clients make a new
    one for every attempt.
    """

    def __init__(self, receive: Receive, content_type: str) -> None:
        self._receive = receive
        self._json = "json" in content_type
        found = BOUNDARY.search(content_type.encode("latin-1"))
        self._boundary = found.group(1) if found and "multipart/" in content_type else None
        self._whole: bytes | None = None
        self._digest = hashlib.sha256()
        self._carry = b""
        self._given = False
        self._read = False

    async def fingerprint(self) -> str | None:
        """Of the whole body; None while a form with files has not been read."""
        if self._boundary is not None:
            return None
        pieces = []
        while True:
            message = await self._next()
            pieces.append(message.get("body", b""))
            if not message.get("more_body", False):
                break
        self._whole = b"".join(pieces)
        return self.seen()

    async def drain(self) -> str | None:
        """Read and drop what is left of a form, and tell its fingerprint."""
        while not self._read:
            await self._next()
        return self.seen()

    def seen(self) -> str | None:
        """The fingerprint; None if nobody has read the body to its end."""
        if not self._read:
            return None
        if self._whole is not None:
            return hashlib.sha256(self._canonical(self._whole)).hexdigest()
        last = self._digest.copy()
        last.update(self._carry)
        return last.hexdigest()

    async def receive(self) -> Message:
        """For the route: the body once, then whatever the server has to tell."""
        if self._whole is not None and not self._given:
            self._given = True
            return {"type": "http.request", "body": self._whole, "more_body": False}
        if self._whole is not None:
            return await self._receive()
        return await self._next(disconnects=True)

    async def _next(self, *, disconnects: bool = False) -> Message:
        """Raise `ClientDisconnect` unless the caller wants to be told otherwise."""
        message = await self._receive()
        if message["type"] != "http.request":
            if disconnects:
                return message
            raise ClientDisconnect
        self._read = not message.get("more_body", False)
        if self._boundary is not None:
            read = (self._carry + message.get("body", b"")).replace(self._boundary, b"")
            keep = min(len(read), len(self._boundary) - 1)
            self._digest.update(read[: len(read) - keep])
            self._carry = read[len(read) - keep :]
        return message

    def _canonical(self, body: bytes) -> bytes:
        if not self._json:
            return body
        try:
            return orjson.dumps(orjson.loads(body), option=orjson.OPT_SORT_KEYS)
        except orjson.JSONDecodeError:
            return body
