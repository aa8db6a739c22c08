"""Facts about bots, sources and chats → counts. Many facts are one statement for each table."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import ARRAY, Table, bindparam, column, delete, func, literal, select
from sqlalchemy.dialects.postgresql import Insert, insert
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
    waits_slots,
)
from shared.contracts.base import Event, Recorded
from shared.contracts.chat import (
    BotProfileCreated,
    BotProfileUpdated,
    ChatErased,
    Feedback,
    FeedbackCleared,
    FeedbackGiven,
    QuestionAnswered,
    QuestionAsked,
    QuestionRefused,
    TurnFailed,
    Usage,
)
from shared.contracts.chat_playground import ResultRecorded, VerdictRecorded
from shared.contracts.ingest import SourceCreated, SourceUpdated

Key = tuple[str | int, ...]
"""Of a row, without the tenant."""
Row = Mapping[str, Any]
Inserting = Callable[[Table, tuple[str, ...]], Insert]
"""Makes the statement that fills these columns of a table."""
COUNTED = (totals, usage, usage_slots, feedback, feedback_slots, waits, waits_slots, cited)


class Rollups:
    """Everything that is counted."""

    async def apply(self, db: AsyncConnection, recorded: Recorded[Event]) -> None:
        await self.apply_all(db, [recorded])

    async def apply_all(self, db: AsyncConnection, records: Sequence[Recorded[Event]]) -> None:
        """All of one tenant."""
        tally = _Tally()
        for recorded in records:
            tally.see(recorded)
        if records:
            await tally.write(db, records[0].tenant_id)


class _Tally:
    """What some facts come to, before any row is touched."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[Key, dict[str, int]]] = {t.name: {} for t in COUNTED}
        self._names: dict[tuple[str, str], dict[str, Any]] = {}
        self._asked: dict[str, dict[str, Any]] = {}
        self._ended: set[str] = set()
        self._answers: dict[str, int] = {}
        self._sources: dict[str, list[str]] = {}
        self._refused: list[dict[str, Any]] = []
        self._judged: list[tuple[str, str, dict[str, int]]] = []
        self._erased: set[str] = set()

    def see(self, recorded: Recorded[Event]) -> None:
        """Take a fact in."""
        match recorded.event:
            case BotProfileCreated() as event:
                self._add(totals, (), bot_profiles=1)
                self._name("bot", event.bot_profile_id, event.settings.name)
            case BotProfileUpdated() as event:
                self._name("bot", event.bot_profile_id, event.settings.name)
            case SourceCreated() as event:
                self._add(totals, (), sources=1)
                self._name("source", event.source_id, event.settings.name)
            case SourceUpdated() as event:
                self._name("source", event.source_id, event.settings.name)
            case QuestionAsked() as event:
                if event.draft is not None:
                    return
                if event.first:
                    self._add(totals, (), chats=1)
                self._asked[event.turn_id] = {
                    "turn_id": event.turn_id,
                    "question": event.question,
                    "asked_at": recorded.at,
                }
            case QuestionAnswered() as event:
                self._paid(recorded, event)
                if event.draft:
                    return
                self._answered(recorded, event)
                self._cited(event)
                self._ended.add(event.turn_id)
            case QuestionRefused() as event:
                self._paid(recorded, event)
                if event.draft:
                    return
                self._answered(recorded, event)
                self._not_answered(recorded, event)
                self._ended.add(event.turn_id)
            case TurnFailed() as event:
                self._ended.add(event.turn_id)
            case ResultRecorded() | VerdictRecorded() as event:
                self._tested(recorded, event)
            case ChatErased() as event:
                self._erase(event)
            case FeedbackGiven() as event:
                self._judge(event, event.feedback)
            case FeedbackCleared() as event:
                self._judge(event, None)
            case _:
                pass

    async def write(self, db: AsyncConnection, tenant_id: str) -> None:
        """Bring it into the rows."""
        await self._find_questions(db, tenant_id)
        await self._find_judged(db, tenant_id)
        written: list[tuple[Inserting, Table, Sequence[Row]]]
        written = [(_adding, t, _sorted(t, self._counts[t.name])) for t in COUNTED]
        written.append((_naming, names, list(self._names.values())))
        told = [{"message_id": m, "slot": slot} for m, slot in self._answers.items()]
        citing = [
            {"message_id": m, "source_id": s} for m, its in self._sources.items() for s in its
        ]
        still_open = [row for turn, row in self._asked.items() if turn not in self._ended]
        if self._erased:
            of_chat = unanswered.c.chat_id == func.any(
                literal(sorted(self._erased), ARRAY(turn_type))
            )
            await db.execute(delete(unanswered).where(unanswered.c.tenant_id == tenant_id, of_chat))
        # What is there already: the checkpoint tells, after the rows, that this is a repetition.
        written.append((_keeping, answers, told))
        written.append((_keeping, answer_sources, citing))
        written.append((_keeping, unanswered, self._refused))
        written.append((_keeping, open_questions, still_open))
        await _write(db, tenant_id, [part for part in written if part[2]])
        if gone := sorted(self._ended - self._asked.keys()):
            turn = open_questions.c.turn_id == func.any(literal(gone, ARRAY(turn_type)))
            await db.execute(
                delete(open_questions).where(open_questions.c.tenant_id == tenant_id, turn)
            )

    def _add(self, table: Table, key: Key, **by: int) -> None:
        row = self._counts[table.name].setdefault(key, defaultdict(int))
        for name, count in by.items():
            row[name] += count

    def _name(self, kind: str, named: str, name: str) -> None:
        self._names[kind, named] = {"kind": kind, "id": named, "name": name}

    def _paid(self, recorded: Recorded[Event], event: QuestionAnswered | QuestionRefused) -> None:
        """What was used, for drafts too: budgets and prices ask for all of it."""
        # A refusal without a model's words is no request to one.
        if isinstance(event, QuestionAnswered) or event.usage.total_tokens:
            self._spent(recorded, event.bot_profile_id, event.usage)

    def _answered(
        self, recorded: Recorded[Event], event: QuestionAnswered | QuestionRefused
    ) -> None:
        slot = slot_of(recorded.at)
        day, bot = day_of(slot), event.bot_profile_id
        self._answers.setdefault(event.message_id, slot)
        self._add(feedback, (day, bot), answers=1)
        self._add(feedback_slots, (slot, bot), answers=1)
        timings = event.timings
        for stage, wait in (
            ("retrieval", timings.retrieval_ms),
            ("first_token", timings.first_token_ms),
            ("total", timings.total_ms),
        ):
            if wait:
                bucket = bucket_of(wait)
                self._add(waits, (day, bot, stage, bucket), count=1)
                self._add(waits_slots, (slot, bot, stage, bucket), count=1)

    def _spent(self, recorded: Recorded[Event], bot: str, used: Usage) -> None:
        slot = slot_of(recorded.at)
        for table, when in ((usage, day_of(slot)), (usage_slots, slot)):
            self._add(
                table,
                (when, bot, used.model),
                prompt_tokens=used.prompt_tokens,
                completion_tokens=used.completion_tokens,
                request_count=1,
            )

    def _tested(self, recorded: Recorded[Event], event: ResultRecorded | VerdictRecorded) -> None:
        """Tests are paid for as questions are, and are no answers to anybody."""
        rating = event.rating_usage if isinstance(event, ResultRecorded) else None
        for used in (event.usage, rating):
            if used is not None and used.total_tokens:
                self._spent(recorded, event.bot_profile_id, used)

    def _cited(self, event: QuestionAnswered) -> None:
        found = sorted({citation.source_id for citation in event.citations})
        self._sources[event.message_id] = found
        for source_id in found:
            self._add(cited, (source_id,), answers=1)

    def _not_answered(self, recorded: Recorded[Event], event: QuestionRefused) -> None:
        self._refused.append(
            {
                "id": event.message_id,
                "position": recorded.sequence,
                "turn_id": event.turn_id,
                "chat_id": event.chat_id,
                "bot_profile_id": event.bot_profile_id,
                "question": "",
                "reason": event.reason,
                "best_score": event.best_score,
                "asked_at": recorded.at,
            }
        )

    def _erase(self, event: ChatErased) -> None:
        """What was asked goes; that something was asked stays counted."""
        self._erased.add(event.chat_id)
        self._ended.update(event.open_turns)
        self._refused = [row for row in self._refused if row["chat_id"] != event.chat_id]

    def _judge(self, event: FeedbackGiven | FeedbackCleared, given: Feedback | None) -> None:
        """Feedback that changed counts as it is now, for the time of its answer."""
        by = {
            name: (given == name) - (event.previous == name)
            for name in ("positive", "negative")
            if (given == name) != (event.previous == name)
        }
        if by:
            self._judged.append((event.message_id, event.bot_profile_id, by))

    async def _find_questions(self, db: AsyncConnection, tenant_id: str) -> None:
        """A question lies beside its refusal from now on."""
        missing = [row["turn_id"] for row in self._refused if row["turn_id"] not in self._asked]
        found: dict[str, Mapping[str, Any]] = {}
        if missing:
            query = select(open_questions).where(
                open_questions.c.tenant_id == tenant_id,
                open_questions.c.turn_id == func.any(literal(missing, ARRAY(turn_type))),
            )
            found = {row["turn_id"]: dict(row) for row in (await db.execute(query)).mappings()}
        for row in self._refused:
            turn_id = row["turn_id"]
            asked = self._asked.get(turn_id) or found.get(turn_id)
            if asked is not None:
                row |= {"question": asked["question"], "asked_at": asked["asked_at"]}

    async def _find_judged(self, db: AsyncConnection, tenant_id: str) -> None:
        """Count feedback where its answers are counted; nobody's answer counts nowhere."""
        missing = sorted({m for m, _, _ in self._judged if m not in self._answers})
        slots, sources = dict(self._answers), dict(self._sources)
        if missing:
            these = func.any(literal(missing, ARRAY(turn_type)))
            when = select(answers.c.message_id, answers.c.slot).where(
                answers.c.tenant_id == tenant_id, answers.c.message_id == these
            )
            slots |= {row.message_id: row.slot for row in await db.execute(when)}
            citing = select(answer_sources.c.message_id, answer_sources.c.source_id).where(
                answer_sources.c.tenant_id == tenant_id, answer_sources.c.message_id == these
            )
            for row in await db.execute(citing):
                sources.setdefault(row.message_id, []).append(row.source_id)
        for message_id, bot, by in self._judged:
            if (slot := slots.get(message_id)) is None:
                continue
            self._add(feedback, (day_of(slot), bot), **by)
            self._add(feedback_slots, (slot, bot), **by)
            for source_id in sources.get(message_id, ()):
                self._add(cited, (source_id,), **by)


turn_type = open_questions.c.turn_id.type


def _sorted(table: Table, counts: Mapping[Key, Mapping[str, int]]) -> list[Row]:
    """Counts as rows, in the order of their keys: two writers then never wait for each other."""
    keys = [c.name for c in table.primary_key.columns if c.name != "tenant_id"]
    added = [c.name for c in table.columns if not c.primary_key]
    return [
        {
            **dict(zip(keys, key, strict=True)),
            **{name: counts[key].get(name, 0) for name in added},
        }
        for key in sorted(counts)
    ]


async def _write(
    db: AsyncConnection, tenant_id: str, parts: Sequence[tuple[Inserting, Table, Sequence[Row]]]
) -> None:
    """Rows of several tables in one statement: an answer is counted in ten of them."""
    if not parts:
        return
    statement = _together(tuple((how, table, tuple(rows[0])) for how, table, rows in parts))
    given: dict[str, Any] = {"of_tenant": tenant_id}
    for _, table, rows in parts:
        given |= {f"{table.name}_{name}": [row[name] for row in rows] for name in rows[0]}
    await db.execute(statement, given)


@cache
def _together(parts: tuple[tuple[Inserting, Table, tuple[str, ...]], ...]) -> Insert:
    whole, *others = (how(table, filled) for how, table, filled in parts)
    for n, one in enumerate(others):
        whole = whole.add_cte(one.cte(f"part_{n}"))
    return whole


def _adding(table: Table, filled: tuple[str, ...]) -> Insert:
    statement = _inserting(table, filled)
    added = [c.name for c in table.columns if not c.primary_key]
    return statement.on_conflict_do_update(
        index_elements=[c.name for c in table.primary_key.columns],
        set_={name: table.c[name] + statement.excluded[name] for name in added},
    )


def _keeping(table: Table, filled: tuple[str, ...]) -> Insert:
    """What is there already stays."""
    return _inserting(table, filled).on_conflict_do_nothing()


def _naming(table: Table, filled: tuple[str, ...]) -> Insert:
    statement = _inserting(table, filled)
    return statement.on_conflict_do_update(
        index_elements=["tenant_id", "kind", "id"], set_={"name": statement.excluded.name}
    )


def _inserting(table: Table, filled: Sequence[str]) -> Insert:
    """However many rows: every column is an array, a parameter named after table and column."""
    columns = [table.c[name] for name in filled]
    arrays = [bindparam(f"{table.name}_{c.name}", type_=ARRAY(c.type)) for c in columns]
    named = (column(c.name, c.type) for c in columns)
    given = func.unnest(*arrays).table_valued(*named).render_derived(name="given")
    tenant = bindparam("of_tenant", type_=table.c.tenant_id.type)
    chosen = select(tenant, *(given.c[c.name] for c in columns))
    return insert(table).from_select(["tenant_id", *(c.name for c in columns)], chosen)
