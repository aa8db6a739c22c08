"""Continuous pull from a JetStream consumer: one inbox, overlapping requests, a watchdog.

nats-py's `fetch` costs a subscription and a round trip per batch; this keeps one request open and
asks for more before the last one is used up. A new connection, or missed heartbeats, mean that the
server forgot the request (it restarted), so it is made again.
"""

import asyncio
from collections import deque
from typing import Any

import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg

GONE = "consumer gone"
LOOK_SECONDS = 0.5
"""How often a silent consumer looks whether the connection is a new one."""


class PullEnded(Exception):
    """The consumer no longer exists, or refuses the request."""


class Pull:
    """Messages of one consumer, in order. Not safe for two readers at once."""

    def __init__(
        self,
        client: Client,
        stream: str,
        consumer: str,
        *,
        batch: int,
        expires: float = 30,
        heartbeat: float = 5,
    ) -> None:
        self._client = client
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._batch = batch
        self._expires = expires
        self._heartbeat = heartbeat
        self._inbox = client.new_inbox()
        self._ready: deque[Msg] = deque()
        self._woken = asyncio.Event()
        self._asked = 0
        self._requests = 0
        self._heard = 0.0
        self._reconnects = 0
        self._ended: str | None = None
        self._subscription: Any = None

    async def start(self) -> None:
        self._subscription = await self._client.subscribe(f"{self._inbox}.*", cb=self._on_message)
        await self._request()

    async def stop(self) -> None:
        """Take no more. Messages that were not yet handed out are redelivered to others."""
        if self._subscription is not None and not self._client.is_closed:
            await self._subscription.unsubscribe()

    async def get(self, most: int | None = None) -> list[Msg]:
        """Wait for at least one message and return what is there, at most `most`.

        Raises `PullEnded` when the consumer has to be made again.
        """
        loop = asyncio.get_running_loop()
        while not self._ready:
            if self._ended is not None:
                reason, self._ended, self._asked = self._ended, None, 0
                raise PullEnded(reason)
            if self._asked == 0:
                await self._request()
            self._woken.clear()
            silence = self._heartbeat * 2.5 - (loop.time() - self._heard)
            try:
                async with asyncio.timeout(min(max(silence, 0.01), LOOK_SECONDS)):
                    await self._woken.wait()
            except TimeoutError:
                silent = loop.time() - self._heard >= self._heartbeat * 2
                if silent or self._reconnects != self._client.stats["reconnects"]:
                    self._asked = 0
        count = len(self._ready) if most is None else min(most, len(self._ready))
        return [self._ready.popleft() for _ in range(count)]

    async def _request(self) -> None:
        need = self._batch - self._asked - len(self._ready)
        if need <= 0:
            return
        self._asked += need
        self._requests += 1
        self._heard = asyncio.get_running_loop().time()
        self._reconnects = self._client.stats["reconnects"]
        body = {
            "batch": need,
            "expires": int(self._expires * 1e9),
            "idle_heartbeat": int(self._heartbeat * 1e9),
        }
        await self._client.publish(
            self._subject, orjson.dumps(body), reply=f"{self._inbox}.{self._requests}"
        )

    async def _on_message(self, message: Msg) -> None:
        self._heard = asyncio.get_running_loop().time()
        headers = message.headers or {}
        status = headers.get("Status")
        if status is None or message.reply:
            self._asked = max(0, self._asked - 1)
            self._ready.append(message)
            self._woken.set()
            if self._asked + len(self._ready) <= self._batch // 2:
                await self._request()
            return
        if status == "100":
            return
        description = headers.get("Description", "")
        unused = headers.get("Nats-Pending-Messages")
        self._asked = max(0, self._asked - int(unused)) if unused else 0
        if status == "503" or (status == "409" and "Deleted" in description):
            self._ended = GONE
        elif status == "400":
            self._ended = f"refused: {description}"
        self._woken.set()
