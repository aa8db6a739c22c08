"""An OpenAI-compatible server for hundreds of answers at once, each told word by word."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.loopback import serving_streams

PROMPT_TOKENS = 100
FIRST_WORDS = 5
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
HELD_SECONDS = 0.2
HELD_AT_MOST = 10.0
"""Seconds before each word: whoever asks waits two minutes for the whole answer."""


@dataclass
class PacedModel:
    """What it says depends on the question alone, so every attempt says the same."""

    words: int
    seconds: float
    """Between two words."""
    url: str = ""
    held: bool = False
    """While it is, answers come hardly any further than their first words."""
    asked: Counter[str] = field(default_factory=Counter)
    """How often, by question."""

    def answer(self, question: str) -> list[str]:
        """The words of the answer to this question."""
        name = question.rsplit(maxsplit=1)[-1].strip("?")
        return ["[1] ", *(f"{name}-{n} " for n in range(self.words)), "end"]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: as providers do, it stays open for the next request."""
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                while True:
                    await self._answer(reader, writer)
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        size = int(head.split("content-length:")[1].split("\r\n")[0])
        question = json.loads(await reader.readexactly(size))["messages"][-1]["content"]
        self.asked[question] += 1
        writer.write(HEAD)
        words = self.answer(question)
        for n, word in enumerate(words):
            until = time.monotonic() + HELD_AT_MOST
            while self.held and n >= FIRST_WORDS and time.monotonic() < until:
                await _send(writer, b": still thinking\n\n")  # who says nothing at all is given up
                await asyncio.sleep(HELD_SECONDS)
            await _tell(writer, {"choices": [{"delta": {"content": word}}]})
            await asyncio.sleep(self.seconds)
        usage = {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": len(words)}
        await _tell(writer, {"choices": [], "usage": usage})
        await _send(writer, b"data: [DONE]\n\n")
        await _send(writer, b"")


async def _tell(writer: asyncio.StreamWriter, chunk: object) -> None:
    await _send(writer, f"data: {json.dumps(chunk)}\n\n".encode())


async def _send(writer: asyncio.StreamWriter, piece: bytes) -> None:
    """A chunk of the body; an empty one ends it (RFC 9112, section 7.1)."""
    writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
    await writer.drain()


@contextmanager
def paced_model(words: int, seconds: float) -> Iterator[PacedModel]:
    """Serves on loopback from a thread with a loop of its own."""
    model = PacedModel(words, seconds)
    with serving_streams(model.serve) as base:
        model.url = f"{base}/v1"
        yield model
