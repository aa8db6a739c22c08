"""Fetches pages through the guarded client; every failure has a reason that people can read."""

import asyncio
from http import HTTPStatus

import httpx
from typing_extensions import override

from services.ingest.ports import Fetched, FetchFailed, NotModified, PageFetcher, Redirected
from shared.adapters.egress import MEGABYTE, Blocked, Oversized, read_limited
from shared.adapters.retry_after import retry_after_seconds

TOTAL_SECONDS = 30.0
LIMIT = 20 * MEGABYTE
RETRYABLE = frozenset({408, 425, 429})
DEFAULT_TYPE = "application/octet-stream"


class HttpFetcher(PageFetcher):
    """The `PageFetcher` over httpx."""

    def __init__(self, client: httpx.AsyncClient, *, seconds: float = TOTAL_SECONDS) -> None:
        self._client = client
        self._seconds = seconds

    @override
    async def fetch(
        self, url: str, *, etag: str | None = None, last_modified: str | None = None
    ) -> Fetched | NotModified:
        found = await self._ask(url, etag, last_modified, follow=True)
        if isinstance(found, Redirected):
            raise FetchFailed("The server redirects to nowhere", retryable=False)
        return found

    @override
    async def visit(
        self, url: str, *, etag: str | None = None, last_modified: str | None = None
    ) -> Fetched | NotModified | Redirected:
        return await self._ask(url, etag, last_modified, follow=False)

    async def _ask(
        self, url: str, etag: str | None, last_modified: str | None, *, follow: bool
    ) -> Fetched | NotModified | Redirected:
        headers = {"Accept": "text/html,application/xhtml+xml,text/*;q=0.9,*/*;q=0.5"}
        if etag:
            headers["If-None-Match"] = etag
        if last_modified:
            headers["If-Modified-Since"] = last_modified
        try:
            async with asyncio.timeout(self._seconds):
                return await self._fetch(url, headers, follow=follow)
        except TimeoutError as error:
            reason = f"The server did not finish within {self._seconds:.0f} seconds"
            raise FetchFailed(reason, retryable=True) from error
        except Blocked as error:
            raise FetchFailed(f"The address is not allowed: {error}", retryable=False) from error
        except (Oversized, httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise FetchFailed(f"The document cannot be read: {error}", retryable=False) from error
        except httpx.TooManyRedirects as error:
            raise FetchFailed("The server redirects without end", retryable=False) from error
        except httpx.HTTPError as error:
            reason = f"The server cannot be reached: {str(error) or type(error).__name__}"
            raise FetchFailed(reason, retryable=True) from error

    async def _fetch(
        self, url: str, headers: dict[str, str], *, follow: bool
    ) -> Fetched | NotModified | Redirected:
        async with self._client.stream(
            "GET", url, headers=headers, follow_redirects=follow
        ) as response:
            code = response.status_code
            if code == HTTPStatus.NOT_MODIFIED:
                return NotModified()
            if not follow and response.has_redirect_location:
                return Redirected(str(response.url.join(response.headers["location"])))
            if code >= HTTPStatus.BAD_REQUEST:
                phrase = response.reason_phrase or "error"
                retryable = code in RETRYABLE or code >= HTTPStatus.INTERNAL_SERVER_ERROR
                raise FetchFailed(
                    f"The server answered {code} {phrase}",
                    retryable=retryable,
                    retry_after=retry_after_seconds(response.headers.get("retry-after")),
                )
            return Fetched(
                url=str(response.url),
                data=await read_limited(response, LIMIT),
                media_type=response.headers.get("content-type", DEFAULT_TYPE),
                etag=response.headers.get("etag"),
                last_modified=response.headers.get("last-modified"),
            )
