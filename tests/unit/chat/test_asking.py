"""A question to a bot that is not there, and an opinion about what is no answer, are refused."""

import pytest

from services.chat.domain.bots import Bot, BotState, NoBot
from services.chat.handlers import CheckChat
from shared.contracts.base import Metadata
from shared.contracts.chat import BotSettings, MessageView
from shared.contracts.chat_history import GetMessage
from shared.kernel.errors import InvalidCommand, NotFound
from tests.unit.chat.samples import ask, record_answer, set_feedback
from tests.unit.samples import TENANT, metadata

SAID = {
    "m1": MessageView(
        id="m1",
        chat_id="c1",
        role="user",
        content="How long?",
        prompt_tokens=0,
        completion_tokens=0,
        created_at=metadata().now,
    ),
    "m2": MessageView(
        id="m2",
        chat_id="c1",
        role="assistant",
        content="Seven years.",
        prompt_tokens=1,
        completion_tokens=1,
        created_at=metadata().now,
    ),
}


async def nothing_was_said(question: GetMessage, _meta: Metadata) -> MessageView:
    raise AssertionError(question)


async def was_said(question: GetMessage, meta: Metadata) -> MessageView:
    found = SAID.get(question.message_id)
    if found is None or meta.tenant_id != TENANT or question.chat_id != found.chat_id:
        raise NotFound("Message not found")
    return found


def check(bot: BotState) -> CheckChat:
    async def current(*asked: str) -> BotState:
        assert asked == ("bot_profile", TENANT, "b1")
        return bot

    return CheckChat(current, nothing_was_said)


async def test_an_active_bot_may_be_asked() -> None:
    await check(Bot(settings=BotSettings(name="Guide")))(ask(), metadata())


@pytest.mark.parametrize("bot", [NoBot(), Bot(settings=BotSettings(name="Off", is_active=False))])
async def test_any_other_is_not_found(bot: BotState) -> None:
    with pytest.raises(NotFound, match="Bot profile not found or inactive"):
        await check(bot)(ask(), metadata())


async def test_an_answer_is_recorded_whatever_became_of_the_bot() -> None:
    await check(NoBot())(record_answer(), metadata())


class TestFeedback:
    @pytest.fixture
    def checked(self) -> CheckChat:
        async def no_bot(*_asked: str) -> BotState:
            return NoBot()

        return CheckChat(no_bot, was_said)

    async def test_is_taken_for_an_answer_whatever_became_of_the_bot(
        self, checked: CheckChat
    ) -> None:
        for feedback in ("positive", None):
            await checked(set_feedback("m2", feedback), metadata())

    async def test_is_refused_for_a_question(self, checked: CheckChat) -> None:
        with pytest.raises(InvalidCommand, match="only be set on assistant messages"):
            await checked(set_feedback("m1", "positive"), metadata())

    async def test_is_refused_for_what_was_never_said(self, checked: CheckChat) -> None:
        with pytest.raises(NotFound, match="Message not found"):
            await checked(set_feedback("m3", "positive"), metadata())
