"""What may happen to a bot."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, strategies as st

from services.chat.domain.bots import Bot, BotState, NoBot, bot_decider
from shared.contracts.base import Metadata
from shared.contracts.chat import (
    BotProfileCommand,
    BotProfileCreated,
    BotProfileEvent,
    BotProfileUpdated,
    BotSettings,
    CreateBotProfile,
    DeactivateBotProfile,
    Publication,
    UpdateBotProfile,
)
from shared.kernel.errors import Conflict, InvalidCommand, NotFound
from shared.kernel.testing import Scenario
from tests.unit.chat.samples import BOT
from tests.unit.histories import play

BotScenario = Scenario[BotState, BotProfileCommand, BotProfileEvent]
CREATE = CreateBotProfile(bot_profile_id="b1", settings=BotSettings(name="Guide"))
DEACTIVATE = DeactivateBotProfile(bot_profile_id="b1")


@pytest.fixture
def bot(metadata: Metadata) -> BotScenario:
    return Scenario(bot_decider, metadata)


def update(**changes: Any) -> UpdateBotProfile:
    return UpdateBotProfile(bot_profile_id="b1", changes=changes)


def updated(**changes: Any) -> BotProfileUpdated:
    settings = BOT.settings.model_copy(update=changes)
    return BotProfileUpdated(bot_profile_id="b1", settings=settings)


class TestCreating:
    def test_records_the_bot(self, bot: BotScenario) -> None:
        bot.given().when(CREATE).then(BOT)

    def test_under_a_known_id_is_refused(self, bot: BotScenario) -> None:
        bot.given(BOT).when(CREATE).then_refused(Conflict, "exists already")

    def test_has_the_defaults_of_the_contract(self) -> None:
        assert BotSettings(name="x").model_dump() == {
            "name": "x",
            "description": "",
            "model": "gpt-4o-mini",
            "embedding_model": None,
            "system_prompt": "You are a helpful assistant.",
            "temperature": 0.7,
            "max_tokens": 1024,
            "credentials_ref": None,
            "is_active": True,
            "floor": None,
            "refusal_text": None,
            "check_claims": False,
            "fallback_models": (),
            "link_hosts": (),
            "chunk_size": None,
            "chunk_overlap": None,
            "cache_answers": False,
            "rerank_model": None,
            "top_k": None,
            "lexical_weight": None,
            "gate_suite_id": None,
        }


class TestUpdating:
    def test_tells_the_settings_as_they_are_from_then_on(self, bot: BotScenario) -> None:
        bot.given(BOT).when(update(model="local/extractive", temperature=0)).then(
            updated(model="local/extractive", temperature=0)
        )

    def test_leaves_alone_what_is_not_named(self, bot: BotScenario) -> None:
        kept = updated(credentials_ref="credentials/1", max_tokens=5)
        bot.given(BOT, kept).when(update(name="Manual")).then(
            updated(credentials_ref="credentials/1", max_tokens=5, name="Manual")
        )

    def test_can_forget_the_credentials(self, bot: BotScenario) -> None:
        kept = updated(credentials_ref="credentials/1")
        bot.given(BOT, kept).when(update(credentials_ref=None)).then(updated())

    def test_to_what_is_already_so_is_no_news(self, bot: BotScenario) -> None:
        bot.given(BOT).when(update(name="Guide", unknown=1)).then_nothing()

    def test_what_is_not_there_is_refused(self, bot: BotScenario) -> None:
        bot.given().when(update(name="x")).then_refused(NotFound, "Bot profile not found")

    @pytest.mark.parametrize(
        "changes",
        [
            {"name": None},
            {"temperature": 2.1},
            {"temperature": -0.1},
            {"temperature": "hot"},
            {"max_tokens": 0},
            {"max_tokens": 128_001},
            {"model": None},
            {"is_active": None},
        ],
    )
    def test_to_what_cannot_be_is_refused_and_the_field_named(
        self, bot: BotScenario, changes: dict[str, Any]
    ) -> None:
        with pytest.raises(InvalidCommand) as refusal:
            bot.given(BOT).when(update(**changes)).then()
        assert refusal.value.field == next(iter(changes))


class TestSwitchingOff:
    def test_keeps_everything_else(self, bot: BotScenario) -> None:
        bot.given(BOT).when(DEACTIVATE).then(updated(is_active=False))

    def test_twice_is_once(self, bot: BotScenario) -> None:
        bot.given(BOT, updated(is_active=False)).when(DEACTIVATE).then_nothing()

    def test_can_be_taken_back(self, bot: BotScenario) -> None:
        bot.given(BOT, updated(is_active=False)).when(update(is_active=True)).then(updated())

    def test_what_is_not_there_is_refused(self, bot: BotScenario) -> None:
        bot.given().when(DEACTIVATE).then_refused(NotFound)


ORDERS: st.SearchStrategy[BotProfileCommand] = st.one_of(
    st.just(CREATE),
    st.just(DEACTIVATE),
    st.builds(lambda name: update(name=name), st.sampled_from("ab")),
    st.builds(lambda on: update(is_active=on), st.booleans()),
    st.just(update(name=None)),
)


@given(st.lists(ORDERS, max_size=15))
def test_a_bot_is_created_once_and_no_update_repeats_the_one_before(
    orders: list[BotProfileCommand],
) -> None:
    state, happened = play(bot_decider, orders)
    assert isinstance(state, Bot) == bool(happened)
    told = [event.settings for event in happened]
    assert all(one != other for one, other in pairwise(told))
    for n, event in enumerate(happened):
        assert isinstance(event, BotProfileCreated) == (n == 0)
    if isinstance(state, Bot):
        assert state.settings == told[-1]


@given(st.lists(st.sampled_from([BOT, updated(name="x")]), max_size=5))
def test_evolving_never_raises(events: list[BotProfileEvent]) -> None:
    state = bot_decider.fold(events)
    newest = Bot(settings=events[-1].settings, version=len(events)) if events else NoBot()
    assert state == newest


class TestVersions:
    def test_rise_with_every_change(self) -> None:
        state = bot_decider.fold([BOT, updated(floor=0.5), updated(floor=0.6)])
        assert isinstance(state, Bot)
        assert state.version == 3

    def test_that_are_not_the_newest_are_not_changed(self, bot: BotScenario) -> None:
        late = update(floor=0.5).model_copy(update={"of_version": 1})
        bot.given(BOT, updated(floor=0.4)).when(late).then_refused(Conflict, "meanwhile")
        bot.given(BOT).when(late).then(updated(floor=0.5))

    def test_tell_why_they_are(self, bot: BotScenario) -> None:
        why = Publication(reason="Proven.", run_id="r1", variant=1)
        told = updated(floor=0.5).model_copy(update={"publication": why})
        command = update(floor=0.5).model_copy(update={"publication": why})
        bot.given(BOT).when(command).then(told)


class TestAGate:
    GATED = updated(gate_suite_id="s1")

    def test_keeps_what_shapes_answers_from_being_changed_without_a_run(
        self, bot: BotScenario
    ) -> None:
        bot.given(BOT, self.GATED).when(update(floor=0.5)).then_refused(Conflict, "gate")
        bot.given(BOT, self.GATED).when(update(system_prompt="x")).then_refused(Conflict, "gate")

    def test_lets_everything_else_be_changed(self, bot: BotScenario) -> None:
        renamed = updated(gate_suite_id="s1", name="Other")
        bot.given(BOT, self.GATED).when(update(name="Other", floor=None)).then(renamed)

    @pytest.mark.parametrize("why", [Publication(run_id="r1", variant=1), Publication(restores=1)])
    def test_opens_to_a_run_and_to_the_way_back(self, bot: BotScenario, why: Publication) -> None:
        command = update(floor=0.5).model_copy(update={"publication": why})
        told = updated(gate_suite_id="s1", floor=0.5).model_copy(update={"publication": why})
        bot.given(BOT, self.GATED).when(command).then(told)
