"""What embedding costs, by the table that comes with LiteLLM; the package itself is not loaded."""

import asyncio
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import orjson

TABLE = "model_prices_and_context_window_backup.json"


async def embedding_price(model: str) -> float | None:
    """Dollars per token; None if the table does not have the model, or is not installed."""
    prices = await asyncio.to_thread(_prices)
    return prices.get(model, prices.get(model.removeprefix("openai/")))


@lru_cache(maxsize=1)
def _prices() -> dict[str, float]:
    found = find_spec("litellm")
    if found is None or found.origin is None:
        return {}
    try:
        table = orjson.loads((Path(found.origin).parent / TABLE).read_bytes())
    except (OSError, ValueError):
        return {}
    return {
        name: float(model["input_cost_per_token"])
        for name, model in table.items()
        if model.get("mode") == "embedding" and "input_cost_per_token" in model
    }
