"""Facts about chats → rows, some hundred facts at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Table, bindparam, delete, update
from sqlalchemy.dialects.postgresql import Insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chat.tables import chats, citations, erased_chats, messages, turns
from shared.adapters.bulk import bring_in, insert_rows, many, parameter
from shared.contracts.base import Event, Recorded
from shared.contracts.chat import (
    ChatErased,
    FeedbackCleared,
    FeedbackGiven,
    QuestionAnswered,
    QuestionAsked,
    QuestionRefused,
    TurnFailed,
)

TITLE_LENGTH = 100

Row = dict[str, Any]

END_TURN = (
    update(turns)
    .where(
        turns.c.tenant_id == bindparam("of_tenant"),
        turns.c.turn_id == bindparam("of_turn"),
    )
    .values(
        {
            name: bindparam(f"new_{name}")
            for name in (
                "status",
                "message_id",
                "grounded",
                "support",
                "stopped",
                "reason",
                "best_score",
                "bot_version",
                "citations",
                "usage",
                "error",
                "detail",
                "retryable",
                "error_status",
                "retry_after",
            )
        }
    )
)
COUNT = (
    update(chats)
    .where(chats.c.tenant_id == bindparam("of_tenant"), chats.c.id == bindparam("of_chat"))
    .values(
        message_count=chats.c.message_count + bindparam("said"),
        total_prompt_tokens=chats.c.total_prompt_tokens + bindparam("prompt"),
        total_completion_tokens=chats.c.total_completion_tokens + bindparam("completion"),
        updated_at=bindparam("at"),
    )
)
JUDGE = (
    update(messages)
    .where(messages.c.tenant_id == bindparam("of_tenant"), messages.c.id == bindparam("of_message"))
    .values(feedback=bindparam("new_feedback"))
)


class Chats:
    """Chats, their messages, how each turn ended, and what is thought of answers."""

    async def apply(self, db: AsyncConnection, recorded: Recorded[Event]) -> None:
        await self.apply_all(db, [recorded])

    async def apply_all(self, db: AsyncConnection, records: Sequence[Recorded[Event]]) -> None:
        """One statement per table for all of `records`."""
        gathered = Gathered()
        for recorded in records:
            gathered.add(recorded)
        await gathered.write(db)


@dataclass
class Said:
    """What messages add to their chat."""

    messages: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    at: datetime | None = None


@dataclass
class Gathered:
    """Rows of several facts. New rows are written before changes, so their order is kept."""

    chats: list[Row] = field(default_factory=list)
    messages: list[Row] = field(default_factory=list)
    turns: list[Row] = field(default_factory=list)
    ended: list[Row] = field(default_factory=list)
    citations: list[Row] = field(default_factory=list)
    said: dict[tuple[str, str], Said] = field(default_factory=dict)
    judged: dict[tuple[str, str], str | None] = field(default_factory=dict)
    erased: list[Row] = field(default_factory=list)

    def add(self, recorded: Recorded[Event]) -> None:
        tenant_id = recorded.tenant_id
        match recorded.event:
            case QuestionAsked() as event:
                self._asked(recorded, event)
            case QuestionAnswered() as event:
                self._answered(recorded, event, event.grounded)
                self._cite(tenant_id, event)
            case QuestionRefused() as event:
                self._answered(recorded, event, grounded=False)
            case TurnFailed() as event:
                self._end(
                    tenant_id,
                    event.turn_id,
                    status="failed",
                    error=event.error,
                    detail=event.detail,
                    retryable=event.retryable,
                    error_status=event.status,
                    retry_after=event.retry_after,
                )
            case FeedbackGiven() as event:
                self.judged[tenant_id, event.message_id] = event.feedback
            case FeedbackCleared() as event:
                self.judged[tenant_id, event.message_id] = None
            case ChatErased(chat_id=chat_id, erasure_id=erasure_id):
                row = {"tenant_id": tenant_id, "id": chat_id, "erasure_id": erasure_id}
                self.erased.append(row)
            case _:
                pass

    async def write(self, db: AsyncConnection) -> None:
        for chat in self.chats:  # a new chat comes with what was said in it
            said = self.said.pop((chat["tenant_id"], chat["id"]))
            chat |= {
                "message_count": said.messages,
                "total_prompt_tokens": said.prompt_tokens,
                "total_completion_tokens": said.completion_tokens,
                "updated_at": said.at,
            }
        counted = [
            {
                "of_tenant": tenant_id,
                "of_chat": chat_id,
                "said": said.messages,
                "prompt": said.prompt_tokens,
                "completion": said.completion_tokens,
                "at": said.at,
            }
            for (tenant_id, chat_id), said in self.said.items()
        ]
        judged = [
            {"of_tenant": tenant_id, "of_message": message_id, "new_feedback": feedback}
            for (tenant_id, message_id), feedback in self.judged.items()
        ]
        made = [
            (chats, self.chats),
            (messages, self.messages),
            (turns, self.turns),
            (citations, self.citations),
        ]
        if filled := [(table, rows) for table, rows in made if rows]:
            columns = tuple((table, tuple(rows[0])) for table, rows in filled)
            given = {parameter(table): rows for table, rows in filled}
            await bring_in(db, _inserting(columns), given)
        for statement, rows in (
            (END_TURN, self.ended),
            (COUNT, counted),
            (JUDGE, judged),
        ):
            if rows:
                await db.execute(statement, rows)
        await insert_rows(db, erased_chats, self.erased)
        for row in self.erased:
            for table in (citations, turns, messages, chats):
                column = table.c.id if table is chats else table.c.chat_id
                mine = (table.c.tenant_id == row["tenant_id"], column == row["id"])
                await db.execute(delete(table).where(*mine))

    def _asked(self, recorded: Recorded[Event], event: QuestionAsked) -> None:
        tenant_id = recorded.tenant_id
        if event.first:
            row = {
                "tenant_id": tenant_id,
                "id": event.chat_id,
                "position": recorded.sequence,
                "bot_profile_id": event.bot_profile_id,
                "visitor_id": event.visitor_id,
                "token_id": event.token_id,
                "replayed_chat_id": None if event.replays is None else event.replays.chat_id,
                "title": event.question[:TITLE_LENGTH],
                "message_count": 0,
                "total_prompt_tokens": 0,
                "total_completion_tokens": 0,
                "created_at": recorded.at,
                "updated_at": recorded.at,
            }
            self.chats.append(row)
        draft = event.draft is not None
        self._say(recorded, event, role="user", content=event.question, draft=draft)
        turn = {
            "tenant_id": tenant_id,
            "turn_id": event.turn_id,
            "chat_id": event.chat_id,
            "status": "open",
            "grounded": False,
            "stopped": False,
            "citations": [],
            "retryable": False,
        }
        self.turns.append(turn)

    def _answered(
        self,
        recorded: Recorded[Event],
        event: QuestionAnswered | QuestionRefused,
        grounded: bool,
    ) -> None:
        refusal = isinstance(event, QuestionRefused)
        self._say(
            recorded,
            event,
            role="assistant",
            content=event.answer,
            draft=event.draft,
            refusal=refusal,
            prompt_tokens=event.usage.prompt_tokens,
            completion_tokens=event.usage.completion_tokens,
        )
        cited = () if isinstance(event, QuestionRefused) else event.citations
        self._end(
            recorded.tenant_id,
            event.turn_id,
            status="refused" if refusal else "answered",
            message_id=event.message_id,
            grounded=grounded,
            support=None if isinstance(event, QuestionRefused) else event.support,
            stopped=not isinstance(event, QuestionRefused) and event.stopped,
            reason=event.reason if isinstance(event, QuestionRefused) else None,
            best_score=event.best_score if isinstance(event, QuestionRefused) else None,
            bot_version=event.bot_version,
            citations=[citation.model_dump(mode="json") for citation in cited],
            usage=event.usage.model_dump(mode="json"),
        )

    def _cite(self, tenant_id: str, event: QuestionAnswered) -> None:
        for citation in event.citations:
            shown = citation.model_dump(mode="json")
            row = {
                "tenant_id": tenant_id,
                "id": citation.citation_id,
                "chat_id": event.chat_id,
                "citation": shown,
            }
            self.citations.append(row)

    def _say(
        self,
        recorded: Recorded[Event],
        event: QuestionAsked | QuestionAnswered | QuestionRefused,
        *,
        role: str,
        content: str,
        draft: bool,
        refusal: bool = False,
        prompt_tokens: int = 0,
        completion_tokens: int = 0,
    ) -> None:
        row = {
            "tenant_id": recorded.tenant_id,
            "id": event.message_id,
            "chat_id": event.chat_id,
            "turn_id": event.turn_id,
            "sequence": recorded.sequence,
            "role": role,
            "content": content,
            "refusal": refusal,
            "draft": draft,
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "created_at": recorded.at,
        }
        self.messages.append(row)
        said = self.said.setdefault((recorded.tenant_id, event.chat_id), Said())
        said.messages += 1
        said.prompt_tokens += prompt_tokens
        said.completion_tokens += completion_tokens
        said.at = recorded.at

    def _end(
        self,
        tenant_id: str,
        turn_id: str,
        *,
        status: str,
        message_id: str | None = None,
        grounded: bool = False,
        support: float | None = None,
        stopped: bool = False,
        reason: str | None = None,
        best_score: float | None = None,
        bot_version: int | None = None,
        citations: Sequence[Row] = (),
        usage: Row | None = None,
        error: str | None = None,
        detail: str | None = None,
        retryable: bool = False,
        error_status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        row = {
            "of_tenant": tenant_id,
            "of_turn": turn_id,
            "new_status": status,
            "new_message_id": message_id,
            "new_grounded": grounded,
            "new_support": support,
            "new_stopped": stopped,
            "new_reason": reason,
            "new_best_score": best_score,
            "new_bot_version": bot_version,
            "new_citations": list(citations),
            "new_usage": usage,
            "new_error": error,
            "new_detail": detail,
            "new_retryable": retryable,
            "new_error_status": error_status,
            "new_retry_after": retry_after,
        }
        self.ended.append(row)


@cache
def _inserting(parts: tuple[tuple[Table, tuple[str, ...]], ...]) -> Insert:
    """Rows of several tables in one statement: whoever asks waits for it."""
    whole, *others = (_insert(table, names) for table, names in parts)
    for n, one in enumerate(others):
        whole = whole.add_cte(one.cte(f"part_{n}"))
    return whole


def _insert(table: Table, names: tuple[str, ...]) -> Insert:
    statement = many(table, names)
    return statement.on_conflict_do_nothing() if table is citations else statement
