"""A question to a bot that is not there, and an opinion about what is no answer, are refused."""

from functools import partial
from typing import Any

import pytest

from services.chat.domain.bots import Bot, BotState, NoBot
from services.chat.handlers import CheckBot, CheckChat
from shared.contracts.base import Command, Metadata
from shared.contracts.chat import BotSettings, CreateBotProfile, MessageView, UpdateBotProfile
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

    return CheckChat(current, partial(current, "bot_profile"), nothing_was_said)


async def test_an_active_bot_may_be_asked() -> None:
    await check(Bot(settings=BotSettings(name="Guide")))(ask(), metadata())


async def test_unsaved_settings_are_held_against_what_settings_can_be() -> None:
    ask_bot = check(Bot(settings=BotSettings(name="Guide")))
    await ask_bot(ask(draft={"floor": 0.5, "refusal_text": None}), metadata())
    with pytest.raises(InvalidCommand) as refusal:
        await ask_bot(ask(draft={"temperature": 9}), metadata())
    assert refusal.value.field == "temperature"


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

        return CheckChat(no_bot, no_bot, was_said)

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


class Everything:
    """Is proven."""

    async def check_publication(self, command: UpdateBotProfile, meta: Metadata) -> None:
        """It is."""

    async def check_gate(self, bot_profile_id: str, suite_id: str, meta: Metadata) -> None:
        """There is."""


class TestAnEmbeddingModelOfTheProduct:
    create = CreateBotProfile(
        bot_profile_id="b1", settings=BotSettings(name="Guide", embedding_model="local/minilm")
    )
    update = UpdateBotProfile(bot_profile_id="b1", changes={"embedding_model": "local/minilm"})

    @pytest.mark.parametrize("command", [create, update])
    async def test_is_refused_where_it_is_not_installed(self, command: Command) -> None:
        with pytest.raises(InvalidCommand, match="is not installed here") as refused:
            await CheckBot({"local/minilm"}, Everything())(command, metadata())
        assert refused.value.field == "embedding_model"

    @pytest.mark.parametrize("command", [create, update])
    async def test_is_taken_where_it_is(self, command: Command) -> None:
        await CheckBot(frozenset(), Everything())(command, metadata())

    @pytest.mark.parametrize(
        "changes", [{"name": "Other"}, {"embedding_model": None}, {"embedding_model": "other"}]
    )
    async def test_does_not_stand_in_the_way_of_other_changes(
        self, changes: dict[str, Any]
    ) -> None:
        command = UpdateBotProfile(bot_profile_id="b1", changes=changes)
        await CheckBot({"local/minilm"}, Everything())(command, metadata())
