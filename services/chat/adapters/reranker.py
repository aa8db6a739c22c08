"""A reranker behind the HTTP form that Cohere, Jina, TEI, vLLM and LiteLLM share.

`POST {base}/rerank` with `model`, `query` and `documents` gives `results`, each with the `index` of
a document and its `relevance_score`. Scores of different models cannot be compared, so nothing but
the order is made of them.
"""

import asyncio
import math
from collections.abc import Sequence
from typing import Any

import httpx
from typing_extensions import override

from services.chat.ports import Reranker, RerankFailed
from shared.adapters.egress import Blocked, Oversized

SECONDS = 5.0
"""In all. A visitor waits for it, and without it there is an answer as well."""


class HttpReranker(Reranker):
    """Asks servers at addresses that tenants give."""

    def __init__(self, client: httpx.AsyncClient, seconds: float = SECONDS) -> None:
        self._client = client
        self._seconds = seconds

    @override
    async def scores(
        self, base_url: str, key: str | None, model: str, query: str, documents: Sequence[str]
    ) -> dict[int, float]:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        body = {"model": model, "query": query, "documents": list(documents)}
        url = f"{base_url.rstrip('/')}/rerank"
        try:
            async with asyncio.timeout(self._seconds):
                response = await self._client.post(url, json=body, headers=headers)
        except TimeoutError as error:
            raise RerankFailed("it did not answer in time") from error
        except (Blocked, Oversized, httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise RerankFailed("it cannot be reached") from error
        if response.status_code != httpx.codes.OK:
            raise RerankFailed(f"it answers {response.status_code}")
        try:
            return _scores(response.json()["results"], len(documents))
        except (ArithmeticError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise RerankFailed("it does not speak of scores") from error


def _scores(results: Any, documents: int) -> dict[int, float]:
    """Raise `ArithmeticError`, `ValueError`, `KeyError` or `TypeError` for what is no score."""
    found = {int(one["index"]): float(one["relevance_score"]) for one in results}
    if not found or not all(0 <= index < documents for index in found):
        raise ValueError("scores of other documents")
    if not all(math.isfinite(score) for score in found.values()):
        raise ValueError("not a number")
    return found
