"""What providers say when they give no answer, and the failures that it means here.

The texts of the failures give nothing of a provider away: they are shown to visitors.
"""

import re
from collections.abc import Mapping
from typing import Any

import orjson

from services.chat.ports import ModelFailed
from shared.adapters.retry_after import retry_after_seconds

FAILED = "The language model failed."
TOO_LONG = ("llm_context_too_long", "The question and its context are too long for the model.")
NO_QUOTA = ("llm_quota", "The account that pays for the language model has nothing left.")
FILTERED = ("llm_content_filter", "The language model's filter refused the content.")
NO_MODEL = (
    "llm_misconfigured",
    "The provider has no such language model, or none is at this address.",
)
REASONS = {
    "billing_hard_limit_reached": NO_QUOTA,
    "billing_not_active": NO_QUOTA,
    "content_filter": FILTERED,
    "content_policy_violation": FILTERED,
    "context_length_exceeded": TOO_LONG,
    "exceed_context_size_error": TOO_LONG,
    "insufficient_quota": NO_QUOTA,
    "model_not_found": NO_MODEL,
}
"""By the codes of OpenAI's API, and those that others have added."""
STATUSES = {402: NO_QUOTA, 404: NO_MODEL, 413: TOO_LONG}
"""By HTTP status, where no code is told."""
WORDS = {
    TOO_LONG: r"maximum context length|maximum number of tokens|context window|prompt is too long"
    r"|exceeds? the (model's )?context",
    NO_QUOTA: r"exceeded your current quota|credit balance is too low|insufficient balance",
    FILTERED: r"content management policy|content filter|safety system",
}
"""By what the texts of well-known servers say, where they tell neither code nor fitting status."""
PASSES = re.compile(r"RESOURCE_EXHAUSTED|please retry in", re.IGNORECASE)
"""How Google words what another provider would call too many requests a minute: as a quota."""
RETRY_IN = re.compile(r"please retry in (\d+(?:\.\d+)?)s", re.IGNORECASE)
A_DAY = re.compile(r"PerDay", re.IGNORECASE)
"""Part of the name that Google gives to a quota that does not come back within minutes."""
SAID = {reason: re.compile(words, re.IGNORECASE) for reason, words in WORDS.items()}
CODES = re.compile(r"\b(" + "|".join(REASONS) + r")\b")
TOO_MANY = 429
RETRYABLE = frozenset({408, 409, 429, 500, 502, 503, 504, 529})
"""529: how Anthropic says that it is overloaded."""
BLAMES_US = range(400, 500)
"""Statuses whose text tells what was wrong with the request."""

Reason = tuple[str, str]
"""Code and text of a failure."""


def refused(status: int, headers: Mapping[str, str], told: str = "") -> ModelFailed:
    """The failure for an HTTP error, by its status and whatever the provider `told`."""
    reason = _reason(status, told)
    if reason is not None:
        return ModelFailed(*reason, retryable=False)
    if status in (401, 403):
        return ModelFailed(
            "llm_auth", "The language model's credentials were refused.", retryable=False
        )
    if status == TOO_MANY:
        return ModelFailed(
            "llm_rate_limited",
            "The language model takes no more requests at the moment.",
            retryable=True,
            status=429,
            retry_after=_pause(headers, told),
        )
    return ModelFailed("llm_failed", FAILED, retryable=status in RETRYABLE)


def told_in(body: bytes) -> str:
    """Code, type and text of the error in a body, in the form of OpenAI's API; else the body.

    Google puts the status and the quota beside the text.
    """
    try:
        error = orjson.loads(body)["error"]
        fields = [error.get(name) for name in ("code", "type", "status", "message")]
        fields.append(str(error.get("details", "")))
    except (ValueError, AttributeError, TypeError, KeyError):
        return body.decode(errors="replace")
    return " ".join(field for field in fields if isinstance(field, str))


def filtered() -> ModelFailed:
    return ModelFailed(*FILTERED, retryable=False)


def unreachable() -> ModelFailed:
    return ModelFailed(
        "llm_failed",
        "The connection to the language model failed.",
        retryable=True,
        reached=False,
    )


def broken(error: Mapping[str, Any]) -> ModelFailed:
    """The failure for an error that is told in the middle of a stream."""
    told = " ".join(str(error.get(name)) for name in ("code", "type", "message"))
    reason = _reason(400, told)
    if reason is None:
        return ModelFailed("llm_failed", FAILED, retryable=True)
    return ModelFailed(*reason, retryable=False)


def unusable() -> ModelFailed:
    return ModelFailed(
        "llm_misconfigured", "The language model's address or key cannot be used.", retryable=False
    )


def _reason(status: int, told: str) -> Reason | None:
    if status not in BLAMES_US:
        return None
    code = CODES.search(told)
    if code is not None:
        return REASONS[code[1]]
    if status in STATUSES:
        return STATUSES[status]
    said = (reason for reason, words in SAID.items() if words.search(told))
    reason = next(said, None)
    return None if status == TOO_MANY and _passes(reason, told) else reason


def _pause(headers: Mapping[str, str], told: str) -> float | None:
    """Seconds that the provider asks to wait, in a header or, as Google does, in words."""
    said = RETRY_IN.search(told)
    return retry_after_seconds(headers.get("retry-after") or (said and said[1]))


def _passes(reason: Reason | None, told: str) -> bool:
    """A limit of tokens a minute is worded like a limit of tokens, and Google's limits of requests
    a minute like an account that has nothing left.
    """
    if reason == NO_QUOTA:
        return PASSES.search(told) is not None and A_DAY.search(told) is None
    return reason == TOO_LONG
