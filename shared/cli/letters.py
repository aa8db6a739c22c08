"""`minirag dead-letters`: what was given up, and what an operator does about it."""

import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag

from shared.adapters.envelope import Erased
from shared.adapters.event_log import STREAM as LOG, EventLog
from shared.cli.status import operator, operators_metadata
from shared.contracts.gateway_letters import (
    DeadLetterDiscarded,
    DeadLetterReplayed,
    DeadLetterReplayOrdered,
    Settled,
)
from shared.contracts.operations import DeadLetterRecorded, Repeat, Repeated
from shared.kernel.errors import InvalidCommand
from shared.runtime import letters
from shared.runtime.letters import Letter

REPEAT_SECONDS = 120.0
REASON_WIDTH = 60
DECISIONS = "evt.*.dead_letter.*.*"
"""Subjects of what is told of dead letters, in the log."""


@dataclass(slots=True)
class Decided:
    """A dead letter as the log tells of it."""

    tenant_id: str
    letter_id: str
    given_up: datetime
    service: str
    subject: str
    by: str = ""
    """Who gave the last order about it."""
    settled: Settled | None = None
    at: datetime | None = None
    """When it was settled."""


async def show_all(data_dir: Path, *, as_json: bool) -> None:
    """A line for each, the oldest first; with `as_json` an array."""
    async with operator(data_dir) as it:
        found = [letter async for letter in letters.every(it.client)]
    if as_json:
        _say(orjson.dumps([_told(letter) for letter in found]).decode())
        return
    _say("NUMBER  GIVEN UP             FROM    CONSUMER                  REASON")
    for letter in found:
        _say(
            f"{letter.number:6}  {letter.given_up[:19]:19}  {letter.stream:6}  "
            f"{letter.consumer or '-':24}  {letter.reason[:REASON_WIDTH]}"
        )


async def show_settled(data_dir: Path, state: Settled, *, as_json: bool) -> None:
    """Those that people of a tenant have settled so, the first settled first. What an operator
    does about a letter stands in no log, and not here.
    """
    async with operator(data_dir) as it:
        found = [letter async for letter in _settled(it.event_log) if letter.settled == state]
    if as_json:
        _say(orjson.dumps([_decided(letter) for letter in found]).decode())
        return
    _say("SETTLED              BY                                         WHAT")
    for letter in found:
        at = "" if letter.at is None else letter.at.isoformat()[:19]
        _say(f"{at:19}  {letter.by:41}  {letter.service}: {letter.subject}")


async def _settled(event_log: EventLog) -> AsyncGenerator[Decided, None]:
    """Each once it is settled, in the order of the log. Raises `Unavailable`."""
    told: dict[tuple[str, str], Decided] = {}
    async with aclosing(event_log.history(0, [DECISIONS])) as batches:
        async for records in batches:
            for recorded in records:
                event, key = recorded.event, (recorded.tenant_id, recorded.event.aggregate_id)
                if isinstance(event, DeadLetterRecorded):
                    told[key] = Decided(*key, recorded.at, event.service, event.subject)
                if key not in told:
                    continue
                if isinstance(event, DeadLetterReplayOrdered | DeadLetterDiscarded):
                    told[key].by = recorded.metadata.actor
                if isinstance(event, DeadLetterReplayed | DeadLetterDiscarded):
                    settled = told.pop(key)
                    settled.at = recorded.at
                    replayed = isinstance(event, DeadLetterReplayed)
                    settled.settled = "replayed" if replayed else "discarded"
                    yield settled


async def show(data_dir: Path, number: int) -> None:
    """Everything about one of them as JSON; what is personal stays encrypted."""
    async with operator(data_dir) as it:
        letter = await letters.read(it.client, number)
        try:
            data = await it.codec.clear(letter.data, letter.headers.get("ce-tenant", ""))
        except (Erased, InvalidTag):
            data = b""
    body = data.decode(errors="replace")
    whole = {**_told(letter), "headers": dict(letter.headers), "body": body}
    _say(orjson.dumps(whole, option=orjson.OPT_INDENT_2).decode())


async def replay(data_dir: Path, number: int) -> None:
    """Have it done once more, and take the letter away. Raises what it fails by this time."""
    async with operator(data_dir) as it:
        letter = await letters.read(it.client, number)
        if letter.stream == LOG:
            if not letter.consumer:
                raise InvalidCommand("this letter does not tell which reaction gave it up")
            await it.bus.ask(
                Repeat(letter=number),
                Repeated,
                operators_metadata(letter.headers.get("ce-tenant", "")),
                service=letter.service,
                timeout=REPEAT_SECONDS,
            )
            _say(f"{letter.consumer} has done it")
        else:
            await letters.send_again(it.client, letter)
            _say(f"{letter.subject} is in {letter.stream} again")
        await letters.discard(it.client, number)


async def discard(data_dir: Path, number: int) -> None:
    """Take it away for good."""
    async with operator(data_dir) as it:
        await letters.discard(it.client, number)
    _say(f"dead letter {number} is gone")


def _told(letter: Letter) -> dict[str, Any]:
    return {
        "number": letter.number,
        "id": letter.letter_id,
        "given_up": letter.given_up,
        "stream": letter.stream,
        "subject": letter.subject,
        "consumer": letter.consumer or None,
        "tenant": letter.headers.get("ce-tenant"),
        "reason": letter.reason,
    }


def _decided(letter: Decided) -> dict[str, Any]:
    return {
        "id": letter.letter_id,
        "tenant": letter.tenant_id,
        "given_up": letter.given_up,
        "service": letter.service,
        "subject": letter.subject,
        "state": letter.settled,
        "settled_at": letter.at,
        "settled_by": letter.by,
    }


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
