"""A question to a bot that is not there or switched off is refused."""

import pytest

from services.chat.domain.bots import Bot, BotState, NoBot
from services.chat.handlers import CheckBot
from shared.contracts.chat import BotSettings
from shared.kernel.errors import NotFound
from tests.unit.chat.samples import ask, record_answer
from tests.unit.samples import TENANT, metadata


def check(bot: BotState) -> CheckBot:
    async def current(*asked: str) -> BotState:
        assert asked == ("bot_profile", TENANT, "b1")
        return bot

    return CheckBot(current)


async def test_an_active_bot_may_be_asked() -> None:
    await check(Bot(settings=BotSettings(name="Guide")))(ask(), metadata())


@pytest.mark.parametrize("bot", [NoBot(), Bot(settings=BotSettings(name="Off", is_active=False))])
async def test_any_other_is_not_found(bot: BotState) -> None:
    with pytest.raises(NotFound, match="Bot profile not found or inactive"):
        await check(bot)(ask(), metadata())


async def test_an_answer_is_recorded_whatever_became_of_the_bot() -> None:
    await check(NoBot())(record_answer(), metadata())
