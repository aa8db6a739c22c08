"""What a model says is told in few pieces, whole, and not beyond a stop."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import pytest
from typing_extensions import override

from services.chat.ports import LanguageModel, ModelFailed, Prompt, Spent, Text
from services.chat.reactions.hearing import hear
from tests.unit.chat.fakes import ScriptedModel

SPENT = Spent("m", 3, 2)
PROMPT = Prompt("m", (), "?", (), 0, 10)


@dataclass
class SlowModel(LanguageModel):
    """Says a word whenever it is allowed to; tells when it was let go."""

    words: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    @override
    def name(self, prompt: Prompt) -> str:
        return prompt.model

    @override
    async def stream(self, prompt: Prompt) -> AsyncGenerator[Text | Spent, None]:
        try:
            while True:
                await self.words.acquire()
                yield Text("word ")
        finally:
            self.closed.set()


class Told(list[str]):
    async def __call__(self, text: str) -> bool:
        self.append(text)
        return True


async def test_pieces_that_come_together_are_told_together() -> None:
    told = Told()
    spent = await hear(ScriptedModel([["a", "b", "c", SPENT]]), PROMPT, told, asyncio.Event(), 60)
    assert (told, spent) == (["abc"], SPENT)


async def test_the_first_word_is_told_at_once_and_the_end_waits_for_nothing() -> None:
    model, told, stopped = SlowModel(), Told(), asyncio.Event()
    first = asyncio.Event()

    async def say(text: str) -> bool:
        first.set()
        return await told(text)

    async with asyncio.TaskGroup() as tasks:
        hearing = tasks.create_task(hear(model, PROMPT, say, stopped, 3600))
        model.words.release()
        await first.wait()
        model.words.release()
        model.words.release()
        stopped.set()
    assert hearing.result() is None
    assert "".join(told) in ("word ", "word word ", "word word word ")
    assert model.closed.is_set()


async def test_what_is_held_back_makes_the_first_word_no_later() -> None:
    model, told, stopped = SlowModel(), Told(), asyncio.Event()
    asked = asyncio.Semaphore(0)

    async def say(text: str) -> bool:
        await told(text)
        asked.release()
        return len(told) > 1

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(hear(model, PROMPT, say, stopped, 3600))
        for _ in range(2):
            model.words.release()
            await asyncio.wait_for(asked.acquire(), 60)
        stopped.set()
    assert told == ["word ", "word "]


async def test_what_is_stopped_before_it_began_says_nothing() -> None:
    model, told, stopped = SlowModel(), Told(), asyncio.Event()
    stopped.set()
    assert await hear(model, PROMPT, told, stopped, 0) is None
    assert told == []


async def test_what_was_heard_is_told_before_a_failure() -> None:
    told = Told()
    broken = ModelFailed("llm_failed", "x", retryable=True)
    with pytest.raises(ModelFailed) as raised:
        await hear(ScriptedModel([["a", broken]]), PROMPT, told, asyncio.Event(), 0)
    assert raised.value is broken
    assert told == ["a"]


async def test_an_answer_without_an_end_has_failed() -> None:
    with pytest.raises(ModelFailed):
        await hear(ScriptedModel([["a"]]), PROMPT, Told(), asyncio.Event(), 0)


async def test_who_cannot_tell_lets_the_model_go() -> None:
    model = SlowModel()

    async def say(_text: str) -> bool:
        raise ConnectionError

    model.words.release()
    with pytest.raises(ConnectionError):
        await hear(model, PROMPT, say, asyncio.Event(), 0)
    assert model.closed.is_set()
