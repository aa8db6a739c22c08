"""What may happen to a test suite."""

import pytest

from services.chat.domain.suites import NoSuite, SuiteState, suite_decider
from shared.contracts.base import Metadata
from shared.contracts.chat_playground import (
    QUESTIONS,
    CreateSuite,
    DeleteSuite,
    RemoveQuestion,
    RenameSuite,
    SuiteCommand,
    SuiteDeleted,
    SuiteEvent,
    SuiteQuestionRemoved,
    SuiteRenamed,
)
from shared.kernel.errors import Conflict, InvalidCommand, NotFound
from shared.kernel.testing import Scenario
from tests.unit.chat.testing import SUITE, add, added

SuiteScenario = Scenario[SuiteState, SuiteCommand, SuiteEvent]
CREATE = CreateSuite(suite_id="s1", bot_profile_id="b1", title="Guarantees")
DELETED = SuiteDeleted(suite_id="s1")


@pytest.fixture
def suite(metadata: Metadata) -> SuiteScenario:
    return Scenario(suite_decider, metadata)


class TestASuite:
    def test_is_made_once(self, suite: SuiteScenario) -> None:
        suite.given().when(CREATE).then(SUITE)
        suite.given(SUITE).when(CREATE).then_refused(Conflict, "exists already")

    def test_does_not_come_back(self, suite: SuiteScenario) -> None:
        suite.given(SUITE).when(DeleteSuite(suite_id="s1")).then(DELETED)
        suite.given(SUITE, DELETED).when(CREATE).then_refused(Conflict)
        suite.given(SUITE, DELETED).when(add("q1")).then_refused(NotFound)
        suite.given(SUITE, DELETED).then_state(NoSuite(deleted=True))

    def test_is_renamed_if_the_title_is_another(self, suite: SuiteScenario) -> None:
        command = RenameSuite(suite_id="s1", title="New")
        suite.given(SUITE).when(command).then(SuiteRenamed(suite_id="s1", title="New"))
        suite.given(SUITE, SuiteRenamed(suite_id="s1", title="New")).when(command).then_nothing()

    def test_that_is_not_there_is_not_found(self, suite: SuiteScenario) -> None:
        suite.given().when(RenameSuite(suite_id="s1", title="New")).then_refused(NotFound)


class TestQuestions:
    def test_are_added_each_by_an_event_of_its_own(self, suite: SuiteScenario) -> None:
        suite.given(SUITE).when(add("q1", "q2")).then(added("q1"), added("q2"))

    def test_tell_the_chat_that_they_are_from(self, suite: SuiteScenario) -> None:
        command = add("q1", chat_id="c1")
        assert command.data_subject == "chat/c1"
        suite.given(SUITE).when(command).then(added("q1", chat_id="c1"))
        assert added("q1", chat_id="c1").data_subject == "chat/c1"
        assert added("q1").data_subject is None

    def test_are_replaced_rather_than_changed(self, suite: SuiteScenario) -> None:
        gone = SuiteQuestionRemoved(suite_id="s1", question_id="q1")
        suite.given(SUITE, added("q1")).when(add("q2", replaces="q1")).then(gone, added("q2"))
        suite.given(SUITE).when(add("q2", replaces="q1")).then_refused(NotFound)

    def test_are_taken_out_once(self, suite: SuiteScenario) -> None:
        remove = RemoveQuestion(suite_id="s1", question_id="q1")
        gone = SuiteQuestionRemoved(suite_id="s1", question_id="q1")
        suite.given(SUITE, added("q1")).when(remove).then(gone)
        suite.given(SUITE, added("q1"), gone).when(remove).then_refused(NotFound)

    def test_have_ids_of_their_own(self, suite: SuiteScenario) -> None:
        suite.given(SUITE, added("q1")).when(add("q1")).then_refused(Conflict)
        suite.given(SUITE).when(add("q1", "q1")).then_refused(Conflict)

    def test_are_not_too_many(self, suite: SuiteScenario) -> None:
        full = [added(f"q{n}") for n in range(QUESTIONS)]
        suite.given(SUITE, *full).when(add("more")).then_refused(InvalidCommand, "at most")
        suite.given(SUITE, *full).when(add("more", replaces="q0")).then(
            SuiteQuestionRemoved(suite_id="s1", question_id="q0"), added("more")
        )
