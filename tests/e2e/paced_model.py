"""An OpenAI-compatible server for hundreds of answers at once, each told word by word."""

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

PROMPT_TOKENS = 100


@dataclass
class PacedModel:
    """What it says depends on the question alone, so every attempt says the same."""

    words: int
    seconds: float
    """Between two words."""
    url: str = ""
    asked: Counter[str] = field(default_factory=Counter)
    """How often, by question."""

    def answer(self, question: str) -> list[str]:
        """The words of the answer to this question."""
        name = question.rsplit(maxsplit=1)[-1].strip("?")
        return ["[1] ", *(f"{name}-{n} " for n in range(self.words)), "end"]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, one answer."""
        with suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            size = int(head.split("content-length:")[1].split("\r\n")[0])
            question = json.loads(await reader.readexactly(size))["messages"][-1]["content"]
            self.asked[question] += 1
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
            )
            words = self.answer(question)
            for word in words:
                await self._tell(writer, {"choices": [{"delta": {"content": word}}]})
                await asyncio.sleep(self.seconds)
            usage = {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": len(words)}
            await self._tell(writer, {"choices": [], "usage": usage})
            writer.write(b"data: [DONE]\n\n")
            await writer.drain()
        writer.close()

    @staticmethod
    async def _tell(writer: asyncio.StreamWriter, chunk: object) -> None:
        writer.write(f"data: {json.dumps(chunk)}\n\n".encode())
        await writer.drain()


@contextmanager
def paced_model(words: int, seconds: float) -> Iterator[PacedModel]:
    """Serves on loopback from a thread with a loop of its own."""
    model = PacedModel(words, seconds)
    loop = asyncio.new_event_loop()
    listening = asyncio.start_server(model.serve, "127.0.0.1", 0, backlog=512)
    server = loop.run_until_complete(listening)
    model.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield model
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
