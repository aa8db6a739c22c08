"""What models cost: list prices that the public contract names, then those that LiteLLM knows."""

import json
from collections.abc import Mapping
from importlib.resources import files

from shared.contracts.analytics import Price

MILLION = 1_000_000
DIGITS = 6


def _price(prompt: float, completion: float) -> Price:
    return Price(prompt_cost_per_1m=prompt, completion_cost_per_1m=completion)


DEFAULT = _price(1, 3)
FREE = _price(0, 0)
PRICES: Mapping[str, Price] = {
    "gpt-4o": _price(2.5, 10),
    "gpt-4o-mini": _price(0.15, 0.6),
    "gpt-4-turbo": _price(10, 30),
    "gpt-4": _price(30, 60),
    "gpt-3.5-turbo": _price(0.5, 1.5),
    "o1": _price(15, 60),
    "o1-mini": _price(3, 12),
    "o3-mini": _price(1.1, 4.4),
    "claude-opus-4-6": _price(15, 75),
    "claude-sonnet-4-5-20250929": _price(3, 15),
    "claude-haiku-4-5-20251001": _price(0.8, 4),
    "gemini/gemini-2.0-flash": _price(0.1, 0.4),
    "gemini/gemini-1.5-pro": _price(1.25, 5),
    "gemini/gemini-1.5-flash": _price(0.075, 0.3),
    "local/extractive": FREE,
}


LISTED: Mapping[str, tuple[float, float]] = json.loads(
    files(__package__).joinpath("price_list.json").read_bytes()
)
"""Prompt and answer, from LiteLLM's table (MIT licence), by `shared.cli.price_list`."""
LOCAL = "local/"
"""Models that run here, and those that stand for none."""
PREFIXES = ("openai/", "anthropic/")
"""Providers whose models are listed without their name."""


def price_of(model: str) -> Price:
    """Its price, or that of a model that nobody knows."""
    known = _known(model)
    return DEFAULT if known is None else known


def is_priced(model: str) -> bool:
    """Whether a price of this very model is known."""
    return _known(model) is not None


def _known(model: str) -> Price | None:
    if model.startswith(LOCAL):
        return FREE
    names = [model, *(model.removeprefix(one) for one in PREFIXES if model.startswith(one))]
    for name in names:
        if name in PRICES:
            return PRICES[name]
        if name in LISTED:
            return _price(*LISTED[name])
    return None


def cost(model: str, prompt_tokens: int, completion_tokens: int) -> float:
    """US dollars."""
    price = price_of(model)
    whole = (
        prompt_tokens * price.prompt_cost_per_1m + completion_tokens * price.completion_cost_per_1m
    )
    return round(whole / MILLION, DIGITS)
