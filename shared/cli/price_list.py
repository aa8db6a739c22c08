"""Writes the list prices of language models anew: `python -m shared.cli.price_list`.

They are taken from the table of the installed LiteLLM, as a file: the package itself takes seconds
to load, and most processes do not have it.
"""

import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

TABLE = "model_prices_and_context_window_backup.json"
MODES = ("chat", "completion", "responses")
LIST = Path(__file__).parents[1] / "kernel" / "price_list.json"
MILLION = 1_000_000
DIGITS = 6


def prices(table: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[float, float]]:
    """By model, dollars for a million tokens of the prompt and of the answer."""
    return {
        name: (_dollars(model, "input"), _dollars(model, "output"))
        for name, model in sorted(table.items())
        if model.get("mode") in MODES and "input_cost_per_token" in model
    }


def table() -> Mapping[str, Mapping[str, Any]]:
    """As LiteLLM brings it along. Raise `FileNotFoundError` if it is not installed."""
    found = find_spec("litellm")
    if found is None or found.origin is None:
        raise FileNotFoundError("LiteLLM is not installed")
    read: Mapping[str, Mapping[str, Any]] = json.loads(
        (Path(found.origin).parent / TABLE).read_bytes()
    )
    return read


def _dollars(model: Mapping[str, Any], side: str) -> float:
    return round(float(model.get(f"{side}_cost_per_token") or 0) * MILLION, DIGITS)


def main() -> None:
    lines = (f"{json.dumps(name)}: {json.dumps(cost)}" for name, cost in prices(table()).items())
    LIST.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
