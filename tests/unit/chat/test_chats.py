"""What may happen to a chat: questions open turns, and each turn ends exactly once."""

from collections import Counter

import pytest
from hypothesis import given, strategies as st

from services.chat.domain.chats import Chat, ChatState, NoChat, chat_decider, is_open
from shared.contracts.base import Metadata
from shared.contracts.chat import AskQuestion, ChatCommand, ChatEvent, QuestionAsked
from shared.kernel.errors import Conflict, NotFound
from shared.kernel.testing import Scenario
from tests.unit.chat.samples import (
    answered,
    ask,
    asked,
    failed,
    record_answer,
    record_failed_turn,
    record_refusal,
    refused,
)
from tests.unit.histories import kept, play

ChatScenario = Scenario[ChatState, ChatCommand, ChatEvent]


@pytest.fixture
def chat(metadata: Metadata) -> ChatScenario:
    return Scenario(chat_decider, metadata)


class TestAsking:
    def test_the_first_question_begins_the_chat(self, chat: ChatScenario) -> None:
        chat.given().when(ask()).then(asked())
        assert asked().first

    def test_the_next_question_goes_on(self, chat: ChatScenario) -> None:
        chat.given(asked(), answered()).when(ask("t2")).then(asked("t2"))
        assert not asked("t2").first

    def test_while_another_question_is_open_is_allowed(self, chat: ChatScenario) -> None:
        chat.given(asked()).when(ask("t2")).then(asked("t2"))

    def test_a_question_that_is_open_already_is_asked_once(self, chat: ChatScenario) -> None:
        chat.given(asked()).when(ask()).then_nothing()
        chat.given(asked(), asked("t2")).when(ask("t2")).then_nothing()

    def test_in_a_new_chat_under_a_known_id_is_refused(self, chat: ChatScenario) -> None:
        chat.given(asked()).when(ask("t2", new_chat=True)).then_refused(Conflict)

    def test_in_a_chat_that_is_not_there_is_refused(self, chat: ChatScenario) -> None:
        chat.given().when(ask("t2")).then_refused(NotFound, "Chat session not found")

    def test_another_bot_in_this_chat_is_refused_like_a_chat_that_is_not_there(
        self, chat: ChatScenario
    ) -> None:
        chat.given(asked()).when(ask("t2", bot_profile_id="b2")).then_refused(
            NotFound, "Chat session not found"
        )


class TestEnding:
    def test_with_an_answer(self, chat: ChatScenario) -> None:
        chat.given(asked()).when(record_answer()).then(answered())

    def test_with_a_refusal(self, chat: ChatScenario) -> None:
        chat.given(asked()).when(record_refusal()).then(refused())

    def test_with_a_failure(self, chat: ChatScenario) -> None:
        chat.given(asked()).when(record_failed_turn()).then(failed())

    @pytest.mark.parametrize("end", [answered(), refused(), failed()], ids=lambda e: e.name)
    @pytest.mark.parametrize(
        "second", [record_answer(), record_refusal(), record_failed_turn()], ids=lambda c: c.verb
    )
    def test_twice_is_once_however_it_ended(
        self, chat: ChatScenario, end: ChatEvent, second: ChatCommand
    ) -> None:
        chat.given(asked(), end).when(second).then_nothing()

    @pytest.mark.parametrize(
        "end", [record_answer(), record_refusal(), record_failed_turn()], ids=lambda c: c.verb
    )
    def test_a_turn_nobody_opened_is_nothing(self, chat: ChatScenario, end: ChatCommand) -> None:
        chat.given().when(end).then_nothing()
        chat.given(asked("t2", first=True)).when(end).then_nothing()

    def test_one_turn_leaves_the_others_open(self, chat: ChatScenario) -> None:
        chat.given(asked(), asked("t2"), asked("t3"), answered("t2")).then_state(
            Chat(bot_profile_id="b1", open_turns={"t1": None, "t3": None})
        )

    def test_answers_with_the_chats_own_bot(self, chat: ChatScenario) -> None:
        other = asked().model_copy(update={"bot_profile_id": "b9"})
        chat.given(other).when(record_answer()).then(
            answered().model_copy(update={"bot_profile_id": "b9"})
        )


def test_a_turn_is_open_between_its_question_and_its_end() -> None:
    assert not is_open(NoChat(), "t1")
    assert is_open(chat_decider.fold([asked()]), "t1")
    assert not is_open(chat_decider.fold([asked(), failed()]), "t1")


TURNS = st.sampled_from(["t1", "t2", "t3"])
ORDERS: st.SearchStrategy[ChatCommand] = st.one_of(
    st.builds(ask, TURNS),
    st.builds(record_answer, TURNS),
    st.builds(record_refusal, TURNS),
    st.builds(record_failed_turn, TURNS),
)


@given(st.lists(ORDERS, max_size=25))
def test_every_turn_ends_exactly_once_or_is_still_open(orders: list[ChatCommand]) -> None:
    state, happened = play(chat_decider, orders)
    left: list[str] = []
    for event in happened:
        if isinstance(event, QuestionAsked):
            assert event.turn_id not in left
            assert event.first == (event is happened[0])
            left.append(event.turn_id)
        else:
            left.remove(event.turn_id)
    assert left == (list(state.open_turns) if isinstance(state, Chat) else [])


@given(st.lists(ORDERS, max_size=20))
def test_an_end_told_again_is_nothing(orders: list[ChatCommand]) -> None:
    ends = [order for order in orders if not isinstance(order, AskQuestion)]
    _, happened = play(chat_decider, [ask(), ask("t2"), ask("t3"), *orders, *ends, *ends])
    asks = Counter(e.turn_id for e in happened if isinstance(e, QuestionAsked))
    done = Counter(e.turn_id for e in happened if not isinstance(e, QuestionAsked))
    assert all(done[turn] <= asks[turn] for turn in done)


EVENTS = st.one_of(
    st.builds(asked, TURNS),
    st.builds(answered, TURNS),
    st.builds(refused, TURNS),
    st.builds(failed, TURNS),
)


@given(st.lists(EVENTS, max_size=15))
def test_evolving_never_raises_whatever_the_log_holds(events: list[ChatEvent]) -> None:
    kept(chat_decider, chat_decider.fold(events))
