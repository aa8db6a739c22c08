"""What a service answers: over the broker, and directly to whoever is in the same process."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from faststream import AckPolicy
from faststream.nats import NatsBroker, NatsMessage, NatsResponse

from shared.adapters.envelope import read_metadata
from shared.adapters.memo import Memo
from shared.contracts.base import Message, Metadata, Question, Refusal
from shared.kernel.errors import MiniRagError, Refused
from shared.runtime.leaving import ASKED_SECONDS, answered
from shared.runtime.neighbours import AT_ONCE, REFUSED, Kept, Neighbours, Reply, Respond
from shared.telemetry import spans
from shared.telemetry.spans import Kind

log = logging.getLogger(__name__)

Q = TypeVar("Q", bound=Question[Any])
Answer = Callable[[Q, Metadata], Awaitable[Message | bytes]]
"""Bytes: the answer as JSON already."""


class Questions:
    """The questions of one service."""

    def __init__(self, service: str, broker: NatsBroker, neighbours: Neighbours) -> None:
        self._service = service
        self._broker = broker
        self._neighbours = neighbours
        self._here: dict[str, Respond] = {}
        self._kept: dict[str, Kept] = {}

    def add(
        self,
        subject: str,
        queue: str,
        question: type[Q],
        answer: Answer[Q],
        memo: Memo | None = None,
    ) -> None:
        """`queue` is the group of replicas of which one answers; empty: this one does. Answers
        that follow from the tenant, the question and the rows of `memo` alone are kept there.
        """
        respond = responding(self._service, question, answer, memo)
        if queue:
            self._here[subject] = respond
        if memo is not None:
            self._kept[subject] = partial(_known, memo, question.name)

        async def on_question(body: Any) -> NatsResponse:
            # Not as a parameter: the framework would look it up in a thread for each question.
            message: NatsMessage = self._broker.context.get_local("message")
            reply = await respond(body, message.headers)
            return NatsResponse(reply.body, headers={REFUSED: "1"} if reply.refused else None)

        on_question.__annotations__["body"] = question
        self._broker.subscriber(
            subject,
            queue=queue,
            max_workers=AT_ONCE,
            ack_policy=AckPolicy.MANUAL,
            decoder=_as_it_came,
            title=f"ask.{self._service}.{question.name}",
            description=question.__doc__,
            include_in_schema=bool(queue),
        )(on_question)

    def open(self, tasks: asyncio.TaskGroup) -> None:
        """Answer those in the same process directly from now on, as work in `tasks`."""
        self._neighbours.open(self._here, tasks, self._kept)

    async def close(self) -> None:
        """Have no more questions sent here, and answer those that were."""
        try:
            async with asyncio.timeout(ASKED_SECONDS):
                await self._neighbours.close(self._here)
        except TimeoutError:
            log.warning("questions of this process may be unanswered")
        await answered(self._broker)


def _known(memo: Memo, name: str, tenant_id: str, body: bytes) -> Reply | None:
    found: Reply | None = memo.kept(tenant_id, (name, body))
    return found


def responding(
    service: str, question: type[Q], answer: Answer[Q], memo: Memo | None = None
) -> Respond:
    """From the bytes of a question to those of its answer."""
    name = f"answer {service}.{question.name}"

    async def load(body: bytes, metadata: Metadata) -> Reply:
        found = await answer(question.model_validate_json(body), metadata)
        if isinstance(found, bytes):
            return Reply(found)
        return Reply(found.model_dump_json().encode())  # JSON at one go

    async def respond(body: bytes, headers: Mapping[str, str]) -> Reply:
        try:
            metadata = read_metadata(headers)
            with spans.span(name, Kind.SERVER, parent=metadata.traceparent):
                if memo is None:
                    return await load(body, metadata)
                anew = partial(load, body, metadata)
                return await memo.of(metadata.tenant_id, (question.name, body), anew)
        except MiniRagError as error:
            return _refused(_refusal(error))
        except Exception:
            log.exception("question failed", extra={"question": question.name})
            return _refused(Refusal(code="unavailable", detail=f"{service} could not answer"))

    return respond


async def _as_it_came(message: NatsMessage) -> bytes:
    return message.body


def _refused(refusal: Refusal) -> Reply:
    return Reply(refusal.model_dump_json().encode(), refused=True)


def _refusal(error: MiniRagError) -> Refusal:
    if isinstance(error, Refused):
        return Refusal(code=error.code, detail=error.detail, field=error.field)
    return Refusal(code="unavailable", detail=str(error))
