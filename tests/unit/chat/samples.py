"""One bot, one chat and some passages, told by their facts."""

from typing import Any

from services.chat.domain.grounding import Candidate
from services.chat.domain.prompt import Passage
from services.chat.ports import Found, Hit
from shared.contracts.chat import (
    AskQuestion,
    BotProfileCreated,
    BotSettings,
    Feedback,
    FeedbackCleared,
    FeedbackGiven,
    QuestionAnswered,
    QuestionAsked,
    QuestionRefused,
    RecordAnswer,
    RecordFailedTurn,
    RecordRefusal,
    SetFeedback,
    Timings,
    TurnFailed,
    Usage,
)
from shared.contracts.chat_citations import Citation
from shared.kernel.ids import derived_id

BOT = BotProfileCreated(bot_profile_id="b1", settings=BotSettings(name="Guide"))
USAGE = Usage(model="gpt-4o-mini", prompt_tokens=100, completion_tokens=20)
TIMINGS = Timings(retrieval_ms=5, first_token_ms=50, total_ms=90)
QUESTION = "How long is the guarantee?"
ANSWER = "Seven years [1]."


def citation(n: int = 1) -> Citation:
    return Citation(
        citation_id=f"c{n}",
        n=n,
        source_id="s1",
        document_id="d1",
        chunk_id=f"chunk-{n}",
        title="Manual",
        revision=1,
        text_ref="text",
        start=0,
        end=10,
        score=0.8,
        snippet="The guarantee",
    )


def ask(turn: str = "t1", **fields: Any) -> AskQuestion:
    return AskQuestion(
        **{
            "chat_id": "c1",
            "turn_id": turn,
            "bot_profile_id": "b1",
            "new_chat": turn == "t1",
            "question": QUESTION,
            **fields,
        }
    )


def record_answer(turn: str = "t1") -> RecordAnswer:
    return RecordAnswer(
        chat_id="c1",
        turn_id=turn,
        answer=ANSWER,
        grounded=True,
        citations=(citation(),),
        usage=USAGE,
        timings=TIMINGS,
    )


def record_refusal(turn: str = "t1") -> RecordRefusal:
    return RecordRefusal(
        chat_id="c1",
        turn_id=turn,
        answer="I cannot find an answer.",
        reason="below_floor",
        best_score=0.2,
        usage=Usage(model="local/none"),
        timings=TIMINGS,
    )


def record_failed_turn(turn: str = "t1") -> RecordFailedTurn:
    return RecordFailedTurn(
        chat_id="c1",
        turn_id=turn,
        error="llm_rate_limited",
        detail="Too many requests.",
        retryable=True,
        status=429,
        retry_after=7.0,
    )


def set_feedback(message: str, feedback: Feedback | None) -> SetFeedback:
    return SetFeedback(chat_id="c1", message_id=message, feedback=feedback)


def given(message: str, feedback: Feedback, previous: Feedback | None = None) -> FeedbackGiven:
    return FeedbackGiven(
        chat_id="c1",
        bot_profile_id="b1",
        message_id=message,
        feedback=feedback,
        previous=previous,
    )


def cleared(message: str, previous: Feedback) -> FeedbackCleared:
    return FeedbackCleared(chat_id="c1", bot_profile_id="b1", message_id=message, previous=previous)


def asked(turn: str = "t1", *, first: bool | None = None, **fields: Any) -> QuestionAsked:
    return QuestionAsked(
        chat_id="c1",
        turn_id=turn,
        bot_profile_id="b1",
        message_id=derived_id("message", turn, "user"),
        first=turn == "t1" if first is None else first,
        question=QUESTION,
        **fields,
    )


def answered(turn: str = "t1", *, draft: bool = False) -> QuestionAnswered:
    return QuestionAnswered(
        chat_id="c1",
        turn_id=turn,
        bot_profile_id="b1",
        message_id=derived_id("message", turn, "assistant"),
        answer=ANSWER,
        grounded=True,
        citations=(citation(),),
        usage=USAGE,
        timings=TIMINGS,
        draft=draft,
    )


def refused(turn: str = "t1", *, draft: bool = False) -> QuestionRefused:
    return QuestionRefused(
        chat_id="c1",
        turn_id=turn,
        bot_profile_id="b1",
        message_id=derived_id("message", turn, "assistant"),
        answer="I cannot find an answer.",
        reason="below_floor",
        best_score=0.2,
        usage=Usage(model="local/none"),
        timings=TIMINGS,
        draft=draft,
    )


def failed(turn: str = "t1") -> TurnFailed:
    return TurnFailed(
        chat_id="c1",
        turn_id=turn,
        bot_profile_id="b1",
        error="llm_rate_limited",
        detail="Too many requests.",
        retryable=True,
        status=429,
        retry_after=7.0,
    )


def candidate(chunk: str = "k1", evidence: float = 0.9, **fields: Any) -> Candidate:
    return Candidate(
        **{
            "chunk_id": chunk,
            "source_id": "s1",
            "text": f"text of {chunk}",
            "score": 1.0,
            "similarity": evidence,
            "coverage": evidence,
            **fields,
        }
    )


def passage(text: str, n: int = 1, **fields: Any) -> Passage:
    return Passage(
        **{
            "n": n,
            "text": text,
            "title": None,
            "authority": None,
            "language": "en",
            "similarity": 0.8,
            **fields,
        }
    )


def found(
    text: str, chunk: str = "k1", *, evidence: float = 0.9, rank: float = 1.0, **fields: Any
) -> Found:
    hit = Hit(
        id=chunk,
        source_id="s1",
        revision=3,
        ordinal=0,
        text=text,
        start=10,
        end=10 + len(text),
        heading="Manual > Guarantee",
        score=rank,
        similarity=evidence,
    )
    return Found(
        **{
            "hit": hit,
            "coverage": evidence,
            "likeness": evidence,
            "chunk_ids": (hit.id,),
            "source_name": "Manual",
            "title": None,
            "url": None,
            "text_ref": "text",
            "authority": None,
            "language": "en",
            **fields,
        }
    )
