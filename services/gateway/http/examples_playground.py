"""What the playground is asked and answers, for the interface's description."""

from collections.abc import Mapping
from typing import Any

from services.gateway.http.examples_asking import BOT_ID, CHUNK_ID, QUESTION, SOURCE_ID

SUITE_ID = "5dafb052-9e42-4fc0-ad5f-41df607e8c06"
RUN_ID = "6eb0c163-af53-4ad1-be60-52e0718f9d07"
QUESTION_ID = "7fc1d274-b064-4be2-8f71-63f182900e08"
AT = "2026-11-21T03:07:07.323731Z"
CASE = {
    "expected_answer": "Seven years on the frame.",
    "expected_sources": ["Manual"],
    "must": ["seven years"],
    "must_not": [],
    "language": "en",
    "refused": False,
}
VARIANTS = [
    {"title": "As it is", "changes": {}},
    {"title": "More words", "changes": {"lexical_weight": 0.9}},
]
RUN = {
    "id": RUN_ID,
    "bot_profile_id": BOT_ID,
    "bot_version": 4,
    "suite_id": SUITE_ID,
    "questions": 50,
    "variants": VARIANTS,
    "judged": False,
    "status": "ended",
    "reason": None,
    "results": 100,
    "results_expected": 100,
    "verdicts": 0,
    "prompt_tokens": 81_200,
    "completion_tokens": 6400,
    "cost_usd": 0.016,
    "started_at": AT,
    "ended_at": AT,
}
PASSAGE = {
    "rank": 1,
    "n": 1,
    "chunk_id": CHUNK_ID,
    "source_id": SOURCE_ID,
    "source_name": "Manual",
    "score": 0.83,
    "evidence": 0.86,
    "snippet": "Every bicycle carries a guarantee of seven years on its frame.",
}
SCORES = {
    "score": 0.95,
    "source_rank": 1,
    "source_found": True,
    "phrases": 1.0,
    "overlap": 0.85,
    "refusal_correct": True,
    "grounded": True,
    "evidence": 0.86,
    "rating": None,
}
SUMS = {
    "variant": 0,
    "title": "As it is",
    "answered": 50,
    "failed": 0,
    "score": 0.81,
    "source_found": 0.9,
    "reciprocal_rank": 0.84,
    "phrases": 0.88,
    "overlap": 0.71,
    "refusal_correct": 0.96,
    "grounded": 0.92,
    "rating": None,
    "prompt_tokens": 40_600,
    "completion_tokens": 3200,
    "cost_usd": 0.008,
    "latency_ms": 640.0,
}
DIFFERENCE = {
    "variant": 1,
    "questions": 50,
    "mean": 0.06,
    "low": 0.02,
    "high": 0.11,
    "confidence": 0.996,
    "significant": True,
    "wins": 9,
    "losses": 2,
    "ties": 39,
    "preferred": 0,
    "dispreferred": 0,
}
COMPARED = {
    "question_id": QUESTION_ID,
    "question": QUESTION,
    "scores": [0.2, 0.95],
    "spread": 0.75,
}
TRIED = {"title": "More words", "lexical_weight": 0.9}
PLAN = {
    "suite_id": SUITE_ID,
    "variants": [{"title": "As it is"}, TRIED],
    "judged": False,
}
PLAYGROUND: Mapping[str, Mapping[str, Any]] = {
    "SuiteIn": {"title": "Guarantees"},
    "SuiteOut": {
        "id": SUITE_ID,
        "bot_profile_id": BOT_ID,
        "title": "Guarantees",
        "questions": 50,
        "created_at": AT,
        "updated_at": AT,
    },
    "TestQuestionIn": {"question": QUESTION, **CASE},
    "TestQuestionOut": {
        "id": QUESTION_ID,
        "suite_id": SUITE_ID,
        "question": QUESTION,
        **CASE,
        "chat_id": None,
        "created_at": AT,
    },
    "SuiteFileIn": {"csv": f"question,must,refused\r\n{QUESTION},seven years,false\r\n"},
    "VariantIn": TRIED,
    "PlanIn": PLAN,
    "RunIn": {**PLAN, "stream": False},
    "VariantOut": VARIANTS[1],
    "RunOut": RUN,
    "TestedPassageOut": PASSAGE,
    "ScoresOut": SCORES,
    "ResultOut": {
        "question_id": QUESTION_ID,
        "question": QUESTION,
        "variant": 1,
        "ending": "done",
        "answer": "Seven years on the frame [1].",
        "refused": False,
        "passages": [PASSAGE],
        "scores": SCORES,
        "rating_reason": "",
        "model": "gpt-4o-mini",
        "prompt_tokens": 812,
        "completion_tokens": 64,
        "cost_usd": 0.00016,
        "latency_ms": 640.2,
        "error": None,
        "detail": None,
        "verdict": None,
        "verdict_reason": "",
    },
    "RunEstimateOut": {
        "questions": 50,
        "answers": 100,
        "calls": 100,
        "prompt_tokens": 83_000,
        "completion_tokens": 50_000,
        "cost_usd": 0.042,
    },
    "VariantSumsOut": SUMS,
    "DifferenceOut": DIFFERENCE,
    "ComparedQuestionOut": COMPARED,
    "PublishIn": {"variant": 1, "reason": "More questions find their source."},
    "RestoreIn": {"reason": "The wording was too terse."},
    "BotVersionOut": {
        "version": 5,
        "at": AT,
        "actor": "user/2a7c8d29-6b1f-4c9d-9a2c-1eacf3d4b593",
        "actor_name": "Mira Berg",
        "reason": "More questions find their source.",
        "run_id": RUN_ID,
        "variant": 1,
        "score": 0.87,
        "restores": None,
        "model": "gpt-4o-mini",
        "system_prompt": "You are a helpful assistant.",
        "temperature": 0.7,
        "max_tokens": 1024,
        "floor": None,
        "top_k": None,
        "lexical_weight": 0.9,
    },
    "ComparisonOut": {
        "run": RUN,
        "variants": [SUMS, {**SUMS, "variant": 1, "title": "More words", "score": 0.87}],
        "differences": [DIFFERENCE],
        "winner": 1,
        "questions": [COMPARED],
    },
}
