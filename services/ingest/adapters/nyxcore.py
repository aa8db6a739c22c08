"""Asks a nyxCore knowledge API how much it can answer from."""

import asyncio
from http import HTTPStatus
from typing import Any

import httpx
import orjson
from typing_extensions import override

from services.ingest.ports import FetchFailed, RemoteKnowledge, RemoteSize
from shared.adapters.egress import MEGABYTE, Blocked, Oversized, read_limited

SECONDS = 15.0
LIMIT = 10 * MEGABYTE
READY = "ready"
REASON = 300
"""Characters of the API's own words that are kept."""


class NyxcoreKnowledge(RemoteKnowledge):
    """`GET {base_url}/api/v1/rag/documents`, through a guarded client that follows no redirect."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    @override
    async def size(self, base_url: str, token: str) -> RemoteSize:
        url = f"{base_url.rstrip('/')}/api/v1/rag/documents"
        try:
            async with asyncio.timeout(SECONDS):
                code, body = await self._get(url, token)
        except TimeoutError as error:
            reason = f"The knowledge API did not answer within {SECONDS:.0f} seconds"
            raise FetchFailed(reason, retryable=True) from error
        except Blocked as error:
            raise FetchFailed(f"The address is not allowed: {error}", retryable=False) from error
        except (Oversized, httpx.InvalidURL, httpx.UnsupportedProtocol, ValueError) as error:
            raise FetchFailed("The knowledge API cannot be asked", retryable=False) from error
        except httpx.HTTPError as error:
            reason = f"The knowledge API cannot be reached: {type(error).__name__}"
            raise FetchFailed(reason, retryable=True) from error
        return _size(code, body, token)

    async def _get(self, url: str, token: str) -> tuple[int, bytes]:
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        async with self._client.stream("GET", url, headers=headers) as response:
            return response.status_code, await read_limited(response, LIMIT)


def _size(code: int, body: bytes, token: str) -> RemoteSize:
    """Raise `FetchFailed` for anything but a list of documents."""
    try:
        answer: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        answer = None
    documents = answer.get("documents") if isinstance(answer, dict) else None
    if code != HTTPStatus.OK or not isinstance(documents, list) or answer.get("ok") is False:
        raise FetchFailed(
            f"The knowledge API answered {code}: {_words(answer, token)}",
            retryable=code >= HTTPStatus.INTERNAL_SERVER_ERROR,
        )
    ready = [one for one in documents if isinstance(one, dict) and one.get("status") == READY]
    counts = [one.get("chunkCount") for one in ready]
    return RemoteSize(len(ready), sum(n for n in counts if isinstance(n, int) and n > 0))


def _words(answer: Any, token: str) -> str:
    """What the API says is wrong, without the token, should it repeat that."""
    error = answer.get("error") if isinstance(answer, dict) else None
    message = error.get("message") if isinstance(error, dict) else None
    if not isinstance(message, str) or not message:
        return "no list of documents"
    return message.replace(token, "…")[:REASON]
