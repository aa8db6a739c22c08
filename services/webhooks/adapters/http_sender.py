"""Sends through the guarded client; whatever goes wrong is an answer that people can read."""

import asyncio
import logging
import time
from collections.abc import Mapping

import httpx
from typing_extensions import override

from services.webhooks.ports import Answer, Sender
from shared.adapters.egress import Blocked, Oversized
from shared.adapters.retry_after import retry_after_seconds

log = logging.getLogger(__name__)

EXCERPT = 4096
"""Bytes of the body that are kept; no more are read."""


class HttpSender(Sender):
    """The `Sender` over httpx. The client must follow no redirects: what is signed for one address
    would go along to another.
    """

    def __init__(self, client: httpx.AsyncClient, *, seconds: float) -> None:
        self._client = client
        self._seconds = seconds

    @override
    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        started = time.perf_counter()
        got = _Got()
        error: str | None = None
        try:
            async with asyncio.timeout(self._seconds):
                await self._post(url, headers, body, got)
        except TimeoutError:
            error = f"no answer within {self._seconds:g} seconds"
        except Blocked as blocked:
            error = str(blocked)
        except Oversized:
            pass  # its beginning is all we want
        except (httpx.InvalidURL, httpx.HTTPError) as failure:
            error = f"the receiver cannot be reached: {str(failure) or type(failure).__name__}"
        except Exception:
            # Whatever a receiver can bring about must not end the dispatch to all others.
            log.exception("attempt failed unexpectedly")
            error = "the attempt failed"
        return Answer(
            status_code=got.status_code,
            text=bytes(got.body[:EXCERPT]).decode("utf-8", "replace").replace("\x00", "\ufffd"),
            # With a status, the answer counts, whatever became of its body.
            error=error if got.status_code is None else None,
            retry_after=got.retry_after,
            duration_ms=round((time.perf_counter() - started) * 1000, 1),
        )

    async def _post(self, url: str, headers: Mapping[str, str], body: bytes, got: "_Got") -> None:
        async with self._client.stream(
            "POST", url, content=body, headers=dict(headers)
        ) as response:
            got.status_code = response.status_code
            got.retry_after = retry_after_seconds(response.headers.get("retry-after"))
            async for piece in response.aiter_bytes():
                got.body += piece
                if len(got.body) >= EXCERPT:
                    return


class _Got:
    """What came until it ended, well or not."""

    def __init__(self) -> None:
        self.status_code: int | None = None
        self.retry_after: float | None = None
        self.body = bytearray()
