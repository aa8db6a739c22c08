"""A client that reads a streamed answer to its end, as the guide has it."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.e2e.diary import Diary

END = ("done", "error")
SECONDS = 300.0
"""Whoever is killed under a stream is back by then, also on a busy machine."""
PAUSE_SECONDS, LONGEST_PAUSE = 0.1, 10.0


def number() -> str:
    """What makes a question another one and counts for nothing in its retrieval.

    Letters among the digits would make a word that no source has: one question in a hundred is
    then too far from its answer, and is refused.
    """
    return str(secrets.randbelow(10**12))


class Later(httpx.HTTPError):
    """The question is not asked yet: the same request is to come again."""


@dataclass
class Reader:
    """One client with one question. It is cut after each of `cuts` frames, and asks elsewhere."""

    question: str
    bot: str
    gateways: Sequence[httpx.AsyncClient]
    cuts: list[int]
    turn: str = ""
    chat: str = ""
    text: str = ""
    last: int = 0
    deltas: int = 0
    ends: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    connections: int = 0
    trouble: str = ""
    later: int = 0
    """How often it was told that its question is not asked yet."""
    put_off: int = 0
    """How often it was told to come again, as something was away."""
    refused: list[str] = field(default_factory=list)
    """What went wrong while it could not go on elsewhere, for it knew of no turn."""
    diary: Diary = field(default_factory=Diary)

    async def read(self) -> None:
        """To the end, over as many connections as it takes."""
        loop = asyncio.get_running_loop()
        patience = loop.time() + SECONDS
        while not self.ends:
            http = self.gateways[self.connections % len(self.gateways)]
            self.connections += 1
            assert loop.time() < patience, self
            try:
                await self._read(http)
            except httpx.HTTPError as error:
                self.trouble = repr(error)
                self.diary.note(f"{self.question} {self.turn or 'no turn yet'}: {self.trouble}")
                if not self.turn and not isinstance(error, Later):
                    self.refused.append(f"POST /v1/chat, {self.question}: {self.trouble}")
                await asyncio.sleep(self._pause(error))

    def _pause(self, error: httpx.HTTPError) -> float:
        """A gateway that is gone will be back in a moment. Whoever is told to come again waits for
        longer each time: hundreds who do not would keep a busy machine from what they wait for.
        """
        if not isinstance(error, Later):
            return PAUSE_SECONDS
        self.later += 1
        return min(PAUSE_SECONDS * (1 << min(self.later, 10)), LONGEST_PAUSE)

    async def _read(self, http: httpx.AsyncClient) -> None:
        body = {"bot_profile_id": self.bot, "message": self.question, "stream": True}
        if self.turn:
            headers = {"Last-Event-ID": str(self.last)}
            request = http.stream("GET", f"/v1/chat/turns/{self.turn}/stream", headers=headers)
        else:
            # The same key: a question whose answer was lost on the way is asked but once.
            headers = {"Idempotency-Key": f"k-{self.question}"}
            request = http.stream("POST", "/v1/chat", json=body, headers=headers)
        cut = self.cuts.pop() if self.cuts else 1_000_000
        async with request as answer:
            if answer.status_code in {httpx.codes.ACCEPTED, httpx.codes.SERVICE_UNAVAILABLE}:
                self.put_off += answer.status_code == httpx.codes.SERVICE_UNAVAILABLE
                raise Later(str(answer.status_code))
            if answer.status_code != 200:
                raise httpx.HTTPError(f"{answer.status_code} {await answer.aread()!r}")
            seen = 0
            async for name, number, data in frames(answer):
                if name == "heartbeat":
                    continue
                self._take(name, number, data)
                seen += 1
                if self.turn and seen >= cut:
                    return

    def _take(self, name: str, number: int, data: dict[str, Any]) -> None:
        if name == "turn":
            self.turn, self.chat = data["turn_id"], data["chat_id"]
            return
        assert number > self.last, f"{self.turn}: frame {number} after {self.last}"
        self.last = number
        if name == "reset":
            self.text = ""
        if name == "delta":
            self.text += data["content"]
            self.deltas += 1
        if name in END:
            self.ends.append((name, data))


async def frames(answer: httpx.Response) -> AsyncIterator[tuple[str, int, dict[str, Any]]]:
    name, number = "", 0
    async for line in answer.aiter_lines():
        label, _, value = line.partition(": ")
        match label:
            case "event":
                name = value
            case "id":
                number = int(value)
            case "data":
                yield name, number, json.loads(value)
                name, number = "", 0
            case _:
                pass  # the empty line behind a frame
