"""Reads dead letters, and sends what is in them once more."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

import nats.errors
from nats.aio.client import Client
from nats.js import api
from nats.js.errors import NotFoundError

from shared.adapters.event_log import STREAM as LOG
from shared.kernel.errors import NotFound, Unavailable
from shared.kernel.ids import derived_id, subject_token

STREAM: Final = "DLQ"
OF_LETTERS: Final = frozenset({"reason", "id", "consumer", "sequence"})
"""Headers that the letter has, and the message in it had not."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message that was given up, and why."""

    number: int
    """Its place among the dead letters."""
    letter_id: str
    stream: str
    """Where the message came from."""
    subject: str
    consumer: str
    """Who gave it up; empty if that was not noted."""
    sequence: int
    reason: str
    headers: Mapping[str, str]
    """Of the message."""
    data: bytes
    given_up: str
    """When, in ISO 8601."""

    @property
    def service(self) -> str:
        return self.consumer.split("-", 1)[0]


async def every(client: Client, subjects: str = "dlq.>") -> AsyncGenerator[Letter, None]:
    """All dead letters under `subjects`, the oldest first. Raises `Unavailable`."""
    number = 0
    while True:
        try:
            found = await _get(client, number + 1, subjects)
        except NotFound:
            return
        yield found
        number = found.number


async def of_tenant(client: Client, tenant_id: str) -> AsyncGenerator[Letter, None]:
    """Those of one tenant, the oldest first. Raises `Unavailable`."""
    # Behind `dlq.<stream>` stands the message's own subject, whose second part is its tenant.
    async for letter in every(client, f"dlq.*.*.{subject_token(tenant_id)}.>"):
        yield letter


async def find(client: Client, stream: str, subject: str, letter_id: str) -> Letter | None:
    """The letter of a message that came from there; None once it is gone. Raises `Unavailable`."""
    async with aclosing(every(client, f"dlq.{stream}.{subject}")) as found:
        async for letter in found:
            if letter.letter_id == letter_id:
                return letter
    return None


async def read(client: Client, number: int) -> Letter:
    """One of them. Raises `NotFound`, `Unavailable`."""
    return await _get(client, number)


async def discard(client: Client, number: int) -> None:
    """Take a letter away; its content is overwritten. Raises `NotFound`, `Unavailable`."""
    await read(client, number)
    try:
        await client.jetstream().delete_msg(STREAM, number)
    except (nats.errors.Error, TimeoutError) as error:
        raise Unavailable("the dead letter was not removed") from error


async def send_again(client: Client, letter: Letter) -> None:
    """Put a command, a job or a tick back where it came from, as a message of its own.

    Under a new id: what the old one came to, which is that it was given up, stays known. The same
    letter sent twice is one message. Raises `Unavailable`.
    """
    if letter.stream == LOG:
        raise ValueError("an event stands in the log already; its reaction is to be repeated")
    again = derived_id("dead letter again", letter.letter_id)
    headers = {**letter.headers, "cmd-id": again, "Nats-Msg-Id": again}
    try:
        await client.jetstream().publish(
            letter.subject, letter.data, headers=headers, stream=letter.stream
        )
    except (nats.errors.Error, TimeoutError) as error:
        raise Unavailable("the message was not sent again") from error


async def _get(client: Client, number: int, subjects: str | None = None) -> Letter:
    """The one with this number; with `subjects`, the first of those from there on."""
    js = client.jetstream()
    try:
        if subjects is not None:
            found = await js.get_msg(STREAM, number, subject=subjects, next=True)
        else:
            found = await js.get_msg(STREAM, number)
    except NotFoundError:
        raise NotFound(f"there is no dead letter {number}") from None
    except (nats.errors.Error, TimeoutError) as error:
        raise Unavailable("the dead letters cannot be read") from error
    return _letter(found)


def _letter(found: api.RawStreamMsg) -> Letter:
    headers = found.headers or {}
    _, stream, subject = (found.subject or "").split(".", 2)
    return Letter(
        number=found.seq or 0,
        letter_id=headers.get("id", ""),
        stream=stream,
        subject=subject,
        consumer=headers.get("consumer", ""),
        sequence=int(headers.get("sequence", "0")),
        reason=headers.get("reason", ""),
        headers={
            name: value
            for name, value in headers.items()
            if name not in OF_LETTERS and not name.startswith("Nats-")
        },
        data=found.data or b"",
        given_up=found.time.isoformat() if found.time else "",
    )
