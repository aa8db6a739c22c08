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
    """Messages of one consumer, in order. Not safe for two readers at once.

    With `hold`, a message that was handed out counts until `release`: no more than `batch` are
    ever away from the broker, so none waits here while another replica could work on it.
    """

    def __init__(
        self,
        client: Client,
        stream: str,
        consumer: str,
        *,
        batch: int,
        expires: float = 30,
        heartbeat: float = 5,
        hold: bool = False,
    ) -> None:
        self._client = client
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._batch = batch
        self._expires = expires
        self._heartbeat = heartbeat
        self._hold = hold
        self._held = 0
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
        subscription, self._subscription = self._subscription, None
        if subscription is not None and not self._client.is_closed:
            await subscription.unsubscribe()

    async def give_back(self) -> None:
        """Take no more, and have what was not handed out delivered to others at once.

        Waits for what is on its way. If the broker is away, or goes away, which raises
        `nats.errors.Error` or `TimeoutError`, it is delivered again when its time is over.
        """
        subscription, self._subscription = self._subscription, None
        if subscription is None or not self._client.is_connected:
            return
        await subscription.drain()
        while self._ready:
            await self._ready.popleft().nak()

    async def get(self, most: int | None = None) -> list[Msg]:
        """Wait for at least one message and return what is there, at most `most`.

        Raises `PullEnded` when the consumer has to be made again.
        """
        await self.some()
        count = len(self._ready) if most is None else min(most, len(self._ready))
        if self._hold:
            self._held += count
        return [self._ready.popleft() for _ in range(count)]

    async def some(self) -> None:
        """Wait until a message is there. Raises as `get`."""
        loop = asyncio.get_running_loop()
        while not self._ready or ending():
            if ending():
                raise asyncio.CancelledError
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

    async def release(self) -> None:
        """One message that was handed out is done with, whatever became of it."""
        self._held -= 1
        await self._request_more()

    async def _request_more(self) -> None:
        """In halves of a batch, but never none: what is held may be held for long."""
        there = self._asked + len(self._ready) + self._held
        if self._asked == 0 or there <= self._batch // 2:
            await self._request()

    async def _request(self) -> None:
        need = self._batch - self._asked - len(self._ready) - self._held
        if need <= 0 or self._subscription is None:
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
            if self._asked <= self._batch // 2:
                await self._request_more()
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


def ending() -> bool:
    """Whether the running task was told to end and has not heard it.

    `asyncio.wait_for` of Python 3.11, by which nats-py waits for replies, loses a cancellation
    that comes together with the reply (fixed in 3.12).
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
