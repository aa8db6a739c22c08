"""What may happen to a test suite of a bot."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from shared.contracts.base import Message, Metadata
from shared.contracts.chat_playground import (
    QUESTIONS,
    AddQuestions,
    CreateSuite,
    DeleteSuite,
    RemoveQuestion,
    RenameSuite,
    SuiteCommand,
    SuiteCreated,
    SuiteDeleted,
    SuiteEvent,
    SuiteQuestionAdded,
    SuiteQuestionRemoved,
    SuiteRenamed,
)
from shared.kernel.decider import Decider
from shared.kernel.errors import Conflict, InvalidCommand, NotFound


class NoSuite(Message):
    """Never made, or deleted: a deleted one does not come back."""

    kind: Literal["absent"] = "absent"
    deleted: bool = False


class Suite(Message):
    kind: Literal["present"] = "present"
    bot_profile_id: str
    title: str
    questions: dict[str, None] = Field(default_factory=dict)
    """Ids, in the order in which they came."""


SuiteState = NoSuite | Suite


def decide(suite: SuiteState, command: SuiteCommand, _meta: Metadata) -> Sequence[SuiteEvent]:
    """What `command` does to `suite`. Raises `NotFound`, `Conflict` or `InvalidCommand`."""
    suite_id = command.suite_id
    if isinstance(command, CreateSuite):
        if isinstance(suite, Suite) or suite.deleted:
            raise Conflict("A suite with this id exists already")
        return [
            SuiteCreated(
                suite_id=suite_id, bot_profile_id=command.bot_profile_id, title=command.title
            )
        ]
    if isinstance(suite, NoSuite):
        raise NotFound("Suite not found")
    match command:
        case RenameSuite(title=title):
            return [] if title == suite.title else [SuiteRenamed(suite_id=suite_id, title=title)]
        case DeleteSuite():
            return [SuiteDeleted(suite_id=suite_id)]
        case AddQuestions():
            return _add(suite, command)
        case RemoveQuestion(question_id=question_id):
            return [_removed(suite, suite_id, question_id)]


def _add(suite: Suite, command: AddQuestions) -> Sequence[SuiteEvent]:
    gone: list[SuiteEvent] = []
    if command.replaces is not None:
        gone.append(_removed(suite, command.suite_id, command.replaces))
    ids = [added.question_id for added in command.cases]
    if len(set(ids)) < len(ids) or suite.questions.keys() & set(ids):
        raise Conflict("A question with this id exists already")
    if len(suite.questions) - len(gone) + len(ids) > QUESTIONS:
        raise InvalidCommand(f"A suite holds {QUESTIONS} questions at most", field="questions")
    return [
        *gone,
        *(
            SuiteQuestionAdded(
                suite_id=command.suite_id,
                question_id=added.question_id,
                case=added.case,
                chat_id=command.chat_id,
            )
            for added in command.cases
        ),
    ]


def _removed(suite: Suite, suite_id: str, question_id: str) -> SuiteQuestionRemoved:
    if question_id not in suite.questions:
        raise NotFound("Question not found")
    return SuiteQuestionRemoved(suite_id=suite_id, question_id=question_id)


def evolve(suite: SuiteState, event: SuiteEvent) -> SuiteState:
    """What `event` makes of `suite`. Never raises."""
    if isinstance(event, SuiteCreated):
        return Suite(bot_profile_id=event.bot_profile_id, title=event.title)
    if isinstance(suite, NoSuite):
        return suite
    match event:
        case SuiteRenamed(title=title):
            return suite.model_copy(update={"title": title})
        case SuiteDeleted():
            return NoSuite(deleted=True)
        case SuiteQuestionAdded(question_id=question_id):
            return suite.model_copy(update={"questions": {**suite.questions, question_id: None}})
        case SuiteQuestionRemoved(question_id=question_id):
            kept = {one: None for one in suite.questions if one != question_id}
            return suite.model_copy(update={"questions": kept})


suite_decider: Decider[SuiteState, SuiteCommand, SuiteEvent] = Decider(
    aggregate="test_suite",
    initial=NoSuite(),
    state=TypeAdapter(Annotated[SuiteState, Field(discriminator="kind")]),
    decide=decide,
    evolve=evolve,
)
