"""What usage costs."""

import subprocess
import sys

import pytest

from shared.cli.price_list import prices, table
from shared.kernel.prices import DEFAULT, LISTED, PRICES, cost, is_priced, price_of


def test_the_prices_are_those_of_the_contract() -> None:
    assert PRICES["gpt-4o-mini"].model_dump() == {
        "prompt_cost_per_1m": 0.15,
        "completion_cost_per_1m": 0.6,
    }
    assert (DEFAULT.prompt_cost_per_1m, DEFAULT.completion_cost_per_1m) == (1, 3)


@pytest.mark.parametrize(
    ("model", "prompt", "completion", "expected"),
    [
        ("gpt-4o-mini", 1_000_000, 1_000_000, 0.75),
        ("gpt-4o", 1000, 100, 0.0035),
        ("unheard-of", 1_000_000, 1_000_000, 4),
        ("local/extractive", 1_000_000, 1_000_000, 0),
        ("local/cache", 1_000_000, 1_000_000, 0),
        ("deepseek/deepseek-chat", 1_000_000, 1_000_000, 0.7),
        ("openai/gpt-4o-mini", 1_000_000, 1_000_000, 0.75),
        ("gpt-4.1-nano", 1_000_000, 1_000_000, 0.5),
        ("gpt-4o", 0, 0, 0),
    ],
)
def test_a_cost_is_tokens_by_price(
    model: str, prompt: int, completion: int, expected: float
) -> None:
    assert cost(model, prompt, completion) == expected


def test_an_unknown_model_has_the_default_price_and_is_marked() -> None:
    assert price_of("unheard-of") == DEFAULT
    known = ["gpt-4o", "openai/gpt-4o", "anthropic/claude-haiku-4-5-20251001", "local/none"]
    assert [is_priced(model) for model in (*known, "unheard-of", "openai/unheard-of")] == [
        *[True] * len(known),
        False,
        False,
    ]


def test_the_contract_goes_before_the_list() -> None:
    both = [model for model in PRICES if model in LISTED]
    assert any(tuple(PRICES[model].model_dump().values()) != tuple(LISTED[model]) for model in both)
    assert all(price_of(model) == PRICES[model] for model in both)


def test_the_list_is_that_of_the_installed_litellm() -> None:
    assert {model: tuple(price) for model, price in LISTED.items()} == prices(table())


def test_prices_are_known_without_loading_litellm() -> None:
    script = (
        "import sys; from shared.kernel.prices import cost; "
        "print(cost('gpt-4.1-nano', 1_000_000, 0), 'litellm' in sys.modules)"
    )
    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert said.stdout.split() == ["0.1", "False"]
