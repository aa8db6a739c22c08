"""A language model that misbehaves in every way that servers do, by the number of the question."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.loopback import serving_streams

MOODS = (
    "well",
    "busy once",
    "down once",
    "cut",
    "malformed",
    "uncounted",
    "speechless",
    "another language",
    "failing",
)
WORDS = ("It ", "lasts ", "many ", "years ", "[1].")
CUT_AT = 2
ASKED = re.compile(r"How long .* on part (\d+) of a bicycle last\?")
"""In what is said last, which may hold passages besides."""
HEAD = "HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\n{more}Connection: close\r\n\r\n"
STREAM = "text/event-stream"


@dataclass
class MoodyModel:
    """Speaks OpenAI's protocol, as far as its mood lets it."""

    url: str = ""
    asked: Counter[str] = field(default_factory=Counter)
    """How often, by question."""
    ledger: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Tokens of prompt and answer that it told last, by question."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, one answer."""
        with suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            size = int(head.split("content-length:")[1].split("\r\n")[0])
            said = json.loads(await reader.readexactly(size))["messages"][-1]["content"]
            found = ASKED.search(said)
            assert found is not None, said
            self.asked[found[0]] += 1
            await self._answer(found[0], int(found[1]), writer)
        writer.close()

    async def _answer(self, question: str, number: int, writer: asyncio.StreamWriter) -> None:
        first = self.asked[question] == 1
        match mood_of(number):
            case "busy once" if first:
                await _say(writer, "429 Busy", "application/json", "{}", "Retry-After: 1\r\n")
            case "down once" if first:
                await _say(writer, "503 Down", "text/html", "<h1>Down</h1>")
            case "failing":
                await _say(writer, "500 Oh", "application/json", '{"error": "no"}')
            case "another language":
                await _say(writer, "200 OK", "text/html", "<h1>Welcome</h1>")
            case "speechless":
                await _say(writer, "200 OK", STREAM, "data: [DONE]\n\n")
            case "malformed":
                await _say(writer, "200 OK", STREAM, f'{_word("It ")}data: {{"choices": [\n\n')
            case "cut":
                await _say(writer, "200 OK", STREAM, "".join(map(_word, WORDS[:CUT_AT])))
            case "uncounted":
                body = "".join(map(_word, WORDS))
                await _say(writer, "200 OK", STREAM, f"{body}data: [DONE]\n\n")
            case _:
                self.ledger[question] = (100 + number, len(WORDS))
                prompt, answer = self.ledger[question]
                usage = {"prompt_tokens": prompt, "completion_tokens": answer}
                end = f"data: {json.dumps({'choices': [], 'usage': usage})}\n\ndata: [DONE]\n\n"
                await _say(writer, "200 OK", STREAM, "".join(map(_word, WORDS)) + end)


def mood_of(number: int) -> str:
    """How the model is when it is asked this question."""
    return MOODS[number % len(MOODS)]


def _word(word: str) -> str:
    return f"data: {json.dumps({'choices': [{'delta': {'content': word}}]})}\n\n"


async def _say(
    writer: asyncio.StreamWriter, status: str, media_type: str, body: str, more: str = ""
) -> None:
    head = HEAD.format(status=status, media_type=media_type, more=more)
    writer.write(f"{head}{body}".encode())
    await writer.drain()


@contextmanager
def moody_model() -> Iterator[MoodyModel]:
    """Serves on loopback from a thread with a loop of its own."""
    model = MoodyModel()
    with serving_streams(model.serve) as base:
        model.url = f"{base}/v1"
        yield model
