"""Orders and questions from one service to another, and what comes back.

An order is stored before it is answered for; its outcome comes on a subject that follows from the
command's id, so that any replica, or a repeated call, can wait for it.
"""

import asyncio
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import nats.errors
import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.errors import APIError
from pydantic import TypeAdapter

from shared.adapters.envelope import Codec, command_subject, metadata_headers
from shared.contracts.base import Command, Done, Message, Metadata, Outcome, Question, Refusal
from shared.contracts.operations import GetOutcome, MaybeOutcome
from shared.kernel import faults
from shared.kernel.errors import QuotaExceeded, Unavailable, refused
from shared.kernel.faults import FaultPoint
from shared.runtime.neighbours import REFUSED, Neighbours, Reply, Waiting
from shared.telemetry import spans
from shared.telemetry.spans import Kind

OUTCOME: TypeAdapter[Outcome] = TypeAdapter(Outcome)
ORDER_SECONDS = 5.0
ASK_SECONDS = 10.0
LOOK_SECONDS = 1.0
STORAGE_FULL = frozenset({10023, 10047, 10077})

R = TypeVar("R", bound=Message)


def outcome_subject(tenant_id: str, command_id: str) -> str:
    return f"out.{tenant_id}.{command_id}"


def question_subject(service: str, name: str) -> str:
    return f"ask.{service}.{name}"


def own_subject(service: str, name: str) -> str:
    """Where the replica on this very host answers, rather than whichever comes first.

    In a container the host's name is the container's, so a probe reaches the process beside it.
    """
    host = re.sub(r"[^A-Za-z0-9_-]", "_", socket.gethostname())[:64]
    return f"{question_subject(service, name)}.{host}"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as it travels."""

    owner: str
    name: str
    body: bytes

    @classmethod
    def of(cls, question: Question[Any], owner: str | None = None) -> Self:
        """Of the service that it belongs to, or of another that answers it too."""
        return cls(owner or question.service, question.name, question.model_dump_json().encode())

    @property
    def subject(self) -> str:
        return question_subject(self.owner, self.name)


class Bus:
    """How the gateway orders and asks."""

    def __init__(
        self,
        client: Client,
        codec: Codec,
        may_order: Callable[[], None] = lambda: None,
        neighbours: Neighbours | None = None,
    ) -> None:
        """`may_order` raises `Unavailable` while no order can be done; `neighbours` are asked
        without the broker.
        """
        self._client = client
        self._js = client.jetstream(timeout=ORDER_SECONDS)
        self._codec = codec
        self._may_order = may_order
        self._neighbours = neighbours or Neighbours()
        self._waiting = self._neighbours.waiting

    async def start(self) -> None:
        """Listen for outcomes. One subscription serves all orders of this process."""
        await self._client.subscribe("out.*.*", cb=self._on_outcome)

    async def order(
        self, command: Command, metadata: Metadata, owner: str, *, wait: float = ORDER_SECONDS
    ) -> Done | None:
        """Store the command, then wait up to `wait` seconds; None: it is stored, not yet handled.

        Raises the refusal as it was decided, or `Unavailable` if it is not known to be stored:
        the same command with the same id may then be sent again.
        """
        self._may_order()
        with spans.span(f"order {command.aggregate}.{command.verb}", Kind.CLIENT) as span:
            outcome = await self._order(command, metadata, owner, wait)
            if isinstance(outcome, Refusal):
                span.tell("minirag.refusal", outcome.code)
        if isinstance(outcome, Refusal):
            raise refused(outcome.code, outcome.detail, outcome.field)
        return outcome

    async def _order(
        self, command: Command, metadata: Metadata, owner: str, wait: float
    ) -> Outcome | None:
        command_id = metadata.message_id
        future = asyncio.get_running_loop().create_future()
        self._waiting[command_id] = future
        try:
            repeated = await self._store(command, metadata)
            faults.passed(FaultPoint.ORDER_STORED)
            return await self._outcome(future, owner, metadata, wait, look_now=repeated)
        finally:
            self._waiting.pop(command_id, None)

    async def ask(
        self,
        question: Question[R],
        answer: type[R],
        metadata: Metadata,
        *,
        service: str | None = None,
        timeout: float = ASK_SECONDS,  # noqa: ASYNC109  the broker's own deadline
    ) -> R:
        """The owner's answer. Raises its refusal, or `Unavailable` if nobody answers in time."""
        told = await self.told(Asked.of(question, service), metadata, timeout)
        return answer.model_validate_json(told)

    async def told(
        self,
        asked: Asked,
        metadata: Metadata,
        timeout: float = ASK_SECONDS,  # noqa: ASYNC109  the broker's own deadline
    ) -> bytes:
        """The owner's answer as it came. Raises as `ask`."""
        try:
            with spans.span(f"ask {asked.owner}.{asked.name}", Kind.CLIENT):
                reply = await self._reply(asked, metadata, timeout)
        except (nats.errors.Error, TimeoutError) as error:
            raise Unavailable(f"{asked.owner} does not answer") from error
        if reply.refused:
            no = Refusal.model_validate_json(reply.body)
            if no.code == "unavailable":
                raise Unavailable(no.detail)
            raise refused(no.code, no.detail, no.field)
        return reply.body

    def known(self, asked: Asked, tenant_id: str) -> bytes | None:
        """The answer, if a neighbour has it without any work."""
        here = self._neighbours.at(asked.subject) if self._client.is_connected else None
        reply = None if here is None else here.kept(tenant_id, asked.body)
        return None if reply is None or len(reply.body) > self._client.max_payload else reply.body

    async def _reply(self, asked: Asked, metadata: Metadata, seconds: float) -> Reply:
        """Raises what the broker's client raises, for a neighbour's answer too."""
        if (known := self.known(asked, metadata.tenant_id)) is not None:
            return Reply(known)
        subject, body = asked.subject, asked.body
        headers = {**metadata_headers(metadata), "content-type": "application/json"}
        # Without a broker nobody can tell what the log holds by now.
        here = self._neighbours.at(subject) if self._client.is_connected else None
        if here is None:
            message = await self._client.request(subject, body, timeout=seconds, headers=headers)
            return Reply(message.data, refused=REFUSED in (message.headers or {}))
        reply = await here.ask(body, headers, seconds)
        if max(len(body), len(reply.body)) > self._client.max_payload:
            raise nats.errors.MaxPayloadError
        return reply

    async def _store(self, command: Command, metadata: Metadata) -> bool:
        """True if the broker had the command already."""
        headers = {**metadata_headers(metadata), "Nats-Msg-Id": metadata.message_id}
        body = await self._codec.encode(command, metadata.tenant_id)
        subject = command_subject(metadata.tenant_id, command)
        try:
            ack = await self._js.publish(subject, body, headers=headers, stream="CMDS")
        except APIError as error:
            if error.err_code in STORAGE_FULL:
                raise QuotaExceeded("too much work is waiting; try again later") from error
            raise Unavailable(f"the command was not stored: {error.description}") from error
        except (nats.errors.Error, TimeoutError) as error:
            raise Unavailable("it is not known whether the command was stored") from error
        return bool(ack.duplicate)

    async def _outcome(
        self,
        future: asyncio.Future[Outcome],
        owner: str,
        metadata: Metadata,
        wait: float,
        *,
        look_now: bool,
    ) -> Outcome | None:
        """Wait for the outcome to be told; look it up now and then, as telling is not durable."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait
        pause = 0.0 if look_now else LOOK_SECONDS
        while (left := deadline - loop.time()) > 0:
            done, _ = await asyncio.wait([future], timeout=min(pause, left))
            if done:
                return future.result()
            pause = LOOK_SECONDS
            if (known := await self._look(owner, metadata, left)) is not None:
                return known
        return None

    async def _look(self, owner: str, metadata: Metadata, left: float) -> Outcome | None:
        question = GetOutcome(command_id=metadata.message_id)
        try:
            answer = await self.ask(
                question, MaybeOutcome, metadata, service=owner, timeout=max(left, 0.1)
            )
        except Unavailable:
            return None
        return answer.outcome

    async def _on_outcome(self, message: Msg) -> None:
        heard(self._waiting, message.subject.rsplit(".", 1)[1], message.data)


def heard(waiting: Waiting, command_id: str, body: bytes) -> bool:
    """Tell who waits for this outcome; False if nobody does here."""
    future = waiting.get(command_id)
    if future is None or future.done():
        return False
    future.set_result(OUTCOME.validate_json(body))
    return True


def outcome_body(outcome: Outcome) -> bytes:
    return orjson.dumps(outcome.model_dump())
