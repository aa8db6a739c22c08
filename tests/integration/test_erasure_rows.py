"""What is left in rows of what was erased: nothing, whichever way the log is replayed."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from typing_extensions import override

from services.analytics.main import ROLLUPS
from services.analytics.queries.stats import StatsQueries
from services.chat.main import CHATS
from services.chat.queries.erasing import ErasureQueries as ErasedChats
from services.gateway.main import AUDIT, ERASURES, IDENTITY
from services.gateway.queries import ErasureQueries
from services.webhooks.main import DELIVERIES
from services.webhooks.queries.deliveries import DeliveryQueries
from shared.adapters.read_model import ReadModel, ReadModelStore
from shared.contracts.analytics import GetOverview, ListUnanswered
from shared.contracts.base import Event, Recorded
from shared.contracts.chat import ChatErased, QuestionAsked, QuestionRefused, Timings, Usage
from shared.contracts.chat_history import CountChatsOfVisitor, CountOldChats
from shared.contracts.chat_replay import Replay
from shared.contracts.gateway import SessionStarted, UserCreated, UserErased
from shared.contracts.gateway_erasure import (
    ErasureCompleted,
    ErasurePartDone,
    ErasureRequested,
    ErasureTold,
    ListErasures,
    RetentionSet,
)
from shared.contracts.webhooks import ListDeliveries, RedeliveryRequested, WebhookDeleted
from tests.bank.messages import NOW, metadata
from tests.bank.rows import rows
from tests.integration.replay import ProjectionContract, fresh, recorded, replay
from tests.integration.test_identity_rows import registered
from tests.integration.test_webhook_rows import scheduled, succeeded

WORDS = "The maiden name"
USED = Usage(model="local/none")


def asked(chat: str, n: int, visitor: str | None, **fields: Any) -> QuestionAsked:
    return QuestionAsked(
        chat_id=chat,
        turn_id=f"{chat}-t{n}",
        bot_profile_id="b1",
        message_id=f"{chat}-q{n}",
        first=n == 1,
        question=f"{WORDS} in {chat}?",
        visitor_id=visitor,
        **fields,
    )


def refused(chat: str, n: int) -> QuestionRefused:
    return QuestionRefused(
        chat_id=chat,
        turn_id=f"{chat}-t{n}",
        bot_profile_id="b1",
        message_id=f"{chat}-a{n}",
        answer=f"No {WORDS}.",
        reason="nothing",
        best_score=0.1,
        usage=USED,
        timings=Timings(),
    )


CHATTING: Sequence[Event] = (
    asked("c1", 1, "v1"),
    refused("c1", 1),
    asked("c2", 1, "v2"),
    asked("c1", 2, "v1"),
    asked("c3", 1, None, draft={}, replays=Replay(chat_id="c1", turn_id="c1-t1")),
    ChatErased(chat_id="c1", erasure_id="e1", open_turns=("c1-t2",)),
    refused("c2", 1),
    asked("c4", 1, None, draft={}, replays=Replay(chat_id="c2", turn_id="c2-t1")),
    asked("c5", 1, None, draft={}, replays=Replay(chat_id="c4", turn_id="c4-t1")),
)


class TestChats(ProjectionContract):
    @pytest.fixture
    def engine(self, engines: Callable[[str], AsyncEngine]) -> AsyncEngine:
        return engines("chat")

    @pytest.fixture
    def model(self) -> ReadModel:
        return CHATS

    @pytest.fixture
    def events(self) -> Sequence[Event]:
        return CHATTING

    async def test_only_those_of_others_are_left(
        self, store: ReadModelStore, past: list[Recorded[Event]], tenant_id: str
    ) -> None:
        await replay(store, past)
        left = str(await rows(store, tenant_id))
        assert (f"{WORDS} in c1" in left, f"{WORDS} in c2" in left) == (False, True)
        chats, meta = ErasedChats(store), metadata(tenant_id)
        assert await chats.erased(tenant_id, "e1") == 1
        assert await chats.of_visitor(tenant_id, "v1") == []
        assert await chats.replaying(tenant_id, "e1") == ["c3"], "it holds what was said in c1"
        assert await chats.replaying(tenant_id, "e2") == []
        assert await chats.of_visitor(tenant_id, "v2") == ["c2"]
        first, replayed, last = past[0].at, past[7].at, past[-1].at
        assert await chats.older(tenant_id, first) == []
        others = await chats.older(tenant_id, last.replace(year=last.year + 1))
        assert sorted(others) == ["c2", "c3", "c4", "c5"]

        async def would_go(before: datetime) -> int:
            return (await chats.count_old(CountOldChats(before=before), meta)).chats

        assert await would_go(first) == 0
        assert sorted(await chats.older(tenant_id, replayed)) == ["c2", "c3"]
        assert await would_go(replayed) == 4, "with the replay of c2, and with that one's own"
        assert await would_go(last.replace(year=last.year + 1)) == 4, "each once"
        assert (await chats.count_of_visitor(CountChatsOfVisitor(visitor_id="v2"), meta)).chats == 3

    async def test_writing_tables_anew_changes_no_row(
        self, store: ReadModelStore, past: list[Recorded[Event]], tenant_id: str
    ) -> None:
        await replay(store, past)
        before = await rows(store, tenant_id)
        await store.scrub()
        assert await rows(store, tenant_id) == before


class TestStatistics:
    async def test_keep_counts_and_no_question(
        self, engines: Callable[[str], AsyncEngine], tenant_id: str
    ) -> None:
        async with fresh(engines("analytics"), ROLLUPS) as store:
            await replay(store, recorded(tenant_id, *CHATTING), chunk=2)
            queries, meta = StatsQueries(store), metadata(tenant_id)
            listed = await queries.list_unanswered(ListUnanswered(), meta)
            assert [one.chat_id for one in listed.items] == ["c2"]
            assert f"{WORDS} in c1" not in str(await rows(store, tenant_id))
            overview = await queries.get_overview(GetOverview(), meta)
            assert overview.chats == 2


class OfGateway(ProjectionContract):
    @pytest.fixture
    def engine(self, engines: Callable[[str], AsyncEngine]) -> AsyncEngine:
        return engines("gateway")


class TestPeople(OfGateway):
    @pytest.fixture
    def model(self) -> ReadModel:
        return IDENTITY

    @pytest.fixture
    def events(self, tenant_id: str) -> Sequence[Event]:
        return (
            *registered(tenant_id),
            UserCreated(
                tenant_id="t1",
                user_id="u2",
                email_hash="f" * 64,
                email="grace@example.com",
                display_name="Grace",
                role="member",
                password_ref="user/u2",
            ),
            SessionStarted(
                session_id="s2",
                user_id="u2",
                expires_at=datetime(2027, 1, 1, tzinfo=UTC),
                address_hash="a" * 64,
            ),
            UserErased(tenant_id="t1", user_id="u2"),
        )

    @override
    def of_another_tenant(self, events: Sequence[Event]) -> Sequence[Event]:
        first = len(registered(""))
        return (*registered("other"), *events[first:])

    async def test_who_is_erased_leaves_nothing_and_others_stay(
        self, store: ReadModelStore, past: list[Recorded[Event]], tenant_id: str
    ) -> None:
        await replay(store, past)
        found = await rows(store, tenant_id)
        shown = str({name: kept for name, kept in found.items() if "aggregates" not in name})
        assert ("u2" in shown, "grace" in shown, "ada@example.com" in shown) == (False, False, True)


class TestErasures(OfGateway):
    @pytest.fixture
    def model(self) -> ReadModel:
        return ERASURES

    @pytest.fixture
    def events(self) -> Sequence[Event]:
        about = {"erasure_id": "e1", "kind": "visitor", "subject_id": "v1"}
        return (
            ErasureRequested.model_validate(about),
            ErasureRequested(erasure_id="e2", kind="user", subject_id="u2"),
            RetentionSet(tenant_id="t1", chats_days=30),
            ErasureTold.model_validate({**about, "counts": {"chats": 2}}),
            ErasurePartDone(erasure_id="e1", service="chat"),
            ErasurePartDone(erasure_id="e1", service="gateway"),
            ErasureCompleted.model_validate(about),
        )

    async def test_tell_how_far_each_is(
        self, store: ReadModelStore, past: list[Recorded[Event]], tenant_id: str
    ) -> None:
        await replay(store, past)
        found = await ErasureQueries(store).list_erasures(ListErasures(), metadata(tenant_id))
        assert [(one.id, one.status, one.parts) for one in found.items] == [
            ("e2", "requested", ()),
            ("e1", "completed", ("chat", "gateway")),
        ]
        assert found.items[1].counts == {"chats": 2}
        assert found.items[1].completed_at == past[-1].at


def too_old(**since: datetime) -> ErasureTold:
    return ErasureTold.model_validate(
        {"erasure_id": "e1", "kind": "retention", "subject_id": "t1", **since}
    )


AUDITED: Sequence[Event] = (
    WebhookDeleted(webhook_id="early", secret_refs=()),
    WebhookDeleted(webhook_id="late", secret_refs=()),
    too_old(deliveries_before=NOW + timedelta(hours=1)),
    too_old(audit_before=NOW + timedelta(minutes=1)),
    WebhookDeleted(webhook_id="later", secret_refs=()),
)


@pytest.mark.parametrize("chunk", [1, 500])
class TestTheAuditLog:
    async def test_shows_nothing_that_is_too_old(
        self, engines: Callable[[str], AsyncEngine], tenant_id: str, chunk: int
    ) -> None:
        async with fresh(engines("gateway"), AUDIT) as store:
            await replay(store, recorded(tenant_id, *AUDITED), chunk=chunk)
            shown = str((await rows(store, tenant_id))["audit_entries"])
        names = ("/early'", "/late'", "/later'")
        assert [name in shown for name in names] == [False, True, True]

    async def test_keeps_nothing_of_a_tenant_that_is_erased(
        self, engines: Callable[[str], AsyncEngine], tenant_id: str, chunk: int
    ) -> None:
        asked = ErasureRequested(erasure_id="t1", kind="tenant", subject_id="t1")
        told = ErasureTold(erasure_id="t1", kind="tenant", subject_id="t1")
        async with fresh(engines("gateway"), AUDIT) as store:
            await replay(store, recorded(tenant_id, *AUDITED, asked, told), chunk=chunk)
            assert not any((await rows(store, tenant_id)).values())


class TestDeliveries(ProjectionContract):
    @pytest.fixture
    def engine(self, engines: Callable[[str], AsyncEngine]) -> AsyncEngine:
        return engines("webhooks")

    @pytest.fixture
    def model(self) -> ReadModel:
        return DELIVERIES

    @pytest.fixture
    def events(self) -> Sequence[Event]:
        return (
            scheduled("early", 1),
            succeeded("early", 1),
            scheduled("late", 2),
            too_old(deliveries_before=NOW + timedelta(minutes=2)),
            RedeliveryRequested(delivery_id="early", webhook_id="w1"),
            succeeded("late", 1),
        )

    async def test_that_are_too_old_are_gone_with_what_was_answered(
        self, store: ReadModelStore, past: list[Recorded[Event]], tenant_id: str
    ) -> None:
        await replay(store, past)
        listed = await DeliveryQueries(store).list_deliveries(
            ListDeliveries(webhook_id="w1"), metadata(tenant_id)
        )
        assert [(one.id, one.status) for one in listed.items] == [("late", "delivered")]
        assert "'early'" not in str((await rows(store, tenant_id))["attempts"])
