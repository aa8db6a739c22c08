"""An answer that is given again is not paid for, not even to put the question."""

import pytest

from services.chat.adapters.phrasing import phrasing
from services.chat.ports import Query
from shared.contracts.chat import BotSettings, QuestionAnswered, TurnFailed
from tests.unit.chat.fakes import Translator
from tests.unit.chat.samples import QUESTION, asked
from tests.unit.chat.test_answering import CHUNKS, World
from tests.unit.chat.test_spending import TOKENS, Counted


class TestAnAnswerGivenAgain:
    """Of a bot that remembers, to a question in a language that its sources do not have."""

    BOT = BotSettings(name="Guide", cache_answers=True)

    @pytest.fixture(autouse=True)
    def loaded(self) -> None:
        """What tells languages and words apart is read from disk once."""
        phrasing(QUESTION)

    def world(self, **fields: object) -> World:
        it = World(bot=self.BOT, language="pl", assistant=Translator("How long?"), **fields)  # type: ignore[arg-type]  # fields of it
        it.retriever.spoken = frozenset({"en"})
        return it

    async def after_an_answer(self, **fields: object) -> tuple[World, World]:
        """A world that has answered, and one in which the same is asked."""
        first = self.world()
        await first.attempt()
        return first, self.world(memory=first.memory, chats_before=first.chat, **fields)

    async def test_costs_no_call_of_a_model_not_even_a_translation(self) -> None:
        first, again = await self.after_an_answer()
        await again.attempt()
        end = again.chat.log[-1]
        assert isinstance(end, QuestionAnswered)
        assert (end.usage.model, end.usage.total_tokens) == ("local/cache", 0)
        assert (first.translated, again.translated, again.model.prompts) == (1, 0, [])
        assert first.retriever.queries == again.retriever.queries
        assert again.retriever.queries == [Query(QUESTION, ("How long?",))]

    async def test_is_found_by_what_a_model_made_of_the_question_however_often(self) -> None:
        first, again = await self.after_an_answer(chunks=CHUNKS[1:])
        await again.attempt()
        third = self.world(memory=first.memory, chats_before=again.chat, chunks=CHUNKS[1:])
        await third.attempt()
        assert len(again.model.prompts) == 1, "a passage that it cites is gone"
        assert (again.translated, third.translated, third.model.prompts) == (0, 0, [])
        assert again.retriever.queries == third.retriever.queries

    async def test_is_not_given_to_whoever_tries_a_draft_nor_taken_from_it(self) -> None:
        first, tried = await self.after_an_answer()
        tried.question = asked(draft={"temperature": 0.1})
        await tried.attempt()
        assert [prompt.temperature for prompt in tried.model.prompts] == [0.1]
        fresh = self.world()
        fresh.question = asked(draft={})
        await fresh.attempt()
        later = self.world(memory=fresh.memory, chats_before=fresh.chat)
        await later.attempt()
        assert len(first.model.prompts) == len(later.model.prompts) == 1

    async def test_is_translated_anew_once_there_are_other_languages(self) -> None:
        _, again = await self.after_an_answer()
        again.retriever.spoken = frozenset({"en", "de"})
        await again.attempt()
        assert (again.translated, len(again.model.prompts)) == (1, 1)

    async def test_is_given_though_the_budget_is_used_up(self) -> None:
        _, again = await self.after_an_answer(spending=Counted((TOKENS,), used=900))
        await again.attempt()
        assert isinstance(again.chat.log[-1], QuestionAnswered)

    async def test_that_does_not_hold_any_more_costs_what_the_budget_has_not(self) -> None:
        spent = Counted((TOKENS,), used=900)
        _, again = await self.after_an_answer(chunks=CHUNKS[1:], spending=spent)
        await again.attempt()
        end = again.chat.log[-1]
        assert isinstance(end, TurnFailed)
        assert (end.error, again.model.prompts) == ("budget-exceeded", [])
        assert again.frames.names == ["error"]
