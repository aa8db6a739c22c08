"""What usage costs."""

import pytest

from shared.kernel.prices import DEFAULT, PRICES, cost, price_of


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
        ("gpt-4o", 0, 0, 0),
    ],
)
def test_a_cost_is_tokens_by_price(
    model: str, prompt: int, completion: int, expected: float
) -> None:
    assert cost(model, prompt, completion) == expected


def test_an_unknown_model_has_the_default_price() -> None:
    assert price_of("unheard-of") == DEFAULT
