"""Questions to the chat service about test suites and runs, and their answers."""

from datetime import datetime
from typing import ClassVar, Literal

from pydantic import Field

from shared.contracts.base import Message, Page, PagedQuestion, Question
from shared.contracts.chat import BotSettings
from shared.contracts.chat_playground import (
    Ending,
    RunPlan,
    Scores,
    TestCase,
    TestedPassage,
    Variant,
    Verdict,
)

RunStatus = Literal["running", "ended", "cancelled"]


class SuiteView(Message):
    id: str
    bot_profile_id: str
    title: str
    questions: int
    created_at: datetime
    updated_at: datetime


class SuiteViews(Page):
    items: tuple[SuiteView, ...]


class TestQuestionView(Message):
    """A question of a suite."""

    __test__ = False

    id: str
    suite_id: str
    case: TestCase
    chat_id: str | None = None
    """The chat that it is from."""
    created_at: datetime


class TestQuestionViews(Page):
    __test__ = False

    items: tuple[TestQuestionView, ...]


class AskedView(Message):
    """What was asked in a turn of a chat."""

    chat_id: str
    bot_profile_id: str
    question: str


class RunView(Message):
    """How far a run is."""

    id: str
    plan: RunPlan
    status: RunStatus
    reason: str | None = None
    """Why it was cancelled."""
    results: int
    results_expected: int
    verdicts: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float
    """At list prices."""
    started_at: datetime
    ended_at: datetime | None = None


class RunViews(Page):
    items: tuple[RunView, ...]


class ResultView(Message):
    """What came of one question and one variant."""

    id: str
    position: int
    """Of the last event about it: what a stream goes on behind."""
    question_id: str
    question: str
    variant: int
    ending: Ending
    answer: str
    refused: bool
    passages: tuple[TestedPassage, ...]
    scores: Scores
    rating_reason: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float
    latency_ms: float
    error: str | None = None
    detail: str | None = None
    verdict: Verdict | None = None
    verdict_reason: str = ""


class ResultViews(Page):
    items: tuple[ResultView, ...]


class RunNews(Message):
    """Results behind a position, in the order in which they came, and the run as it is then."""

    run: RunView
    items: tuple[ResultView, ...]
    complete: bool
    """Whether nothing else has come behind them yet."""


class RunEstimate(Message):
    """What a run takes, before it begins; by the same rule as a turn is reserved."""

    questions: int
    answers: int
    calls: int
    """Of language models; answers quoted without a model are none."""
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float


class VariantSums(Message):
    """A variant over all questions."""

    variant: int
    title: str
    answered: int
    score: float
    source_found: float | None = None
    """Share of the questions with an expected source."""
    reciprocal_rank: float | None = None
    """Mean of 1 divided by the rank of the first expected source."""
    phrases: float | None = None
    overlap: float | None = None
    refusal_correct: float
    grounded: float
    rating: float | None = None
    failed: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float
    latency_ms: float
    """Median."""


class DifferenceView(Message):
    """A variant against the first one, question by question (`domain.comparing`)."""

    variant: int
    questions: int
    mean: float
    low: float
    high: float
    confidence: float
    """Share of the draws in which it is better than the first one."""
    significant: bool
    wins: int
    losses: int
    ties: int
    preferred: int = 0
    """Questions where a model finds its answer better than the first one's."""
    dispreferred: int = 0


class ComparedQuestion(Message):
    question_id: str
    question: str
    scores: tuple[float | None, ...]
    """By variant; None: no result yet."""
    spread: float
    """Between the best and the worst: what questions are sorted by, the largest first."""


class Comparison(Message):
    run: RunView
    variants: tuple[VariantSums, ...]
    differences: tuple[DifferenceView, ...]
    winner: int | None = None
    """The variant with the best mean score, if it differs significantly from the first one, or is
    the first one and all others are significantly worse."""
    questions: tuple[ComparedQuestion, ...]


class BotVersionView(Message):
    """A state of a bot's settings: who made it, when, and why."""

    version: int
    settings: BotSettings
    at: datetime
    actor: str
    reason: str
    run_id: str | None = None
    variant: int | None = None
    restores: int | None = None
    score: float | None = None
    """The mean of the variant in that run."""


class BotVersionViews(Page):
    items: tuple[BotVersionView, ...]


class GetBotVersion(Question[BotVersionView]):
    service: ClassVar[str] = "chat"
    name: ClassVar[str] = "get_bot_version"
    bot_profile_id: str
    version: int


class ListBotVersions(PagedQuestion[BotVersionViews]):
    """Of a bot, newest first."""

    service: ClassVar[str] = "chat"
    name: ClassVar[str] = "list_bot_versions"
    bot_profile_id: str


class ListSuites(PagedQuestion[SuiteViews]):
    """Of a bot, newest first."""

    service: ClassVar[str] = "chat"
    name: ClassVar[str] = "list_suites"
    bot_profile_id: str


class GetSuite(Question[SuiteView]):
    service: ClassVar[str] = "chat"
    name: ClassVar[str] = "get_suite"
    bot_profile_id: str
    suite_id: str


class ListTestQuestions(PagedQuestion[TestQuestionViews]):
    """Of a suite, in the order in which they came."""

    service: ClassVar[str] = "chat"
    name: ClassVar[str] = "list_test_questions"
    suite_id: str


class GetAsked(Question[AskedView]):
    service: ClassVar[str] = "chat"
    name: ClassVar[str] = "get_asked"
    turn_id: str


class ListRuns(PagedQuestion[RunViews]):
    """Of a bot, newest first."""

    service: ClassVar[str] = "chat"
    name: ClassVar[str] = "list_runs"
    bot_profile_id: str


class GetRun(Question[RunView]):
    service: ClassVar[str] = "chat"
    name: ClassVar[str] = "get_run"
    bot_profile_id: str
    run_id: str


class ListResults(PagedQuestion[ResultViews]):
    """Of a run, in the order in which they came."""

    service: ClassVar[str] = "chat"
    name: ClassVar[str] = "list_results"
    run_id: str


class FollowRun(Question[RunNews]):
    service: ClassVar[str] = "chat"
    name: ClassVar[str] = "follow_run"
    bot_profile_id: str
    run_id: str
    behind: int = 0
    """Position of the last result that is known."""


class PrepareRun(Question[RunPlan]):
    """The plan of a run over a suite as it is, by the bot as it is published."""

    service: ClassVar[str] = "chat"
    name: ClassVar[str] = "prepare_run"
    bot_profile_id: str
    suite_id: str
    variants: tuple[Variant, ...] = Field(min_length=1)
    judged: bool = False


class EstimateRun(Question[RunEstimate]):
    service: ClassVar[str] = "chat"
    name: ClassVar[str] = "estimate_run"
    plan: RunPlan


class CompareRun(Question[Comparison]):
    service: ClassVar[str] = "chat"
    name: ClassVar[str] = "compare_run"
    bot_profile_id: str
    run_id: str
