"""`minirag events`: what happens in the tenant, a line each, until one has seen enough."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

import orjson

from shared.cli.client import Api, ApiError, Credentials

RETRY_SECONDS = 1.0


class Closed(ApiError):
    """The server ended the stream, and would refuse another."""


async def show(base_url: str, credentials: Credentials, types: Sequence[str]) -> None:
    """Print everything there is, oldest first. Raises `ApiError`."""
    async with Api.open(base_url, credentials.token) as api:
        wanted: dict[str, Any] = {"type": list(types)} if types else {}
        while page := await api.get("/v1/events", **wanted):
            for event in page:
                _tell(event)
            wanted["cursor"] = page[-1]["cursor"]


async def follow(base_url: str, credentials: Credentials, types: Sequence[str]) -> None:
    """Print what happens from now on, for ever; goes on where a stream was cut.

    Raises `ApiError` if the very first stream is refused, and `Closed` when the token is not good
    any more.
    """
    last: str | None = None
    async with Api.open(base_url, credentials.token) as api:
        while True:
            try:
                async for cursor, name, data in api.events(types, last):
                    last = cursor or last
                    _heard(name, data)
            except Closed:
                raise
            except ApiError:
                if last is None:
                    raise
                await asyncio.sleep(RETRY_SECONDS)


def _heard(name: str, data: dict[str, Any]) -> None:
    if name == "closed":
        raise Closed(data["detail"])
    if name not in ("ready", "heartbeat"):
        _tell(data)


def _tell(event: dict[str, Any]) -> None:
    data = orjson.dumps(event["data"]).decode()
    sys.stdout.write(f"{event['occurred_at']}  {event['type']:<24} {data}\n")
    sys.stdout.flush()
