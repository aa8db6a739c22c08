"""What the log says about bots and chats, as the rows of chat show it."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.chat.main import BOTS, CHATS
from services.chat.queries.bots import BotQueries
from services.chat.queries.replays import ReplayQueries
from services.chat.queries.turns import TurnQueries
from shared.adapters.blobs import Blobs
from shared.adapters.read_model import ReadModel, ReadModelStore
from shared.contracts.base import Event, Recorded
from shared.contracts.chat import (
    BotProfileCreated,
    BotProfileUpdated,
    BotSettings,
    GetBotProfile,
    GetTurn,
    ListBotProfiles,
    QuestionAnswered,
    QuestionAsked,
    QuestionRefused,
    Timings,
    TurnFailed,
    TurnStopRequested,
    TurnView,
    Usage,
)
from shared.contracts.chat_citations import Citation
from shared.contracts.chat_history import GetReplayed
from shared.contracts.chat_replay import Replay
from shared.contracts.chat_retrieval import GetCitation
from shared.kernel.errors import Conflict, NotFound
from tests.bank.messages import metadata
from tests.integration.replay import ProjectionContract, replay

BOT = BotSettings(name="Bot", model="local/extractive", temperature=0.25)
TEXT = "Before it. Crashes lose nothing. Behind it."
USAGE = Usage(model="local/extractive", prompt_tokens=7, completion_tokens=5)


class OfChat(ProjectionContract):
    @pytest.fixture
    def engine(self, engines: Callable[[str], AsyncEngine]) -> AsyncEngine:
        return engines("chat")


class TestBots(OfChat):
    @pytest.fixture
    def model(self) -> ReadModel:
        return BOTS

    @pytest.fixture
    def events(self) -> Sequence[Event]:
        changed = BOT.model_copy(update={"name": "Renamed", "credentials_ref": "bot/b1"})
        return (
            BotProfileCreated(bot_profile_id="b1", settings=BOT),
            BotProfileCreated(bot_profile_id="b2", settings=BOT),
            BotProfileUpdated(bot_profile_id="b1", settings=changed),
            BotProfileUpdated(
                bot_profile_id="b2", settings=BOT.model_copy(update={"is_active": False})
            ),
        )

    async def test_shows_every_bot_as_it_was_last_set(
        self, store: ReadModelStore, past: list[Recorded[Event]], tenant_id: str
    ) -> None:
        await replay(store, past)
        queries = BotQueries(store)
        found = await queries.get_bot_profile(
            GetBotProfile(bot_profile_id="b1"), metadata(tenant_id)
        )
        assert (found.name, found.has_credentials, found.temperature) == ("Renamed", True, 0.25)
        assert (found.created_at, found.updated_at) == (past[0].at, past[2].at)
        assert (await queries.settings(tenant_id, "b1")).credentials_ref == "bot/b1"

    async def test_lists_all_newest_first(
        self, store: ReadModelStore, past: list[Recorded[Event]], tenant_id: str
    ) -> None:
        await replay(store, past)
        found = await BotQueries(store).list_bot_profiles(ListBotProfiles(), metadata(tenant_id))
        assert [(bot.id, bot.is_active) for bot in found.items] == [("b2", False), ("b1", True)]

    async def test_another_tenant_sees_nothing(
        self, store: ReadModelStore, past: list[Recorded[Event]], other_tenant_id: str
    ) -> None:
        await replay(store, past)
        queries, meta = BotQueries(store), metadata(other_tenant_id)
        assert (await queries.list_bot_profiles(ListBotProfiles(), meta)).items == ()
        with pytest.raises(NotFound):
            await queries.get_bot_profile(GetBotProfile(bot_profile_id="b1"), meta)
        with pytest.raises(NotFound):
            await queries.settings(other_tenant_id, "b1")


def asked(turn: int) -> QuestionAsked:
    return QuestionAsked(
        chat_id="c1",
        turn_id=f"turn-{turn}",
        bot_profile_id="b1",
        message_id=f"question-{turn}",
        first=turn == 1,
        question=f"Question {turn}?",
    )


def replays(store: ReadModelStore, blobs: Blobs, past: Sequence[Recorded[Event]]) -> ReplayQueries:
    async def event_at(sequence: int) -> Recorded[Event] | None:
        return next((one for one in past if one.sequence == sequence), None)

    return ReplayQueries(store, TurnQueries(store, blobs), event_at, blobs)


class TestChats(OfChat):
    @pytest.fixture
    def blobs(self, tmp_path: Path) -> Blobs:
        return Blobs.open((tmp_path / "blobs").as_uri())

    @pytest.fixture
    async def text_ref(self, blobs: Blobs, tenant_id: str) -> str:
        return await blobs.put(tenant_id, TEXT.encode())

    @pytest.fixture
    def model(self) -> ReadModel:
        return CHATS

    @pytest.fixture
    def events(self, text_ref: str) -> Sequence[Event]:
        citation = Citation(
            citation_id="cite-1",
            n=1,
            source_id="s1",
            document_id="d1",
            chunk_id="k1",
            revision=1,
            text_ref=text_ref,
            start=TEXT.index("Crashes"),
            end=TEXT.index(" Behind"),
            score=0.9,
            snippet="Crashes lose nothing.",
        )
        return (
            asked(1),
            QuestionAnswered(
                chat_id="c1",
                turn_id="turn-1",
                bot_profile_id="b1",
                message_id="answer-1",
                answer="Nothing [1].",
                grounded=True,
                citations=(citation,),
                usage=USAGE,
                timings=Timings(),
            ),
            asked(2),
            asked(3),
            QuestionRefused(
                chat_id="c1",
                turn_id="turn-2",
                bot_profile_id="b1",
                message_id="answer-2",
                answer="I do not know.",
                reason="below_floor",
                best_score=0.1,
                usage=USAGE,
                timings=Timings(),
            ),
            TurnFailed(
                chat_id="c1",
                turn_id="turn-3",
                bot_profile_id="b1",
                error="llm_timeout",
                detail="Too slow.",
                retryable=True,
                status=504,
                retry_after=2.5,
            ),
            asked(4),
            asked(5),
            TurnStopRequested(chat_id="c1", turn_id="turn-5"),
            QuestionAnswered(
                chat_id="c1",
                turn_id="turn-5",
                bot_profile_id="b1",
                message_id="answer-5",
                answer="",
                grounded=False,
                citations=(),
                usage=USAGE,
                timings=Timings(),
                support=0.5,
                stopped=True,
            ),
        )

    async def turn(
        self, store: ReadModelStore, blobs: Blobs, tenant_id: str, turn: int
    ) -> TurnView:
        question = GetTurn(turn_id=f"turn-{turn}")
        return await TurnQueries(store, blobs).get_turn(question, metadata(tenant_id))

    async def test_shows_how_every_turn_ended(
        self, store: ReadModelStore, blobs: Blobs, past: list[Recorded[Event]], tenant_id: str
    ) -> None:
        await replay(store, past)
        answered, refused, failed, open_ = [
            await self.turn(store, blobs, tenant_id, turn) for turn in (1, 2, 3, 4)
        ]
        assert [t.status for t in (answered, refused, failed, open_)] == [
            "answered",
            "refused",
            "failed",
            "open",
        ]
        assert answered.message is not None
        assert (answered.message.content, answered.grounded) == ("Nothing [1].", True)
        assert answered.usage == USAGE
        assert [(c.citation_id, c.n) for c in answered.citations] == [("cite-1", 1)]
        assert [hit.content for hit in answered.sources] == ["Crashes lose nothing."]
        assert refused.message is not None
        assert (refused.message.content, refused.citations) == ("I do not know.", ())
        assert (refused.reason, refused.best_score) == ("below_floor", 0.1)
        assert (failed.error, failed.detail, failed.retryable) == ("llm_timeout", "Too slow.", True)
        assert (failed.error_status, failed.retry_after) == (504, 2.5)
        assert open_.message is None
        stopped = await self.turn(store, blobs, tenant_id, 5)
        assert (stopped.status, stopped.stopped, stopped.support) == ("answered", True, 0.5)

    async def test_a_citation_leads_to_the_exact_passage(
        self, store: ReadModelStore, blobs: Blobs, past: list[Recorded[Event]], tenant_id: str
    ) -> None:
        await replay(store, past)
        found = await TurnQueries(store, blobs).get_citation(
            GetCitation(citation_id="cite-1"), metadata(tenant_id)
        )
        assert found.text == "Crashes lose nothing."
        assert (found.before, found.after) == ("Before it. ", " Behind it.")

    async def test_history_leaves_out_refusals_what_says_nothing_and_the_open_turn(
        self, store: ReadModelStore, blobs: Blobs, past: list[Recorded[Event]], tenant_id: str
    ) -> None:
        await replay(store, past)
        queries = TurnQueries(store, blobs)
        assert await queries.history(tenant_id, "c1", "turn-4", 20) == [
            ("user", "Question 1?"),
            ("assistant", "Nothing [1]."),
            ("user", "Question 3?"),
        ]
        assert len(await queries.history(tenant_id, "c1", "turn-4", 1)) == 1

    async def test_a_turn_is_replayed_after_what_was_said_before_it(
        self, store: ReadModelStore, blobs: Blobs, past: list[Recorded[Event]], tenant_id: str
    ) -> None:
        await replay(store, past)
        queries = replays(store, blobs, past)
        assert await queries.past(tenant_id, Replay(chat_id="c1", turn_id="turn-1")) == []
        assert await queries.past(tenant_id, Replay(chat_id="c1", turn_id="turn-3")) == [
            ("user", "Question 1?"),
            ("assistant", "Nothing [1]."),
        ]
        with pytest.raises(NotFound):
            await queries.past(tenant_id, Replay(chat_id="c1", turn_id="turn-9"))

    async def test_what_was_given_then_is_read_from_its_revision(
        self, store: ReadModelStore, blobs: Blobs, past: list[Recorded[Event]], tenant_id: str
    ) -> None:
        await replay(store, past)
        queries, meta = replays(store, blobs, past), metadata(tenant_id)
        (one,) = await queries.given(tenant_id, "turn-1", meta)
        assert (one.hit.text, one.hit.revision) == ("Crashes lose nothing.", 1)
        asked = await queries.get_replayed(GetReplayed(turn_id="turn-1", passages="then"), meta)
        assert (asked.bot_profile_id, asked.question) == ("b1", "Question 1?")
        await queries.get_replayed(GetReplayed(turn_id="turn-2"), meta)
        with pytest.raises(Conflict, match="no passages"):
            await queries.get_replayed(GetReplayed(turn_id="turn-2", passages="then"), meta)
        with pytest.raises(Conflict, match="not ended"):
            await queries.get_replayed(GetReplayed(turn_id="turn-4"), meta)

    async def test_another_tenant_sees_nothing(
        self, store: ReadModelStore, blobs: Blobs, past: list[Recorded[Event]], other_tenant_id: str
    ) -> None:
        await replay(store, past)
        queries, meta = TurnQueries(store, blobs), metadata(other_tenant_id)
        assert await queries.history(other_tenant_id, "c1", "turn-4", 20) == []
        with pytest.raises(NotFound):
            await self.turn(store, blobs, other_tenant_id, 1)
        with pytest.raises(NotFound):
            await queries.get_citation(GetCitation(citation_id="cite-1"), meta)
