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
            for n, word in enumerate(words):
                until = time.monotonic() + HELD_AT_MOST
                while self.held and n >= FIRST_WORDS and time.monotonic() < until:
                    writer.write(b": still thinking\n\n")  # who says nothing at all is given up
                    await writer.drain()
                    await asyncio.sleep(HELD_SECONDS)
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
    with serving_streams(model.serve) as base:
        model.url = f"{base}/v1"
        yield model
