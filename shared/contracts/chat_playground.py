"""Messages of the chat service about test suites of bots, and about runs of variants over them."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from shared.contracts.base import Command, Event, Keyed, Message, Personal
from shared.contracts.chat import PersonalText, Usage
from shared.contracts.chat_index import IndexSettings

QUESTIONS = 200
"""Of a suite at most."""
VARIANTS = 4
"""Of a run at most."""
TEXT = 2000
"""Characters of a question or of an expected answer."""
Phrase = Annotated[str, Field(min_length=1, max_length=200)]
Phrases = Annotated[tuple[Phrase, ...], Field(max_length=10)]
SourceName = Annotated[str, Field(min_length=1, max_length=500)]
Short = Annotated[str, Field(min_length=1, max_length=255)]
Verdict = Literal["better", "worse", "tie"]
Ending = Literal["done", "failed"]


class TestCase(Message):
    """A question, and what a good answer to it is known by."""

    __test__ = False  # the name begins as those of tests do

    question: Annotated[str, Field(min_length=1, max_length=TEXT)]
    expected_answer: Annotated[str, Field(min_length=1, max_length=TEXT)] | None = None
    expected_sources: Annotated[tuple[SourceName, ...], Field(max_length=10)] = ()
    """Id, address or name; any of them will do."""
    must: Phrases = ()
    """What the answer has to say, whatever the case of letters."""
    must_not: Phrases = ()
    language: Annotated[str, Field(pattern="^[a-z]{2}$")] | None = None
    refused: bool = False
    """Whether the bot should say that it does not know."""


PersonalCase = Annotated[TestCase, Personal(erased={"question": "[erased]"})]


class SuiteMessage(Keyed):
    aggregate: ClassVar[str] = "test_suite"
    suite_id: str

    @property
    @override
    def aggregate_id(self) -> str:
        return self.suite_id


class CreateSuite(SuiteMessage, Command):
    verb: ClassVar[str] = "create"
    bot_profile_id: str
    title: Short


class RenameSuite(SuiteMessage, Command):
    verb: ClassVar[str] = "rename"
    title: Short


class DeleteSuite(SuiteMessage, Command):
    verb: ClassVar[str] = "delete"


class AddedCase(Message):
    """A test case with its id."""

    question_id: str
    case: TestCase


class AddQuestions(SuiteMessage, Command):
    """All of them, or none."""

    verb: ClassVar[str] = "add_questions"
    cases: Annotated[tuple[AddedCase, ...], Personal(erased=())]
    chat_id: str | None = None
    """The chat that they are from: with it they are erased."""
    replaces: str | None = None
    """A question that goes, because these stand for it."""

    @property
    @override
    def data_subject(self) -> str | None:
        return _subject(self.chat_id)


class RemoveQuestion(SuiteMessage, Command):
    verb: ClassVar[str] = "remove_question"
    question_id: str


class SuiteCreated(SuiteMessage, Event):
    name: ClassVar[str] = "created"
    bot_profile_id: str
    title: str


class SuiteRenamed(SuiteMessage, Event):
    name: ClassVar[str] = "renamed"
    title: str


class SuiteDeleted(SuiteMessage, Event):
    """Runs over it stay readable."""

    name: ClassVar[str] = "deleted"


class SuiteQuestionAdded(SuiteMessage, Event):
    """A question is never changed, only replaced: a run goes on to tell what it asked."""

    name: ClassVar[str] = "question_added"
    question_id: str
    case: PersonalCase
    chat_id: str | None = None

    @property
    @override
    def data_subject(self) -> str | None:
        return _subject(self.chat_id)


class SuiteQuestionRemoved(SuiteMessage, Event):
    name: ClassVar[str] = "question_removed"
    question_id: str


SuiteCommand = CreateSuite | RenameSuite | DeleteSuite | AddQuestions | RemoveQuestion
SuiteEvent = SuiteCreated | SuiteRenamed | SuiteDeleted | SuiteQuestionAdded | SuiteQuestionRemoved


class Variant(Message):
    """A way to answer: the published bot, but for what is set here."""

    title: Short
    changes: dict[str, Any] = Field(default_factory=dict)
    """Fields of `BotSettings` that can be tried; none: the bot as it is published."""
    index: int | None = None
    """Number of the run's index that is asked; None: the bot's own."""


class RunMessage(Keyed):
    aggregate: ClassVar[str] = "test_run"
    run_id: str

    @property
    @override
    def aggregate_id(self) -> str:
        return self.run_id


class RunPlan(Message):
    """What is asked of whom."""

    bot_profile_id: str
    bot_version: int
    """Of the bot's settings, which the variants change."""
    suite_id: str
    questions: Annotated[tuple[str, ...], Field(min_length=1, max_length=QUESTIONS)]
    variants: Annotated[tuple[Variant, ...], Field(min_length=1, max_length=VARIANTS)]
    judged: bool = False
    """Whether a model rates the answers, and compares each variant's with those of the first."""
    indexes: Annotated[tuple[IndexSettings, ...], Field(max_length=VARIANTS)] = ()
    """Shadow indexes: what variants answer from that cut or embed otherwise than the bot does.
    They are made before the first question, and gone when the run is over.
    """


class StartRun(RunMessage, Command):
    verb: ClassVar[str] = "start"
    plan: RunPlan


class TestedPassage(Message):
    """A passage that was found, as far as it tells why."""

    __test__ = False

    rank: int
    n: int | None
    """Its number in the answer's context; None if the model did not get it."""
    chunk_id: str
    source_id: str
    source_name: str
    score: float
    evidence: float
    snippet: str


class Scores(Message):
    """How good an answer was. None where the question's test case says nothing of it."""

    score: float
    """Between 0 and 1: all that follows in one number (`domain.scoring`)."""
    source_rank: int | None = None
    """Of the first passage of an expected source, from 1."""
    source_found: bool | None = None
    """Whether an expected source is in the answer's context."""
    phrases: float | None = None
    """Share of what must and must not be said that was kept to."""
    overlap: float | None = None
    """F1 of the words of the answer and the expected one."""
    refusal_correct: bool
    grounded: bool
    evidence: float
    rating: int | None = None
    """A model's, from 1 to 5."""


class ResultFields(RunMessage):
    """What came of one question and one variant."""

    question_id: str
    variant: int
    chat_id: str | None = None
    ending: Ending
    answer: PersonalText = ""
    refused: bool = False
    passages: tuple[TestedPassage, ...] = ()
    scores: Scores
    rating_reason: PersonalText = ""
    usage: Usage
    rating_usage: Usage | None = None
    latency_ms: float = 0
    error: str | None = None
    """The code of a failure."""
    detail: str | None = None

    @property
    @override
    def data_subject(self) -> str | None:
        return _subject(self.chat_id)


class RecordResult(ResultFields, Command):
    verb: ClassVar[str] = "record_result"


class VerdictFields(RunMessage):
    """Which of two answers a model finds better: this variant's, or the first variant's."""

    question_id: str
    variant: int
    chat_id: str | None = None
    verdict: Verdict | None
    """None: no model could tell. A tie too, if the order of the answers swayed it."""
    reason: PersonalText = ""
    usage: Usage

    @property
    @override
    def data_subject(self) -> str | None:
        return _subject(self.chat_id)


class RecordVerdict(VerdictFields, Command):
    verb: ClassVar[str] = "record_verdict"


class ContinueRun(RunMessage, Command):
    """What is left is for the next stretch of work."""

    verb: ClassVar[str] = "continue"
    stretch: int


class CancelRun(RunMessage, Command):
    """Begin nothing more. What came so far stays."""

    verb: ClassVar[str] = "cancel"
    reason: str = "cancelled"


class RunStarted(RunMessage, Event):
    name: ClassVar[str] = "started"
    plan: RunPlan


class ResultRecorded(ResultFields, Event):
    name: ClassVar[str] = "result_recorded"
    bot_profile_id: str


class VerdictRecorded(VerdictFields, Event):
    name: ClassVar[str] = "verdict_recorded"
    bot_profile_id: str


class RunContinued(RunMessage, Event):
    """A stretch of work ends; this one begins."""

    name: ClassVar[str] = "continued"
    stretch: int


class RunCancelled(RunMessage, Event):
    name: ClassVar[str] = "cancelled"
    reason: str


class RunEnded(RunMessage, Event):
    """Every question has its result by every variant."""

    name: ClassVar[str] = "ended"


RunCommand = StartRun | RecordResult | RecordVerdict | ContinueRun | CancelRun
RunEvent = RunStarted | ResultRecorded | VerdictRecorded | RunContinued | RunCancelled | RunEnded


def _subject(chat_id: str | None) -> str | None:
    return None if chat_id is None else f"chat/{chat_id}"
