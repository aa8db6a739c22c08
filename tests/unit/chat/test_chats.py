"""What may happen to a chat: questions open turns, and each turn ends exactly once."""

from collections import Counter

import pytest
from hypothesis import given, strategies as st

from services.chat.domain.chats import Chat, ChatState, NoChat, chat_decider, is_open, is_stopping
from shared.contracts.base import Metadata
from shared.contracts.chat import (
    AskQuestion,
    ChatCommand,
    ChatErased,
    ChatEvent,
    EraseChat,
    Feedback,
    FeedbackCleared,
    FeedbackGiven,
    QuestionAnswered,
    QuestionAsked,
    QuestionRefused,
    StopTurn,
    TurnFailed,
    TurnStopRequested,
)
from shared.kernel.errors import Conflict, NotFound
from shared.kernel.testing import Scenario
from tests.unit.chat.samples import (
    answered,
    ask,
    asked,
    cleared,
    failed,
    given as judged,
    record_answer,
    record_failed_turn,
    record_refusal,
    refused,
    set_feedback,
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

    def test_with_unsaved_settings_is_told_by_question_and_answer(self, chat: ChatScenario) -> None:
        tried = asked(draft={"floor": 1})
        chat.given().when(ask(draft={"floor": 1})).then(tried)
        chat.given(tried).when(record_answer()).then(answered(draft=True))
        chat.given(tried).when(record_refusal()).then(refused(draft=True))
        later = (tried, answered(draft=True), asked("t2"))
        chat.given(*later).when(record_answer("t2")).then(answered("t2"))

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


class TestErasing:
    ERASE = EraseChat(chat_id="c1", erasure_id="e1")
    ERASED = ChatErased(chat_id="c1", erasure_id="e1")

    def test_happens_once_and_names_turns_that_were_open(self, chat: ChatScenario) -> None:
        erased = self.ERASED.model_copy(update={"open_turns": ("t1",)})
        chat.given(asked("t1")).when(self.ERASE).then(erased)
        chat.given(asked("t1"), erased).when(self.ERASE).then_nothing()

    def test_what_is_not_there_is_refused(self, chat: ChatScenario) -> None:
        chat.when(self.ERASE).then_refused(NotFound)

    @pytest.mark.parametrize("new_chat", [True, False])
    def test_nothing_is_asked_afterwards(self, chat: ChatScenario, new_chat: bool) -> None:
        again = ask("t2", new_chat=new_chat)
        chat.given(asked("t1"), self.ERASED).when(again).then_refused(NotFound)

    def test_an_answer_that_comes_afterwards_is_nothing(self, chat: ChatScenario) -> None:
        chat.given(asked("t1"), self.ERASED).when(record_answer("t1")).then_nothing()


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


class TestAStop:
    def test_is_asked_for_once_while_the_turn_is_open(self, chat: ChatScenario) -> None:
        chat.given(asked()).when(STOP).then(STOPPING)
        chat.given(asked(), STOPPING).when(STOP).then_nothing()
        chat.given(asked(), answered()).when(STOP).then_nothing()
        chat.given().when(STOP).then_nothing()

    def test_is_over_with_the_turn(self, chat: ChatScenario) -> None:
        chat.given(asked(), asked("t2"), STOPPING, answered()).then_state(
            Chat(bot_profile_id="b1", open_turns={"t2": None})
        )

    def test_is_of_its_turn_only(self) -> None:
        state = chat_decider.fold([asked(), asked("t2"), STOPPING])
        assert is_stopping(state, "t1")
        assert not is_stopping(state, "t2")


class TestFeedback:
    def test_is_given_once(self, chat: ChatScenario) -> None:
        chat.given(asked(), answered()).when(set_feedback("m", "positive")).then(
            judged("m", "positive")
        )
        chat.given(asked(), judged("m", "positive")).when(
            set_feedback("m", "positive")
        ).then_nothing()

    def test_is_changed_and_tells_what_it_was(self, chat: ChatScenario) -> None:
        chat.given(asked(), judged("m", "positive")).when(set_feedback("m", "negative")).then(
            judged("m", "negative", "positive")
        )

    def test_is_taken_back_if_there_is_any(self, chat: ChatScenario) -> None:
        chat.given(asked(), judged("m", "negative")).when(set_feedback("m", None)).then(
            cleared("m", "negative")
        )
        chat.given(asked(), judged("m", "negative"), cleared("m", "negative")).when(
            set_feedback("m", None)
        ).then_nothing()

    def test_of_one_answer_leaves_the_others(self, chat: ChatScenario) -> None:
        chat.given(
            asked(), judged("m", "negative"), judged("n", "positive"), cleared("m", "negative")
        ).then_state(Chat(bot_profile_id="b1", open_turns={"t1": None}, feedback={"n": "positive"}))

    def test_survives_further_questions(self, chat: ChatScenario) -> None:
        chat.given(asked(), judged("m", "negative"), answered(), asked("t2")).when(
            set_feedback("m", "negative")
        ).then_nothing()

    def test_in_a_chat_that_is_not_there_is_refused(self, chat: ChatScenario) -> None:
        chat.given().when(set_feedback("m", None)).then_refused(NotFound, "Message not found")


def test_a_turn_is_open_between_its_question_and_its_end() -> None:
    assert not is_open(NoChat(), "t1")
    assert is_open(chat_decider.fold([asked()]), "t1")
    assert not is_open(chat_decider.fold([asked(), failed()]), "t1")


STOP = StopTurn(chat_id="c1", turn_id="t1")
STOPPING = TurnStopRequested(chat_id="c1", turn_id="t1")
ENDS = (QuestionAnswered, QuestionRefused, TurnFailed)
TURNS = st.sampled_from(["t1", "t2", "t3"])
MESSAGES = st.sampled_from(["m", "n"])
FEEDBACK: st.SearchStrategy[Feedback] = st.sampled_from(["positive", "negative"])
ORDERS: st.SearchStrategy[ChatCommand] = st.one_of(
    st.builds(ask, TURNS),
    st.builds(record_answer, TURNS),
    st.builds(record_refusal, TURNS),
    st.builds(record_failed_turn, TURNS),
    st.builds(set_feedback, MESSAGES, st.none() | FEEDBACK),
    st.builds(StopTurn, chat_id=st.just("c1"), turn_id=TURNS),
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
        elif isinstance(event, ENDS):
            left.remove(event.turn_id)
    assert left == (list(state.open_turns) if isinstance(state, Chat) else [])
    assert not isinstance(state, Chat) or set(state.stopping) <= set(left)


@given(st.lists(ORDERS, max_size=20))
def test_an_end_told_again_is_nothing(orders: list[ChatCommand]) -> None:
    ends = [order for order in orders if not isinstance(order, AskQuestion)]
    _, happened = play(chat_decider, [ask(), ask("t2"), ask("t3"), *orders, *ends, *ends])
    asks = Counter(e.turn_id for e in happened if isinstance(e, QuestionAsked))
    done = Counter(e.turn_id for e in happened if isinstance(e, ENDS))
    assert all(done[turn] <= asks[turn] for turn in done)


EVENTS = st.one_of(
    st.builds(asked, TURNS),
    st.builds(answered, TURNS),
    st.builds(refused, TURNS),
    st.builds(failed, TURNS),
    st.builds(judged, MESSAGES, FEEDBACK),
    st.builds(cleared, MESSAGES, FEEDBACK),
    st.builds(TurnStopRequested, chat_id=st.just("c1"), turn_id=TURNS),
)


@given(st.lists(EVENTS, max_size=15))
def test_evolving_never_raises_whatever_the_log_holds(events: list[ChatEvent]) -> None:
    kept(chat_decider, chat_decider.fold(events))


@given(st.lists(ORDERS, max_size=20))
def test_every_opinion_follows_from_the_one_before(orders: list[ChatCommand]) -> None:
    state, happened = play(chat_decider, [ask(), *orders])
    held: dict[str, Feedback] = {}
    for event in happened:
        if isinstance(event, FeedbackGiven):
            assert event.previous == held.get(event.message_id) != event.feedback
            held[event.message_id] = event.feedback
        elif isinstance(event, FeedbackCleared):
            assert held.pop(event.message_id) == event.previous
    assert isinstance(state, Chat)
    assert state.feedback == held
