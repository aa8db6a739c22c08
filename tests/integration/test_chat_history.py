"""Chats and messages: what a replay makes of the facts, and how they are read."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.chat.main import CHATS
from services.chat.queries.chats import ChatQueries
from shared.adapters.projector import project
from shared.adapters.read_model import ReadModelStore
from shared.contracts.base import Event, Metadata, Recorded, SortKey
from shared.contracts.chat import (
    Feedback,
    FeedbackCleared,
    FeedbackGiven,
    QuestionAnswered,
    QuestionAsked,
    QuestionRefused,
    Timings,
    TurnFailed,
    Usage,
)
from shared.contracts.chat_history import (
    ChatTotals,
    CountChats,
    GetChat,
    GetMessage,
    ListChats,
    ListMessages,
)
from shared.kernel.errors import NotFound
from shared.kernel.ids import derived_id, new_id

T0 = datetime(2026, 1, 1, tzinfo=UTC)
USAGE = Usage(model="m", prompt_tokens=10, completion_tokens=2)


@pytest.fixture
async def store(engines: Callable[[str], AsyncEngine]) -> AsyncIterator[ReadModelStore]:
    made = ReadModelStore(engines("chat"), replace(CHATS, name=f"chats_{new_id()[:8]}"))
    await made.create("test")
    yield made
    await made.drop()


@pytest.fixture
def queries(store: ReadModelStore) -> ChatQueries:
    return ChatQueries(store)


def meta(tenant_id: str, n: int = 0) -> Metadata:
    command = derived_id("command", tenant_id, str(n))
    at = T0 + timedelta(hours=n)
    return Metadata(tenant_id=tenant_id, message_id=command, correlation_id=command, now=at)


def records(tenant_id: str, events: Sequence[Event], first: int = 1) -> list[Recorded[Event]]:
    return [
        Recorded(event, meta(tenant_id, n), derived_id("event", tenant_id, str(n)), first + 2 * n)
        for n, event in enumerate(events)
    ]


def asked(chat: str, turn: str, *, first: bool = False, bot: str = "b1") -> QuestionAsked:
    return QuestionAsked(
        chat_id=chat,
        turn_id=turn,
        bot_profile_id=bot,
        message_id=f"q-{turn}",
        first=first,
        question=f"Question {turn}? " * 20,
    )


def answered(chat: str, turn: str, answer: str = "Yes.") -> QuestionAnswered:
    return QuestionAnswered(
        chat_id=chat,
        turn_id=turn,
        bot_profile_id="b1",
        message_id=f"a-{turn}",
        answer=answer,
        grounded=True,
        citations=(),
        usage=USAGE,
        timings=Timings(),
    )


def refused(chat: str, turn: str) -> QuestionRefused:
    return QuestionRefused(
        chat_id=chat,
        turn_id=turn,
        bot_profile_id="b1",
        message_id=f"a-{turn}",
        answer="I do not know.",
        reason="below_floor",
        best_score=0,
        usage=Usage(model="local/none"),
        timings=Timings(),
    )


def given(chat: str, turn: str, feedback: Feedback) -> FeedbackGiven:
    return FeedbackGiven(
        chat_id=chat, bot_profile_id="b1", message_id=f"a-{turn}", feedback=feedback
    )


FAILED = TurnFailed(
    chat_id="c1",
    turn_id="t3",
    bot_profile_id="b1",
    error="llm_failed",
    detail="It failed.",
    retryable=True,
)
HISTORY: list[Event] = [
    asked("c1", "t1", first=True),
    answered("c1", "t1"),
    given("c1", "t1", "positive"),
    asked("c2", "u1", first=True, bot="b2"),
    asked("c1", "t2"),
    given("c1", "t1", "negative"),
    refused("c1", "t2"),
    given("c1", "t2", "positive"),
    FeedbackCleared(chat_id="c1", bot_profile_id="b1", message_id="a-t2", previous="positive"),
    asked("c1", "t3"),
    FAILED,
]


@pytest.mark.parametrize("chunk", [1, 2, 3, 500])
async def test_a_replay_comes_out_the_same_in_any_chunks_and_with_redelivery(
    store: ReadModelStore,
    queries: ChatQueries,
    tenant_id: str,
    other_tenant_id: str,
    chunk: int,
) -> None:
    past = records(tenant_id, HISTORY)
    theirs = records(other_tenant_id, HISTORY, first=2)
    both = sorted([*past, *theirs], key=lambda one: one.sequence)
    position = 0
    for start in range(0, len(both), chunk):
        moved = await project(store, both[start : start + chunk], position)
        assert moved is not None
        position = moved
    async with store.writing() as db:
        await store.apply(db, past)  # as a command handler does, too late
    for tenant in (tenant_id, other_tenant_id):
        chat = await queries.get_chat(GetChat(chat_id="c1"), meta(tenant))
        assert chat.title == ("Question t1? " * 20)[:100]
        assert (chat.message_count, chat.total_prompt_tokens) == (5, 10)
        assert chat.total_completion_tokens == 2
        assert (chat.created_at, chat.updated_at) == (T0, T0 + timedelta(hours=9))
        said = await queries.list_messages(ListMessages(chat_id="c1"), meta(tenant))
        assert [(one.id, one.role, one.feedback) for one in said.items] == [
            ("q-t1", "user", None),
            ("a-t1", "assistant", "negative"),
            ("q-t2", "user", None),
            ("a-t2", "assistant", None),
            ("q-t3", "user", None),
        ]
        other = await queries.get_chat(GetChat(chat_id="c2"), meta(tenant))
        assert (other.bot_profile_id, other.message_count) == ("b2", 1)


async def test_all_that_was_said_is_counted_of_the_own_tenant(
    store: ReadModelStore, queries: ChatQueries, tenant_id: str, other_tenant_id: str
) -> None:
    await project(store, records(tenant_id, HISTORY), 0)
    count = await queries.count_chats(CountChats(), meta(tenant_id))
    assert count == ChatTotals(chats=2, messages=6, turns=2, prompt_tokens=10, completion_tokens=2)
    nothing = ChatTotals(chats=0, messages=0, turns=0, prompt_tokens=0, completion_tokens=0)
    assert await queries.count_chats(CountChats(), meta(other_tenant_id)) == nothing


async def test_chats_are_found_by_bot_and_time(
    store: ReadModelStore, queries: ChatQueries, tenant_id: str
) -> None:
    await project(store, records(tenant_id, HISTORY), 0)

    async def ids(**wanted: object) -> list[str]:
        question = ListChats.model_validate(wanted)
        found = await queries.list_chats(question, meta(tenant_id))
        return [one.id for one in found.items]

    assert await ids() == ["c2", "c1"]
    assert await ids(bot_profile_id="b1") == ["c1"]
    assert await ids(created_from=T0, created_to=T0) == ["c1"]
    assert await ids(created_from=T0 + timedelta(microseconds=1)) == ["c2"]
    assert await ids(created_to=T0 - timedelta(microseconds=1)) == []
    assert await ids(offset=1) == ["c1"]
    assert await ids(limit=0) == await ids(offset=2) == []


async def test_a_message_is_found_in_its_own_chat_only(
    store: ReadModelStore, queries: ChatQueries, tenant_id: str, other_tenant_id: str
) -> None:
    await project(store, records(tenant_id, HISTORY), 0)
    question = GetMessage(chat_id="c1", message_id="a-t1")
    assert (await queries.get_message(question, meta(tenant_id))).content == "Yes."
    for tenant, elsewhere in (
        (tenant_id, GetMessage(chat_id="c2", message_id="a-t1")),
        (tenant_id, GetMessage(chat_id="c1", message_id="none")),
        (other_tenant_id, question),
    ):
        with pytest.raises(NotFound, match="Message not found"):
            await queries.get_message(elsewhere, meta(tenant))
    for chat in ("none", "c1"):
        with pytest.raises(NotFound, match="Chat session not found"):
            await queries.list_messages(ListMessages(chat_id=chat), meta(other_tenant_id))


async def test_pages_of_long_messages_join_to_the_whole_chat(
    store: ReadModelStore, queries: ChatQueries, tenant_id: str
) -> None:
    events: list[Event] = [asked("c1", "t0", first=True)]
    events += [answered("c1", f"t{n}", "\x01€" * (n * 500)) for n in range(60)]
    await project(store, records(tenant_id, events), 0)
    found, pages = 0, 0
    after: SortKey | None = None
    while True:
        question = ListMessages(chat_id="c1", after=after)
        page = await queries.list_messages(question, meta(tenant_id))
        assert len(page.model_dump_json().encode()) < 1_000_000
        found, pages = found + len(page.items), pages + 1
        after = page.following
        if after is None:
            break
    assert found == 61
    assert 3 < pages < 61
