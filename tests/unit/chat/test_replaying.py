"""A past turn is asked once more, after what was said then and, if wanted, from what was given."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import pytest
from typing_extensions import override

from services.chat.domain.bots import Bot, BotState
from services.chat.domain.chats import Chat, ChatState, ErasedChat, NoChat
from services.chat.domain.grounding import Grounded, judge
from services.chat.handlers import CheckChat
from services.chat.ports import Found, candidate
from services.chat.queries.replays import found_again
from services.chat.reactions.citing import cite
from services.chat.reactions.replaying import PastTurns
from shared.contracts.base import Metadata
from shared.contracts.chat import (
    BotSettings,
    ChatErased,
    QuestionAnswered,
    QuestionRefused,
)
from shared.contracts.chat_replay import Passages, Replay
from shared.kernel.errors import NotFound
from tests.unit.chat.fakes import Conversation
from tests.unit.chat.samples import ask, asked, found
from tests.unit.chat.test_answering import CHUNKS, World
from tests.unit.chat.test_asking import nothing_was_said
from tests.unit.samples import metadata

THEN = [found("The guarantee lasted six years.", "k9", evidence=0.6)]
BEFORE = [("user", "Do you sell bells?"), ("assistant", "Yes, red ones.")]


@dataclass
class OneTurn(PastTurns):
    """A turn that may be replayed."""

    said: list[tuple[str, str]] = field(default_factory=lambda: list(BEFORE))

    @override
    async def past(self, tenant_id: str, replay: Replay) -> list[tuple[str, str]]:
        assert (replay.chat_id, replay.turn_id) == ("c0", "t0")
        return self.said

    @override
    async def given(self, tenant_id: str, turn_id: str, meta: Metadata) -> Sequence[Found]:
        assert turn_id == "t0"
        return THEN


def replaying(passages: Passages, **draft: object) -> World:
    replays = Replay(chat_id="c0", turn_id="t0", passages=passages)
    question = asked(draft=draft, replays=replays)
    origin = Chat(bot_profile_id="b1")
    return World(question=question, chat=Conversation([question]), past=OneTurn(), origin=origin)


async def test_is_answered_after_what_was_said_then_from_what_is_found_now() -> None:
    it = replaying("today", system_prompt="Answer in rhymes.")
    await it.attempt()
    (prompt,) = it.model.prompts
    assert [(turn.role, turn.content) for turn in prompt.messages[1:-1]] == BEFORE
    assert "Answer in rhymes." in prompt.messages[0].content
    end = it.chat.log[-1]
    assert isinstance(end, QuestionAnswered)
    assert (end.draft, end.bot_version) == (True, None)
    assert [one.chunk_id for one in end.citations] == ["k1", "k2"]


async def test_is_answered_from_what_was_given_then_and_nothing_is_looked_for() -> None:
    it = replaying("then")
    await it.attempt()
    (prompt,) = it.model.prompts
    assert [one.text for one in prompt.passages] == ["The guarantee lasted six years."]
    end = it.chat.log[-1]
    assert isinstance(end, QuestionAnswered)
    assert [one.chunk_id for one in end.citations] == ["k9"]
    assert it.retriever.queries == []


async def test_is_refused_where_the_draft_wants_more_than_was_given() -> None:
    it = replaying("then", floor=0.9)
    await it.attempt()
    end = it.chat.log[-1]
    assert isinstance(end, QuestionRefused)
    assert end.reason == "below_floor"
    assert end.best_score == pytest.approx(0.6)


async def test_of_a_chat_that_is_gone_meanwhile_is_gone_with_it_and_asks_no_model() -> None:
    it = replaying("today")
    it.origin = ErasedChat(erasure_id="e1")
    await it.attempt()
    end = it.chat.log[-1]
    assert isinstance(end, ChatErased)
    assert end.erasure_id == "e1"
    assert it.model.prompts == []
    assert it.frames.names[-1] == "error"


@pytest.mark.parametrize("origin", [NoChat(), ErasedChat(), Chat(bot_profile_id="b2")])
async def test_of_a_chat_that_is_not_there_or_of_another_bot_is_not_found(
    origin: ChatState,
) -> None:
    async def current(aggregate: str, _tenant: str, _id: str) -> BotState | ChatState:
        return origin if aggregate == "chat" else Bot(settings=BotSettings(name="Guide"))

    command = ask(draft={}, replays=Replay(chat_id="c0", turn_id="t0"))
    bot = partial(current, "bot_profile")
    with pytest.raises(NotFound, match="Turn not found"):
        await CheckChat(current, bot, nothing_was_said)(command, metadata())


def test_what_spoke_for_a_passage_is_known_again_from_its_citation() -> None:
    cited = cite("t1", CHUNKS, judged(CHUNKS))
    again = [found_again(one, "The guarantee lasts seven years.") for one in cited]
    found_then = [round(candidate(one).evidence, 4) for one in CHUNKS]
    assert [candidate(one).evidence for one in again] == pytest.approx(found_then)
    assert again[0].hit.text == "The guarantee lasts seven years."
    (once_more,) = cite("t2", again[:1], judged(again[:1]))
    assert once_more.model_copy(update={"citation_id": "", "snippet": ""}) == cited[0].model_copy(
        update={"citation_id": "", "snippet": ""}
    )


def judged(chunks: Sequence[Found]) -> Grounded:
    verdict = judge([candidate(one) for one in chunks])
    assert isinstance(verdict, Grounded)
    return verdict
