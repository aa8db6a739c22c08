"""`minirag erase`: what is to be gone for good, by the operator's order."""

import asyncio
import sys
from collections import defaultdict
from contextlib import aclosing
from pathlib import Path

from shared.adapters.envelope import tenant_subjects
from shared.cli.status import Operator, operator, operators_metadata
from shared.cli.tenants import tenant_of
from shared.contracts.base import Metadata
from shared.contracts.chat import ChatErased, QuestionAsked
from shared.contracts.chat_history import ChatCount, CountChatsOfVisitor
from shared.contracts.gateway import UserCreated, UserErased
from shared.contracts.gateway_erasure import (
    ErasureKind,
    ErasureMessage,
    ErasureView,
    GetErasure,
    RequestErasure,
)
from shared.kernel.errors import NotFound, Unavailable
from shared.kernel.ids import new_id

LOOK_SECONDS = 0.2
WAIT_SECONDS = 3600.0


async def erase(
    data_dir: Path, slug: str, kind: ErasureKind, subject_id: str | None, *, yes: bool
) -> None:
    """Tell what would go; with `yes` have it erased, and wait until nothing is left.

    Raises `NotFound` if it is not there, `Unavailable` if it takes too long: it goes on then. A
    tenant needs no id but its slug.
    """
    async with operator(data_dir) as it:
        tenant_id = await tenant_of(it.event_log, slug)
        metadata = operators_metadata(tenant_id)
        erasure_id = tenant_id if kind == "tenant" else new_id()
        if await it.vault.tenant_key(tenant_id) is None:
            if kind != "tenant":
                raise NotFound(f"tenant {slug} was erased")
        else:
            subject = subject_id or tenant_id
            for line in await _found(it, metadata, kind, subject):
                sys.stdout.write(f"{line}\n")
            if not yes:
                sys.stdout.write("nothing was erased: say --yes to have it erased\n")
                return
            command = RequestErasure(erasure_id=erasure_id, kind=kind, subject_id=subject)
            await it.bus.order(command, metadata, "gateway")
        done = await _completed(it, erasure_id, metadata)
    counts = ", ".join(f"{n} {what}" for what, n in sorted(done.counts.items()))
    sys.stdout.write(f"erased: {counts} (receipt: erasure {erasure_id})\n")


async def _found(it: Operator, metadata: Metadata, kind: ErasureKind, subject_id: str) -> list[str]:
    """What there is to be erased, in lines. Raises `NotFound`."""
    match kind:
        case "tenant":
            return await _of_tenant(it, subject_id)
        case "visitor":
            question = CountChatsOfVisitor(visitor_id=subject_id)
            found = (await it.bus.ask(question, ChatCount, metadata)).chats
            if not found:
                raise NotFound("Visitor not found")
            return [f"{found} chats of visitor {subject_id}"]
        case "user":
            return await _of_user(it, metadata.tenant_id, subject_id)
        case _:
            told = await it.event_log.tail(metadata.tenant_id, QuestionAsked.aggregate, subject_id)
            if not told or any(isinstance(one.event, ChatErased) for one in told):
                raise NotFound("Chat not found")
            questions = sum(isinstance(one.event, QuestionAsked) for one in told)
            return [f"chat {subject_id} with {questions} questions"]


async def _of_user(it: Operator, tenant_id: str, user_id: str) -> list[str]:
    told = await it.event_log.tail(tenant_id, UserCreated.aggregate, tenant_id)
    mine = [one.event for one in told if getattr(one.event, "user_id", None) == user_id]
    created = next((event for event in mine if isinstance(event, UserCreated)), None)
    if created is None or any(isinstance(event, UserErased) for event in mine):
        raise NotFound("User not found")
    return [f"user {user_id}, {created.email}"]


async def _of_tenant(it: Operator, tenant_id: str) -> list[str]:
    """How many things of each kind there are, those that were deleted included."""
    ids: dict[str, set[str]] = defaultdict(set)
    events = blobs = 0
    async with aclosing(it.event_log.history(0, [tenant_subjects(tenant_id)])) as batches:
        async for records in batches:
            events += len(records)
            for record in records:
                ids[record.event.aggregate].add(record.event.aggregate_id)
    async with aclosing(it.blobs.refs(tenant_id)) as refs:
        async for _ in refs:
            blobs += 1
    ids.pop(ErasureMessage.aggregate, None)
    of_each = [f"{len(found):,} {aggregate}" for aggregate, found in sorted(ids.items())]
    return [f"{events:,} events", f"{blobs:,} blobs", *of_each]


async def _completed(it: Operator, erasure_id: str, metadata: Metadata) -> ErasureView:
    """What it came to at its end. Raises `Unavailable` if that takes too long."""
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                found = await _look(it, erasure_id, metadata)
                if found is not None and found.status == "completed":
                    return found
                await asyncio.sleep(LOOK_SECONDS)
    except TimeoutError as error:
        raise Unavailable(f"erasure {erasure_id} is not done yet, and goes on") from error


async def _look(it: Operator, erasure_id: str, metadata: Metadata) -> ErasureView | None:
    """None while it is not known, or nobody answers: a service may just start again."""
    try:
        return await it.bus.ask(GetErasure(erasure_id=erasure_id), ErasureView, metadata)
    except (NotFound, Unavailable):
        return None
