"""How the command line talks to a running MiniRAG: its public HTTP interface, nothing else."""

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
from httpx_sse import aconnect_sse

from shared.embedded.data_dir import CREDENTIALS
from shared.kernel.errors import MiniRagError


class ApiError(MiniRagError):
    """The server answered with a problem, or not at all."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The tenant the command line acts for."""

    token: str
    bot_profile_id: str

    @classmethod
    def read(cls, data_dir: Path) -> "Credentials":
        """Raise `ValueError` if there are none yet."""
        try:
            found = orjson.loads((data_dir / CREDENTIALS).read_bytes())
        except FileNotFoundError:
            raise ValueError(f"the demo tenant of {data_dir} is not made yet") from None
        return cls(found["token"], found["bot_profile_id"])


class Api:
    """The few calls that the command line needs."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    @classmethod
    @asynccontextmanager
    async def open(cls, base_url: str, token: str | None = None) -> AsyncGenerator["Api", None]:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        timeout = httpx.Timeout(30, read=120)
        async with httpx.AsyncClient(
            base_url=base_url, headers=headers, timeout=timeout, trust_env=False
        ) as http:
            yield cls(http)

    async def get(self, path: str, **params: Any) -> Any:
        with self._answering():
            headers = {"Accept": "application/json"}
            return self._checked(await self._http.get(path, params=params, headers=headers))

    async def post(self, path: str, body: Any = None) -> Any:
        with self._answering():
            return self._checked(await self._http.post(path, json=body))

    async def chat(self, body: dict[str, Any]) -> AsyncGenerator[tuple[str, dict[str, Any]], None]:
        """The events of one streamed answer, as name and data."""
        async for one in self.posted("/v1/chat", {**body, "stream": True}):
            yield one

    async def posted(
        self, path: str, body: dict[str, Any]
    ) -> AsyncGenerator[tuple[str, dict[str, Any]], None]:
        """The events that a POST is answered with, as name and data."""
        with self._answering():
            async with aconnect_sse(self._http, "POST", path, json=body) as source:
                if source.response.is_error:
                    await source.response.aread()
                    self._checked(source.response)
                async for event in source.aiter_sse():
                    yield event.event, event.json()

    async def events(
        self, types: Sequence[str], last: str | None
    ) -> AsyncGenerator[tuple[str, str, dict[str, Any]], None]:
        """Cursor, name and data of what happens from now on, or behind the cursor `last`."""
        headers = {} if last is None else {"Last-Event-ID": last}
        with self._answering():
            async with aconnect_sse(
                self._http, "GET", "/v1/events", params={"type": list(types)}, headers=headers
            ) as source:
                if source.response.is_error:
                    await source.response.aread()
                    self._checked(source.response)
                async for event in source.aiter_sse():
                    yield event.id, event.event, event.json()

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise ApiError(f"{self._http.base_url} does not answer: {reason}") from error

    @staticmethod
    def _checked(response: httpx.Response) -> Any:
        if response.is_success:
            return response.json() if response.content else None
        try:
            detail = response.json()["detail"]
            if isinstance(detail, list):
                detail = "; ".join(f"{one['loc'][-1]}: {one['msg']}" for one in detail)
        except (ValueError, LookupError, TypeError):
            detail = response.text[:500]
        raise ApiError(f"{response.status_code}: {detail}")


def running_url(data_dir: Path) -> str:
    """Where the gateway of a data directory answers. Raises `ValueError` if none runs."""
    try:
        return str(orjson.loads((data_dir / "run.json").read_bytes())["url"])
    except FileNotFoundError:
        raise ValueError(f"nothing runs on {data_dir}: start it with `minirag up`") from None
