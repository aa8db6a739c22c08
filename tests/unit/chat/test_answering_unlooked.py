"""What a turn is mostly known not to need is not looked at."""

from dataclasses import replace

from typing_extensions import override

from services.chat.domain.chats import ChatState
from shared.contracts.base import Metadata
from shared.contracts.chat import GetTurn, TurnView
from tests.unit.chat.fakes import Conversation
from tests.unit.chat.test_answering import World
from tests.unit.samples import recorded


async def test_a_question_that_nothing_came_behind_needs_no_look_at_its_chat() -> None:
    it = World()

    async def not_asked(*of: str) -> ChatState:
        raise AssertionError(of)

    await replace(it.answer, current=not_asked)(recorded(it.question))
    assert it.frames.names[-1] == "done"


async def test_an_answer_that_ended_its_turn_is_told_without_a_look_at_the_rows() -> None:
    it = World()

    class NoRows(Conversation):
        @override
        async def get_turn(self, question: GetTurn, meta: Metadata) -> TurnView:
            raise AssertionError(question)

    await replace(it.answer, chats=NoRows([]))(recorded(it.question))
    assert it.frames.names == ["sources", "citations", "delta", "delta", "done"]
