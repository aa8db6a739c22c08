"""A stream holds no more of a gateway than it needs while it waits.

What a request went through on its way, from the door to the route, has nothing to do any more once
its stream has begun; yet it would be kept to the end, and that is most of what a stream takes. So
the route hands its stream over to whoever stands before the door, and is done.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from starlette.responses import StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from typing_extensions import override

from shared.web import sse

TAKES = "takes_streams"
"""In the state of a request, if somebody takes its stream over."""
STREAM = "stream"


class Streamed(StreamingResponse):
    """Server-sent events."""

    def __init__(self, body: AsyncGenerator[bytes, None]) -> None:
        super().__init__(body, media_type=sse.MEDIA_TYPE, headers=dict(sse.HEADERS))
        self._body = body

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if TAKES not in scope.get("state", ()):
            await super().__call__(scope, receive, send)
            return
        head = {
            "type": "http.response.start",
            "status": self.status_code,
            "headers": self.raw_headers,
        }
        await send(head)
        scope["state"][STREAM] = self._body


class HandOver:
    """Tells the streams that routes hand over, until they or their clients end."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["state"][TAKES] = True
        await self._app(scope, receive, send)
        body: AsyncGenerator[bytes, None] | None = scope["state"].pop(STREAM, None)
        if body is not None:
            for name in [name for name in scope if name.startswith("fastapi_")]:
                del scope[name]  # stacks of what is to be closed, and was
            await tell(body, receive, send)


async def tell(body: AsyncGenerator[bytes, None], receive: Receive, send: Send) -> None:
    """Send all of a stream that has begun; stop when its client has gone."""
    here = asyncio.timeout(None)
    async with aclosing(body):
        try:
            async with here:
                leaving = asyncio.create_task(_gone(receive, here))  # noqa: TID251  ended below
                try:
                    async for piece in body:
                        await send(_piece(piece, more=True))
                    await send(_piece(b"", more=False))
                finally:
                    leaving.cancel()
        except TimeoutError:
            if not here.expired():
                raise


async def _gone(receive: Receive, here: asyncio.Timeout) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    here.reschedule(asyncio.get_running_loop().time())


def _piece(body: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}
