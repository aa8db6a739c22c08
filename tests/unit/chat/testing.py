"""One suite and one run, told by their facts."""

from typing import Any

from shared.contracts.chat_playground import (
    AddedCase,
    AddQuestions,
    RecordResult,
    RecordVerdict,
    ResultRecorded,
    RunEvent,
    RunPlan,
    RunStarted,
    Scores,
    StartRun,
    SuiteCreated,
    SuiteQuestionAdded,
    TestCase,
    Variant,
    Verdict,
    VerdictRecorded,
)
from tests.unit.chat.samples import USAGE

SUITE = SuiteCreated(suite_id="s1", bot_profile_id="b1", title="Guarantees")
PLAIN = Variant(title="As it is")
HIGH = Variant(title="High floor", changes={"floor": 0.9})
SCORES = Scores(score=0.5, refusal_correct=True, grounded=True, evidence=0.7)


def case(question: str = "How long?", **fields: Any) -> TestCase:
    return TestCase(question=question, **fields)


def added(question: str = "q1", **fields: Any) -> SuiteQuestionAdded:
    return SuiteQuestionAdded(
        **{"suite_id": "s1", "question_id": question, "case": case(), **fields}
    )


def add(*questions: str, **fields: Any) -> AddQuestions:
    cases = tuple(AddedCase(question_id=one, case=case()) for one in questions)
    return AddQuestions(suite_id="s1", cases=cases, **fields)


def plan(*questions: str, **fields: Any) -> RunPlan:
    return RunPlan(
        **{
            "bot_profile_id": "b1",
            "bot_version": 1,
            "suite_id": "s1",
            "questions": questions or ("q1", "q2"),
            "variants": (PLAIN, HIGH),
            **fields,
        }
    )


def start(*questions: str, **fields: Any) -> StartRun:
    return StartRun(run_id="r1", plan=plan(*questions, **fields))


def started(*questions: str, **fields: Any) -> RunStarted:
    return RunStarted(run_id="r1", plan=plan(*questions, **fields))


def _fields(question: str, variant: int, fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "run_id": "r1",
        "question_id": question,
        "variant": variant,
        "ending": "done",
        "answer": "Seven years [1].",
        "scores": SCORES,
        "usage": USAGE,
        "latency_ms": 12.5,
        **fields,
    }


def record_result(question: str = "q1", variant: int = 0, **fields: Any) -> RecordResult:
    return RecordResult(**_fields(question, variant, fields))


def result(question: str = "q1", variant: int = 0, **fields: Any) -> ResultRecorded:
    return ResultRecorded(bot_profile_id="b1", **_fields(question, variant, fields))


def record_verdict(
    question: str = "q1", variant: int = 1, verdict: Verdict | None = "better"
) -> RecordVerdict:
    return RecordVerdict(
        run_id="r1",
        question_id=question,
        variant=variant,
        verdict=verdict,
        reason="It is right.",
        usage=USAGE,
    )


def verdict(
    question: str = "q1", variant: int = 1, told: Verdict | None = "better", **fields: Any
) -> VerdictRecorded:
    command = record_verdict(question, variant, told)
    return VerdictRecorded(**{**command.model_dump(), "bot_profile_id": "b1", **fields})


def whole_run(*questions: str) -> list[RunEvent]:
    """A run that has all its results but for the last question."""
    found: list[RunEvent] = [started(*questions)]
    found += [result(one, variant) for one in questions[:-1] for variant in (0, 1)]
    return found
