"""A question becomes exactly one end, told and stored, whatever happens on the way."""

import json
from dataclasses import dataclass, field, replace

import pytest
from typing_extensions import override

from services.chat.adapters.answer_memory import RecentAnswers
from services.chat.domain.chats import ChatState, NoChat
from services.chat.ports import (
    Assistant,
    ChatReader,
    Found,
    ModelFailed,
    Query,
    Retrieval,
    Spent,
)
from services.chat.reactions.answering import AnswerQuestion, StopAnswering
from services.chat.reactions.remembering import RememberAnswers
from services.chat.reactions.replaying import PastTurns, Replays
from services.chat.reactions.spending import Purse
from shared.contracts.chat import (
    BotSettings,
    QuestionAnswered,
    QuestionAsked,
    QuestionRefused,
    Said,
    TurnFailed,
    TurnStopRequested,
)
from shared.kernel.errors import Unavailable
from tests.unit.chat.fakes import (
    Conversation,
    GivenChunks,
    KeptFrames,
    Killed,
    NoAssistant,
    NoPast,
    OneBot,
    Piece,
    ScriptedModel,
    Signals,
    Stop,
    Translator,
)
from tests.unit.chat.samples import QUESTION, asked, found
from tests.unit.chat.test_spending import TOKENS, Counted
from tests.unit.samples import recorded

SPENT = Spent("gpt-4o-mini", 100, 20)
GOOD: list[Piece] = ["Seven ", "years [1].", SPENT]
CHUNKS = [found("The guarantee lasts seven years."), found("Bells are red.", "k2", evidence=0.6)]
BROKEN = ModelFailed("llm_failed", "The language model failed.", retryable=True)


@dataclass
class World:
    """Everything around one question."""

    model: ScriptedModel = field(default_factory=lambda: ScriptedModel([list(GOOD)]))
    chunks: list[Found] = field(default_factory=lambda: list(CHUNKS))
    bot: BotSettings = field(default_factory=lambda: BotSettings(name="Guide"))
    secrets: dict[str, bytes] = field(default_factory=dict)
    hosts: frozenset[str] = frozenset()
    spending: Counted = field(default_factory=lambda: Counted(()))
    language: str | None = "en"
    chat: Conversation = field(default_factory=lambda: Conversation([asked()]))
    frames: KeptFrames = field(default_factory=KeptFrames)
    stops: Signals = field(default_factory=Signals)
    memory: RecentAnswers = field(default_factory=RecentAnswers)
    assistant: Assistant = field(default_factory=NoAssistant)
    chats_before: ChatReader | None = None
    """Where answers that were given before are read."""
    question: QuestionAsked = field(default_factory=asked)
    past: PastTurns = field(default_factory=NoPast)
    origin: ChatState = field(default_factory=NoChat)
    """The chat that is replayed."""

    def __post_init__(self) -> None:
        self.retriever = GivenChunks(self.chunks)

    @property
    def answer(self) -> AnswerQuestion:
        async def secret(_tenant: str, ref: str) -> bytes | None:
            return self.secrets.get(ref)

        async def shown(position: int, _seconds: float) -> int:
            return position

        async def hosts(_tenant: str, _bot: str) -> frozenset[str]:
            return self.hosts

        return AnswerQuestion(
            execute=self.chat.execute,
            current=self.chat.current,
            newest=self.chat.newest,
            bots=OneBot(self.bot),
            chats=self.chat,
            retriever=self.retriever,
            hosts=hosts,
            model=self.model,
            assistant=self.assistant,
            purse=Purse(self.spending, shown),
            frames=self.frames,
            secret=secret,
            detect=lambda _: self.language,
            stops=self.stops,
            answers=RememberAnswers(self.memory, self.chats_before or self.chat),
            replays=Replays(self.chat.execute, self.current, self.past),
            frame_seconds=0,
        )

    async def current(self, aggregate: str, tenant_id: str, chat_id: str) -> ChatState:
        if chat_id == "c0":
            return self.origin
        return await self.chat.current(aggregate, tenant_id, chat_id)

    @property
    def translated(self) -> int:
        return self.assistant.asked if isinstance(self.assistant, Translator) else 0

    async def attempt(self) -> None:
        await self.answer(recorded(self.question))

    async def stopped_while_it_looks(self) -> None:
        """An attempt during whose search somebody stops the turn."""
        answer, stops = self.answer, self.stops

        class Stopped(GivenChunks):
            @override
            async def retrieve(
                self, tenant_id: str, bot_profile_id: str, query: Query
            ) -> Retrieval:
                await stops.tell("t1", "t1")
                return await super().retrieve(tenant_id, bot_profile_id, query)

        await replace(answer, retriever=Stopped(self.chunks))(recorded(self.question))


class TestAnAnswer:
    async def test_is_streamed_stored_and_ended(self) -> None:
        it = World()
        await it.attempt()
        assert it.frames.names == ["sources", "citations", "delta", "delta", "done"]
        end = it.chat.log[-1]
        assert isinstance(end, QuestionAnswered)
        assert (end.answer, end.grounded) == ("Seven years [1].", True)
        assert (end.usage.model, end.usage.total_tokens) == ("gpt-4o-mini", 120)
        assert it.frames.shown == end.answer
        done = it.frames.data("done")
        assert done["usage"] == {
            "model": "gpt-4o-mini",
            "prompt_tokens": 100,
            "completion_tokens": 20,
            "total_tokens": 120,
        }
        assert (done["chat_id"], done["message_id"]) == ("c1", end.message_id)

    async def test_of_a_draft_is_made_with_what_is_unsaved_and_else_with_the_bots_own(self) -> None:
        it = World(bot=BotSettings(name="Guide", temperature=0.4, max_tokens=77))
        it.question = asked(draft={"model": "gpt-4o", "system_prompt": "Answer in rhymes."})
        await it.attempt()
        (prompt,) = it.model.prompts
        assert (prompt.model, prompt.temperature, prompt.max_tokens) == ("gpt-4o", 0.4, 77)
        assert "Answer in rhymes." in prompt.messages[0].content

    async def test_to_the_first_question_of_a_chat_looks_for_no_conversation(self) -> None:
        it = World()
        it.chat.past = [("user", "Asked meanwhile, in another tab")]
        await it.attempt()
        assert [turn.content for turn in it.model.prompts[0].messages[1:]] == [QUESTION]

    async def test_cites_exactly_where_its_passages_stand(self) -> None:
        it = World()
        await it.attempt()
        end = it.chat.log[-1]
        assert isinstance(end, QuestionAnswered)
        first = end.citations[0]
        assert (first.n, first.source_id, first.revision) == (1, "s1", 3)
        assert (first.start, first.end, first.text_ref) == (10, 42, "text")
        assert (first.title, first.heading, first.score) == ("Manual", "Manual > Guarantee", 0.9)
        told = it.frames.data("citations")["items"][0]
        assert not {"text_ref", "snippet"} & set(told)
        assert set(it.frames.data("sources")["sources"][0]) == {
            "chunk_id",
            "content",
            "score",
            "source_id",
        }

    @pytest.mark.parametrize(
        ("said", "grounded"),
        [("Seven [2].", True), ("Seven.", False), ("Seven [3].", False), ("Ja [0] [99]", False)],
    )
    async def test_is_grounded_if_it_cites_what_it_was_given(
        self, said: str, grounded: bool
    ) -> None:
        it = World(ScriptedModel([[said, SPENT]]))
        await it.attempt()
        assert it.frames.data("done")["grounded"] is grounded

    async def test_loses_the_numbers_of_passages_it_was_not_given(self) -> None:
        it = World(ScriptedModel([["Seven ", "years [", "1, 9] or", " [4", "].", SPENT]]))
        await it.attempt()
        end = it.chat.log[-1]
        assert isinstance(end, QuestionAnswered)
        assert end.answer == it.frames.shown == "Seven years [1] or."

    async def test_is_asked_for_with_the_bots_settings_conversation_and_credentials(self) -> None:
        bot = BotSettings(
            name="G", model="m", temperature=0.1, max_tokens=9, credentials_ref="credentials/1"
        )
        it = World(bot=bot, secrets={"credentials/1": json.dumps({"api_key": "sk-1"}).encode()})
        it.question = asked(first=False)
        it.chat.past = [("user", "Hi"), ("assistant", "Hello")]
        await it.attempt()
        prompt = it.model.prompts[0]
        assert (prompt.model, prompt.temperature, prompt.max_tokens) == ("m", 0.1, 9)
        assert prompt.credentials == {"api_key": "sk-1"}
        assert "sk-1" not in repr(prompt)
        assert [(t.role, t.content) for t in prompt.messages[1:]] == [
            ("user", "Hi"),
            ("assistant", "Hello"),
            ("user", QUESTION),
        ]
        assert "The guarantee lasts seven years." in prompt.messages[0].content

    async def test_takes_the_conversation_that_comes_with_the_question_for_the_stored_one(
        self,
    ) -> None:
        it = World()
        it.chat.past = [("user", "Stored"), ("assistant", "Stored")]
        before = (Said(role="user", content="Hi"), Said(role="assistant", content="Hello"))
        it.chat.log[:] = [asked().model_copy(update={"before": before})]
        await it.answer(recorded(asked().model_copy(update={"before": before})))
        said = [turn.content for turn in it.model.prompts[0].messages[1:]]
        assert said == ["Hi", "Hello", QUESTION]

    async def test_forgotten_credentials_are_none(self) -> None:
        it = World(bot=BotSettings(name="G", credentials_ref="credentials/gone"))
        await it.attempt()
        assert it.model.prompts[0].credentials == {}

    async def test_of_every_turn_has_another_boundary_around_its_context(self) -> None:
        it = World()
        await it.attempt()
        it.chat.log[:] = [asked()]
        it.frames.kept.clear()
        await it.attempt()
        first, second = (prompt.messages[0].content for prompt in it.model.prompts)
        assert first != second


class TestARefusal:
    @pytest.mark.parametrize(
        ("chunks", "reason"),
        [([], "nothing_found"), ([found("Rain.", evidence=0.1)], "below_floor")],
    )
    async def test_is_told_and_stored_and_asks_no_model(
        self, chunks: list[Found], reason: str
    ) -> None:
        it = World(chunks=chunks, language="de")
        await it.attempt()
        assert it.frames.names == ["sources", "citations", "delta", "refused", "done"]
        assert it.frames.data("sources") == {"sources": []}
        end = it.chat.log[-1]
        assert isinstance(end, QuestionRefused)
        assert (end.reason, end.usage.model, end.usage.total_tokens) == (reason, "local/none", 0)
        assert "keine Antwort" in end.answer == it.frames.shown
        assert it.frames.data("done")["grounded"] is False
        assert it.model.prompts == []


class TestABudget:
    async def test_that_is_used_up_ends_the_turn_before_any_model_is_asked(self) -> None:
        it = World(spending=Counted((TOKENS,), used=900))
        await it.attempt()
        end = it.chat.log[-1]
        assert isinstance(end, TurnFailed)
        assert (end.error, end.status, end.retryable) == ("budget-exceeded", 402, False)
        assert it.frames.names == ["error"]
        assert it.model.prompts == []

    async def test_that_lasts_lets_it_answer(self) -> None:
        it = World(spending=Counted((replace(TOKENS, amount=5000),)))
        await it.attempt()
        assert isinstance(it.chat.log[-1], QuestionAnswered)


class TestAModelThatFails:
    @pytest.mark.parametrize("before", [[], ["Seven or ", "eight "]])
    async def test_ends_the_turn_once_in_words_fit_for_visitors(self, before: list[str]) -> None:
        failure = ModelFailed(
            "llm_rate_limited", "No more requests.", retryable=True, status=429, retry_after=7.0
        )
        it = World(ScriptedModel([[*before, failure]]))
        await it.attempt()
        assert it.frames.names[-1] == "error"
        assert it.frames.data("error") == {
            "detail": "No more requests.",
            "code": "llm_rate_limited",
            "retryable": True,
        }
        end = it.chat.log[-1]
        assert isinstance(end, TurnFailed)
        assert (end.status, end.retry_after) == (429, 7.0)

    @pytest.mark.parametrize("said", [[SPENT], ["  \n", SPENT], ["Seven"], []])
    async def test_to_say_anything_or_to_end_has_failed_too(self, said: list[Piece]) -> None:
        it = World(ScriptedModel([said]))
        await it.attempt()
        assert isinstance(it.chat.log[-1], TurnFailed)
        assert it.frames.names[-1] == "error"

    async def test_to_take_it_all_gets_less_the_conversation_first(self) -> None:
        long = ModelFailed("llm_context_too_long", "Too long.", retryable=False)
        it = World(ScriptedModel([[long], [long], list(GOOD)]))
        it.chunks[:] = [found(f"Guarantee {n}: seven years.", f"k{n}") for n in range(4)]
        it.retriever.chunks = it.chunks
        it.question = asked(first=False)
        it.chat.past = [("user", "Hi"), ("assistant", "Hello")]
        await it.attempt()
        assert it.frames.names[-1] == "done"
        assert [(len(p.messages), len(p.passages)) for p in it.model.prompts] == [
            (4, 4),
            (2, 4),
            (2, 2),
        ]

    async def test_to_take_even_little_has_failed(self) -> None:
        long = ModelFailed("llm_context_too_long", "Too long.", retryable=False)
        it = World(ScriptedModel([[long]]))
        await it.attempt()
        assert it.frames.data("error")["code"] == "llm_context_too_long"
        assert len(it.model.prompts) == 1

    async def test_in_a_way_nobody_expected_leaves_the_turn_to_the_next_attempt(self) -> None:
        it = World(ScriptedModel([["Seven ", "years ", RuntimeError("bug")], list(GOOD)]))
        with pytest.raises(RuntimeError):
            await it.attempt()
        assert it.frames.names == ["sources", "citations", "delta"]
        await it.attempt()
        assert it.frames.shown == "Seven years [1]."
        assert it.frames.names.count("done") == 1


class TestAfterAKill:
    async def test_in_the_middle_nothing_is_said_twice(self) -> None:
        it = World(ScriptedModel([["Seven ", Killed()], list(GOOD)]))
        with pytest.raises(Killed):
            await it.attempt()
        await it.attempt()
        assert it.frames.names == ["sources", "citations", "delta", "delta", "done"]
        assert it.frames.shown == "Seven years [1]."

    async def test_a_model_that_says_something_else_begins_anew(self) -> None:
        it = World(ScriptedModel([["Eight or more ", Killed()], list(GOOD)]))
        with pytest.raises(Killed):
            await it.attempt()
        await it.attempt()
        assert "reset" in it.frames.names
        assert it.frames.shown == "Seven years [1]."

    @pytest.mark.parametrize("lost", [False, True])
    async def test_behind_the_stored_answer_only_its_end_is_told(self, lost: bool) -> None:
        it = World()
        it.chat.dies_after = "answer"
        with pytest.raises(Killed):
            await it.attempt()
        if lost:
            it.frames.kept.clear()
        await it.attempt()
        assert it.frames.names[-1] == "done"
        assert it.frames.shown == "Seven years [1]."
        assert len(it.model.prompts) == 1
        assert it.frames.names.count("sources") == 1

    @pytest.mark.parametrize("lost", [False, True])
    async def test_behind_a_stored_refusal_its_end_is_told(self, lost: bool) -> None:
        it = World(chunks=[])
        it.chat.dies_after = "refuse"
        with pytest.raises(Killed):
            await it.attempt()
        if lost:
            it.frames.kept.clear()
        await it.attempt()
        assert it.frames.names[-1] == "done"
        assert "cannot find" in it.frames.shown

    async def test_behind_the_end_nothing_is_told(self) -> None:
        it = World()
        await it.attempt()
        before = list(it.frames.kept)
        await it.attempt()
        assert it.frames.kept == before
        assert it.chat.ordered == ["answer"]


class TestAStop:
    async def test_keeps_what_was_said_and_counts_it(self) -> None:
        it = World(ScriptedModel([["Seven ", "[1] ", Stop(), "years.", SPENT]]))
        it.model.stop = lambda: it.stops.tell("t1", "t1")
        await it.attempt()
        end = it.chat.log[-1]
        assert isinstance(end, QuestionAnswered)
        assert (end.answer, end.stopped, end.grounded) == ("Seven [1]", True, True)
        assert end.usage.model == "gpt-4o-mini"
        assert end.usage.completion_tokens == 3
        assert end.usage.prompt_tokens > 100
        assert it.frames.shown == end.answer
        assert it.frames.data("done")["stopped"] is True

    async def test_before_the_first_word_asks_no_model(self) -> None:
        it = World()
        it.chat.log.append(TurnStopRequested(chat_id="c1", turn_id="t1"))
        await it.attempt()
        end = it.chat.log[-1]
        assert isinstance(end, QuestionAnswered)
        assert (end.answer, end.stopped, end.usage.total_tokens) == ("", True, 0)
        assert it.model.prompts == []
        assert it.frames.names[-1] == "done"

    async def test_while_it_is_looked_up_asks_no_model(self) -> None:
        it = World()
        await it.stopped_while_it_looks()
        end = it.chat.log[-1]
        assert isinstance(end, QuestionAnswered)
        assert (end.answer, end.stopped, it.model.prompts) == ("", True, [])

    async def test_after_a_kill_keeps_what_the_killed_attempt_has_told(self) -> None:
        it = World(ScriptedModel([["Seven years [1] or more ", Killed()]]))
        with pytest.raises(Killed):
            await it.attempt()
        it.chat.log.append(TurnStopRequested(chat_id="c1", turn_id="t1"))
        await it.attempt()
        end = it.chat.log[-1]
        assert isinstance(end, QuestionAnswered)
        assert (end.answer, end.grounded) == ("Seven years [1] or ", True)
        assert it.frames.names == ["sources", "citations", "delta", "done"]

    async def test_is_passed_on_to_whoever_answers(self) -> None:
        signals = Signals()
        async with signals.heard("t1", "t1") as stopped:
            stop = TurnStopRequested(chat_id="c1", turn_id="t1")
            await StopAnswering(signals)(recorded(stop))
            assert stopped.is_set()


class TestTheWorld:
    async def test_away_leaves_the_turn_open_for_another_attempt(self) -> None:
        it = World()
        it.retriever.error = Unavailable("the index does not answer")
        with pytest.raises(Unavailable):
            await it.attempt()
        assert (it.frames.kept, len(it.chat.log)) == ([], 1)
        it.retriever.error = None
        await it.attempt()
        assert it.frames.names[-1] == "done"

    async def test_away_for_good_ends_the_turn_with_an_error(self) -> None:
        it = World(ScriptedModel([["Seven ", Killed()]]))
        with pytest.raises(Killed):
            await it.attempt()
        await it.answer.given_up(recorded(asked()), "the index does not answer")
        assert isinstance(it.chat.log[-1], TurnFailed)
        assert it.frames.names[-1] == "error"
        assert [frame.i for frame in it.frames.kept] == list(range(1, len(it.frames.kept) + 1))
        assert "index" not in it.frames.data("error")["detail"]

    async def test_away_after_the_answer_was_stored_takes_nothing_from_it(self) -> None:
        it = World()
        it.chat.dies_after = "answer"
        with pytest.raises(Killed):
            await it.attempt()
        await it.answer.given_up(recorded(asked()), "the frames do not answer")
        assert isinstance(it.chat.log[-1], QuestionAnswered)
        assert it.frames.names[-1] == "done"
