"""Facts about test suites and runs → rows."""

from typing import Any

from sqlalchemy import Table, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chat.tables import results, runs, suites, test_questions
from shared.contracts.base import Event, Recorded
from shared.contracts.chat import ChatErased
from shared.contracts.chat_playground import (
    ResultRecorded,
    RunCancelled,
    RunEnded,
    RunStarted,
    SuiteCreated,
    SuiteDeleted,
    SuiteQuestionAdded,
    SuiteQuestionRemoved,
    SuiteRenamed,
    TestCase,
    VerdictRecorded,
)

ERASED = "[erased]"


class Playground:
    """Suites with their questions, runs with their results."""

    async def apply(self, db: AsyncConnection, recorded: Recorded[Event]) -> None:
        match recorded.event:
            case SuiteCreated() | SuiteRenamed() | SuiteDeleted() as event:
                await _suite(db, recorded, event)
            case SuiteQuestionAdded() | SuiteQuestionRemoved() as event:
                await _question(db, recorded, event)
            case RunStarted() | RunCancelled() | RunEnded() as event:
                await _run(db, recorded, event)
            case ResultRecorded() as event:
                await _result(db, recorded, event)
            case VerdictRecorded() as event:
                await _verdict(db, recorded, event)
            case ChatErased(chat_id=chat_id):
                await _erase(db, recorded.tenant_id, chat_id)
            case _:
                pass


async def _suite(
    db: AsyncConnection,
    recorded: Recorded[Event],
    event: SuiteCreated | SuiteRenamed | SuiteDeleted,
) -> None:
    at = {"updated_at": recorded.at}
    match event:
        case SuiteCreated(suite_id=suite_id, bot_profile_id=bot_id, title=title):
            row = {
                "tenant_id": recorded.tenant_id,
                "id": suite_id,
                "position": recorded.sequence,
                "bot_profile_id": bot_id,
                "title": title,
                "deleted": False,
                "created_at": recorded.at,
            }
            await db.execute(insert(suites).values(row | at))
        case SuiteRenamed(suite_id=suite_id, title=title):
            await _change(db, suites, recorded, suite_id, {"title": title} | at)
        case SuiteDeleted(suite_id=suite_id):
            await _change(db, suites, recorded, suite_id, {"deleted": True} | at)


async def _question(
    db: AsyncConnection,
    recorded: Recorded[Event],
    event: SuiteQuestionAdded | SuiteQuestionRemoved,
) -> None:
    if isinstance(event, SuiteQuestionRemoved):
        await _change(db, test_questions, recorded, event.question_id, {"removed": True})
    else:
        row = {
            "tenant_id": recorded.tenant_id,
            "id": event.question_id,
            "suite_id": event.suite_id,
            "position": recorded.sequence,
            "case": event.case.model_dump(mode="json"),
            "chat_id": event.chat_id,
            "removed": False,
            "created_at": recorded.at,
        }
        await db.execute(insert(test_questions).values(row))
    await _change(db, suites, recorded, event.suite_id, {"updated_at": recorded.at})


async def _run(
    db: AsyncConnection, recorded: Recorded[Event], event: RunStarted | RunCancelled | RunEnded
) -> None:
    match event:
        case RunStarted(run_id=run_id, plan=plan):
            row = {
                "tenant_id": recorded.tenant_id,
                "id": run_id,
                "position": recorded.sequence,
                "bot_profile_id": plan.bot_profile_id,
                "suite_id": plan.suite_id,
                "plan": plan.model_dump(mode="json"),
                "status": "running",
                "started_at": recorded.at,
            }
            await db.execute(insert(runs).values(row))
        case RunCancelled(run_id=run_id, reason=reason):
            ended = {"status": "cancelled", "reason": reason, "ended_at": recorded.at}
            await _change(db, runs, recorded, run_id, ended)
        case RunEnded(run_id=run_id):
            await _change(db, runs, recorded, run_id, {"status": "ended", "ended_at": recorded.at})


async def _result(db: AsyncConnection, recorded: Recorded[Event], event: ResultRecorded) -> None:
    rating = event.rating_usage
    row = {
        "tenant_id": recorded.tenant_id,
        "run_id": event.run_id,
        "question_id": event.question_id,
        "variant": event.variant,
        "id": f"{event.question_id}-{event.variant}",
        "position": recorded.sequence,
        "first_position": recorded.sequence,
        "chat_id": event.chat_id,
        "ending": event.ending,
        "answer": event.answer,
        "refused": event.refused,
        "passages": [one.model_dump(mode="json") for one in event.passages],
        "scores": event.scores.model_dump(mode="json"),
        "rating_reason": event.rating_reason,
        **event.usage.model_dump(),
        "latency_ms": event.latency_ms,
        "error": event.error,
        "detail": event.detail,
        "judge_model": None if rating is None else rating.model,
        "judge_prompt_tokens": 0 if rating is None else rating.prompt_tokens,
        "judge_completion_tokens": 0 if rating is None else rating.completion_tokens,
        "judged": False,
        "verdict_reason": "",
    }
    await db.execute(insert(results).values(row))


async def _verdict(db: AsyncConnection, recorded: Recorded[Event], event: VerdictRecorded) -> None:
    mine = results.c
    await db.execute(
        update(results)
        .where(
            mine.tenant_id == recorded.tenant_id,
            mine.run_id == event.run_id,
            mine.question_id == event.question_id,
            mine.variant == event.variant,
        )
        .values(
            position=recorded.sequence,
            judged=True,
            verdict=event.verdict,
            verdict_reason=event.reason,
            judge_model=event.usage.model if event.usage.total_tokens else mine.judge_model,
            judge_prompt_tokens=mine.judge_prompt_tokens + event.usage.prompt_tokens,
            judge_completion_tokens=mine.judge_completion_tokens + event.usage.completion_tokens,
        )
    )


async def _erase(db: AsyncConnection, tenant_id: str, chat_id: str) -> None:
    """As it comes out of the log from now on, for the key of the chat is destroyed."""
    gone = {"case": TestCase(question=ERASED).model_dump(mode="json"), "removed": True}
    words: dict[str, Any] = {"answer": ERASED, "rating_reason": ERASED}
    for table, values in ((test_questions, gone), (results, words)):
        mine = (table.c.tenant_id == tenant_id, table.c.chat_id == chat_id)
        await db.execute(update(table).where(*mine).values(values))
    await db.execute(
        update(results)
        .where(
            results.c.tenant_id == tenant_id,
            results.c.chat_id == chat_id,
            results.c.judged,
        )
        .values(verdict_reason=ERASED)
    )


async def _change(
    db: AsyncConnection,
    table: Table,
    recorded: Recorded[Event],
    row_id: str,
    values: dict[str, Any],
) -> None:
    mine = (table.c.tenant_id == recorded.tenant_id, table.c.id == row_id)
    await db.execute(update(table).where(*mine).values(values))
