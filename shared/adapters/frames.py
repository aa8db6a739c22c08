"""Frames of streamed answers: live on core NATS, kept for minutes in the stream `TOK`."""

import asyncio
from collections.abc import AsyncGenerator

import nats.errors
import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.errors import NotFoundError

from shared.contracts.chat_frames import Frame
from shared.kernel.errors import Unavailable

STREAM = "TOK"
PAGE = 1000
READ_SECONDS = 5.0
LOOK_EVERY = 15
"""Silences after the first one, before what is kept is looked at again: with ten thousand readers
a look at every silence of each would be all that the broker does.
"""


def frame_subject(tenant_id: str, turn_id: str) -> str:
    return f"tok.{tenant_id}.{turn_id}"


class FrameChannel:
    """Writes and follows the frames of turns."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def publish(self, tenant_id: str, turn_id: str, frame: Frame) -> None:
        """Tell whoever follows. Not durable: the answer's truth is its event in the log."""
        body = orjson.dumps(frame.model_dump(mode="json"))
        await self._client.publish(frame_subject(tenant_id, turn_id), body)

    async def forget(self, tenant_id: str, turn_id: str) -> None:
        """Drop the frames that are still kept. Raises `Unavailable`."""
        try:
            await self._client.jetstream().purge_stream(
                STREAM, subject=frame_subject(tenant_id, turn_id)
            )
        except NotFoundError:
            return  # lost with a broker, and not back yet
        except (nats.errors.Error, TimeoutError) as error:
            raise Unavailable("kept frames cannot be dropped") from error

    async def stored(self, tenant_id: str, turn_id: str, after: int = 0) -> list[Frame]:
        """Frames that are still kept, in order, behind number `after`.

        One batched direct get (NATS ADR-31), pages of a thousand. Raises `Unavailable`.
        """
        if not after and not await self._any(frame_subject(tenant_id, turn_id)):
            return []
        frames: list[Frame] = []
        sequence = 1
        while True:
            page, sequence = await self._page(frame_subject(tenant_id, turn_id), sequence)
            frames += [frame for frame in page if frame.i > after]
            if len(page) < PAGE:
                return sorted({frame.i: frame for frame in frames}.values(), key=lambda f: f.i)

    async def ends(self, tenant_id: str, turn_id: str, number: int) -> bool:
        """Whether this frame is the terminal one, as far as it is still kept."""
        frames = await self.stored(tenant_id, turn_id, number - 1)
        return any(frame.i == number and frame.terminal for frame in frames)

    async def follow(
        self, tenant_id: str, turn_id: str, after: int, idle: float, *, begun: bool = False
    ) -> AsyncGenerator[Frame | None, None]:
        """Frames behind `after`, first those kept, then live ones; ends with the terminal one.

        In order and without repetition; a gap, as a reconnect can leave, is filled from what is
        kept. Yields None whenever nothing came for `idle` seconds. What was told before is looked
        for if the turn has `begun`, and at the first silence: it may have been told just before.
        """
        arrived: asyncio.Queue[Frame] = asyncio.Queue()

        async def on_frame(message: Msg) -> None:
            arrived.put_nowait(Frame.model_validate_json(message.data))

        subscription = await self._client.subscribe(frame_subject(tenant_id, turn_id), cb=on_frame)
        try:
            pending = await self._kept(tenant_id, turn_id, after) if begun or after else []
            silences, losses = 0, self.losses()
            while True:
                for frame in pending:
                    if frame.i <= after:
                        continue
                    after = frame.i
                    yield frame
                    if frame.terminal:
                        return
                try:
                    async with asyncio.timeout(idle):
                        frame = await arrived.get()
                except TimeoutError:
                    lost = losses != self.losses()
                    look = lost or silences % LOOK_EVERY == 0
                    silences, losses = silences + 1, self.losses()
                    pending = await self._kept(tenant_id, turn_id, after) if look else []
                    if not pending:
                        yield None
                    continue
                silences = 0
                gap = frame.i > after + 1
                pending = [*await self._kept(tenant_id, turn_id, after), frame] if gap else [frame]
        finally:
            if not self._client.is_closed:
                await subscription.unsubscribe()

    def losses(self) -> int:
        """How often, so far, frames may have been lost that are not kept either: with the broker,
        which keeps them in memory.
        """
        return int(self._client.stats["reconnects"])

    async def _kept(self, tenant_id: str, turn_id: str, after: int) -> list[Frame]:
        """As `stored`; nothing while a broker that came back has not got its stream again."""
        try:
            return await self.stored(tenant_id, turn_id, after)
        except Unavailable:
            return []

    async def _any(self, subject: str) -> bool:
        """Whether a frame is kept. Of a turn that begins there is none, and a page costs more."""
        request = orjson.dumps({"last_by_subj": subject})
        try:
            found = await self._client.request(
                f"$JS.API.DIRECT.GET.{STREAM}", request, timeout=READ_SECONDS
            )
        except (nats.errors.Error, TimeoutError) as error:
            raise Unavailable("kept frames cannot be read") from error
        return "Status" not in (found.headers or {})

    async def _page(self, subject: str, sequence: int) -> tuple[list[Frame], int]:
        inbox = self._client.new_inbox()
        subscription = await self._client.subscribe(inbox)
        request = {"seq": sequence, "next_by_subj": subject, "batch": PAGE}
        frames: list[Frame] = []
        try:
            await self._client.publish(
                f"$JS.API.DIRECT.GET.{STREAM}", orjson.dumps(request), reply=inbox
            )
            while True:
                message = await subscription.next_msg(timeout=READ_SECONDS)
                headers = message.headers or {}
                if "Status" in headers:
                    return frames, sequence
                sequence = int(headers["Nats-Sequence"]) + 1
                frames.append(Frame.model_validate_json(message.data))
        except (nats.errors.Error, TimeoutError) as error:
            raise Unavailable("kept frames cannot be read") from error
        finally:
            if not self._client.is_closed:
                await subscription.unsubscribe()
