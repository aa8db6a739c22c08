"""Facts about bots, sources and chats → counts."""

from typing import Any

from sqlalchemy import Table, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.analytics.domain.days import day_of, slot_of
from services.analytics.domain.waits import bucket_of
from services.analytics.tables import (
    answer_sources,
    answers,
    cited,
    feedback,
    feedback_slots,
    names,
    open_questions,
    totals,
    unanswered,
    usage,
    usage_slots,
    waits,
)
from shared.contracts.base import Event, Recorded
from shared.contracts.chat import (
    BotProfileCreated,
    BotProfileUpdated,
    ChatErased,
    FeedbackCleared,
    FeedbackGiven,
    QuestionAnswered,
    QuestionAsked,
    QuestionRefused,
    TurnFailed,
)
from shared.contracts.ingest import SourceCreated, SourceUpdated


class Rollups:
    """Everything that is counted."""

    async def apply(self, db: AsyncConnection, recorded: Recorded[Event]) -> None:
        event, tenant_id = recorded.event, recorded.tenant_id
        match event:
            case BotProfileCreated(settings=settings):
                await _add(db, totals, {"tenant_id": tenant_id}, bot_profiles=1)
                await _name(db, recorded, "bot", settings.name)
            case BotProfileUpdated(settings=settings):
                await _name(db, recorded, "bot", settings.name)
            case SourceCreated(settings=source):
                await _add(db, totals, {"tenant_id": tenant_id}, sources=1)
                await _name(db, recorded, "source", source.name)
            case SourceUpdated(settings=source):
                await _name(db, recorded, "source", source.name)
            case QuestionAsked(first=first):
                if first:
                    await _add(db, totals, {"tenant_id": tenant_id}, chats=1)
                await _asked(db, recorded, event)
            case QuestionAnswered():
                await _answered(db, recorded, event)
                await _ended(db, tenant_id, event.turn_id)
            case QuestionRefused():
                await _answered(db, recorded, event)
                await _refused(db, recorded, event)
                await _ended(db, tenant_id, event.turn_id)
            case TurnFailed():
                await _ended(db, tenant_id, event.turn_id)
            case ChatErased():
                await _erased(db, tenant_id, event)
            case FeedbackGiven(feedback=given, previous=previous):
                await _judged(db, recorded, event.message_id, event.bot_profile_id, given, previous)
            case FeedbackCleared(previous=previous):
                await _judged(db, recorded, event.message_id, event.bot_profile_id, None, previous)
            case _:
                pass


async def _add(db: AsyncConnection, table: Table, key: dict[str, Any], **by: int) -> None:
    """Add to the counts of one row, which begins with nothing."""
    counts = [c.name for c in table.columns if not c.primary_key]
    statement = insert(table).values({**key, **{name: by.get(name, 0) for name in counts}})
    await db.execute(
        statement.on_conflict_do_update(
            index_elements=[c.name for c in table.primary_key.columns],
            set_={name: table.c[name] + statement.excluded[name] for name in by},
        )
    )


async def _keep(db: AsyncConnection, table: Table, row: dict[str, Any]) -> None:
    """Insert a row that may be there: the checkpoint tells, after the rows, if this was a
    repetition.
    """
    await db.execute(insert(table).values(row).on_conflict_do_nothing())


async def _name(db: AsyncConnection, recorded: Recorded[Event], kind: str, name: str) -> None:
    row = {
        "tenant_id": recorded.tenant_id,
        "kind": kind,
        "id": recorded.event.aggregate_id,
        "name": name,
    }
    await db.execute(
        insert(names)
        .values(row)
        .on_conflict_do_update(index_elements=["tenant_id", "kind", "id"], set_={"name": name})
    )


async def _asked(db: AsyncConnection, recorded: Recorded[Event], event: QuestionAsked) -> None:
    row = {
        "tenant_id": recorded.tenant_id,
        "turn_id": event.turn_id,
        "question": event.question,
        "asked_at": recorded.at,
    }
    await _keep(db, open_questions, row)


async def _erased(db: AsyncConnection, tenant_id: str, event: ChatErased) -> None:
    """What was asked goes; that something was asked stays counted."""
    for table, which in (
        (open_questions, open_questions.c.turn_id.in_(event.open_turns)),
        (unanswered, unanswered.c.chat_id == event.chat_id),
    ):
        await db.execute(delete(table).where(table.c.tenant_id == tenant_id, which))


async def _answered(
    db: AsyncConnection, recorded: Recorded[Event], event: QuestionAnswered | QuestionRefused
) -> None:
    slot = slot_of(recorded.at)
    message = {"tenant_id": recorded.tenant_id, "message_id": event.message_id}
    bot = {"tenant_id": recorded.tenant_id, "bot_profile_id": event.bot_profile_id}
    of_day, of_slot = {**bot, "day": day_of(slot)}, {**bot, "slot": slot}
    await _keep(db, answers, {**message, "slot": slot})
    await _add(db, feedback, of_day, answers=1)
    await _add(db, feedback_slots, of_slot, answers=1)
    used = event.usage
    # A refusal without a model's words is no request to one.
    if isinstance(event, QuestionAnswered) or used.total_tokens:
        for table, key in ((usage, of_day), (usage_slots, of_slot)):
            await _add(
                db,
                table,
                {**key, "model": used.model},
                prompt_tokens=used.prompt_tokens,
                completion_tokens=used.completion_tokens,
                request_count=1,
            )
    stages = {
        "retrieval": event.timings.retrieval_ms,
        "first_token": event.timings.first_token_ms,
        "total": event.timings.total_ms,
    }
    for stage, wait in stages.items():
        if wait:
            await _add(db, waits, {**of_day, "stage": stage, "bucket": bucket_of(wait)}, count=1)
    if isinstance(event, QuestionAnswered):
        for source_id in sorted({citation.source_id for citation in event.citations}):
            await _keep(db, answer_sources, {**message, "source_id": source_id})
            key = {"tenant_id": recorded.tenant_id, "source_id": source_id}
            await _add(db, cited, key, answers=1)


async def _refused(db: AsyncConnection, recorded: Recorded[Event], event: QuestionRefused) -> None:
    """The question lies beside the refusal from now on."""
    asked = select(open_questions).where(
        open_questions.c.tenant_id == recorded.tenant_id,
        open_questions.c.turn_id == event.turn_id,
    )
    found = (await db.execute(asked)).one_or_none()
    row = {
        "tenant_id": recorded.tenant_id,
        "id": event.message_id,
        "position": recorded.sequence,
        "turn_id": event.turn_id,
        "chat_id": event.chat_id,
        "bot_profile_id": event.bot_profile_id,
        "question": found.question if found else "",
        "reason": event.reason,
        "best_score": event.best_score,
        "asked_at": found.asked_at if found else recorded.at,
    }
    await _keep(db, unanswered, row)


async def _ended(db: AsyncConnection, tenant_id: str, turn_id: str) -> None:
    await db.execute(
        delete(open_questions).where(
            open_questions.c.tenant_id == tenant_id, open_questions.c.turn_id == turn_id
        )
    )


async def _judged(
    db: AsyncConnection,
    recorded: Recorded[Event],
    message_id: str,
    bot_profile_id: str,
    given: str | None,
    previous: str | None,
) -> None:
    """Feedback that changed counts as it is now, for the time of its answer."""
    by = {
        name: (given == name) - (previous == name)
        for name in ("positive", "negative")
        if (given == name) != (previous == name)
    }
    mine = {"tenant_id": recorded.tenant_id, "message_id": message_id}
    slot = await db.scalar(
        select(answers.c.slot).where(
            answers.c.tenant_id == recorded.tenant_id, answers.c.message_id == message_id
        )
    )
    if slot is None or not by:
        return
    bot = {"tenant_id": recorded.tenant_id, "bot_profile_id": bot_profile_id}
    await _add(db, feedback, {**bot, "day": day_of(slot)}, **by)
    await _add(db, feedback_slots, {**bot, "slot": slot}, **by)
    sources = await db.scalars(select(answer_sources.c.source_id).filter_by(**mine))
    for source_id in sorted(sources):
        await _add(db, cited, {"tenant_id": recorded.tenant_id, "source_id": source_id}, **by)
