"""Until its first word somebody waits for a turn; then others' first words go before its end."""

import asyncio
from dataclasses import replace

from typing_extensions import override

from services.chat.ports import Query, Retrieval
from shared.kernel.precedence import Precedence
from tests.unit.chat.fakes import GivenChunks, ScriptedModel, Stop
from tests.unit.chat.test_answering import SPENT, World
from tests.unit.samples import recorded

LONG = 60.0


async def test_a_turn_is_waited_for_until_its_first_word() -> None:
    precedence = Precedence()
    seen: list[str] = []

    class Looking(GivenChunks):
        @override
        async def retrieve(self, tenant_id: str, bot_profile_id: str, query: Query) -> Retrieval:
            gives_way = asyncio.ensure_future(precedence.give_way(LONG))
            await asyncio.sleep(0)
            assert not gives_way.done()
            gives_way.cancel()
            seen.append("it is looked for")
            return await super().retrieve(tenant_id, bot_profile_id, query)

    async def said() -> None:
        await precedence.give_way(LONG)
        seen.append("a word is said")

    it = World(model=ScriptedModel([["Seven ", "years [1].", Stop(), SPENT]], said))
    answer = replace(it.answer, retriever=Looking(it.chunks), precedence=precedence)
    await answer(recorded(it.question))
    assert seen == ["it is looked for", "a word is said"]


async def test_its_end_comes_behind_the_first_words_of_others() -> None:
    precedence = Precedence()
    it = World()
    with precedence.first():
        task = asyncio.ensure_future(
            replace(it.answer, precedence=precedence)(recorded(it.question))
        )
        while "delta" not in it.frames.names:
            await asyncio.sleep(0)
        assert it.frames.names[-1] == "delta"
    await task
    assert it.frames.names[-1] == "done"


async def test_a_turn_that_fails_is_waited_for_no_more() -> None:
    precedence = Precedence()
    it = World(model=ScriptedModel([[RuntimeError("a bug")]]))
    try:
        await replace(it.answer, precedence=precedence)(recorded(it.question))
    except RuntimeError:
        await precedence.give_way(LONG)
    else:
        raise AssertionError("it failed")
