r"""Follows the public events of a tenant on NATS, typed, and misses none.

    pip install minirag            # brings the client of NATS and the classes of events
    python examples/subscriber.py --nats wss://minirag.example.com/nats \
        --api https://minirag.example.com --tenant <id>

The token comes from `MINIRAG_TOKEN` and needs the scope `events`. Over `wss://` the client needs
aiohttp besides.

What NATS tells is not kept there. So it is heard first, and then read from `/v1/events` what
happened since the last event seen; what comes twice that way is told apart by its id.
"""

import asyncio
import json
import os
from collections import OrderedDict
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import nats
import typer

from shared.contracts.public import PUBLIC_TYPES, PublicEvent, SourceHasFailed, SourceWasIngested

REMEMBERED = 10_000
"""Ids of events that are known to have been told."""
PAGE = 200
RETRY_SECONDS = 1.0


class Connection(Enum):
    """What became of it."""

    MADE = "made"
    LOST = "lost"


@dataclass(frozen=True)
class Told:
    """One public event."""

    id: str
    cursor: str
    """To be kept: what leads to the events behind this one."""
    event: PublicEvent


def read(raw: dict[str, Any]) -> Told | None:
    """What the server told; None for a type that is newer than this program."""
    shape = PUBLIC_TYPES.get(raw["type"])
    if shape is None:
        return None
    return Told(raw["id"], raw["cursor"], shape.model_validate(raw["data"]))


class Feed:
    """The public events of one tenant: what was missed, then what happens, each once."""

    def __init__(self, nats_url: str, api_url: str, tenant_id: str, token: str) -> None:
        self._nats_url = nats_url
        self._api_url = api_url.rstrip("/")
        self._subject = f"public.{tenant_id}.>"
        self._token = token
        self._seen: OrderedDict[str, None] = OrderedDict()

    async def events(self, cursor: str | None = None) -> AsyncGenerator[Told, None]:
        """All events behind `cursor`, or all that were ever told; for ever.

        Raises what the client of NATS raises when it is not let in.
        """
        heard: asyncio.Queue[dict[str, Any] | Connection] = asyncio.Queue()

        async def on_message(message: Any) -> None:
            heard.put_nowait(json.loads(message.data))

        async def on_end() -> None:
            heard.put_nowait(Connection.LOST)

        async def on_return() -> None:
            heard.put_nowait(Connection.MADE)

        client = await nats.connect(
            self._nats_url,
            token=self._token,
            max_reconnect_attempts=-1,
            disconnected_cb=on_end,
            reconnected_cb=on_return,
        )
        try:
            await client.subscribe(self._subject, cb=on_message)
            await client.flush()
            heard.put_nowait(Connection.MADE)
            away = True
            while True:
                found = await heard.get()
                if isinstance(found, Connection):
                    away = found is Connection.LOST
                if away:
                    continue  # it will be among what was missed, in its place
                news = _only(found) if isinstance(found, dict) else self._missed(cursor)
                async for told in news:
                    cursor = told.cursor
                    if self._is_new(told):
                        yield told
        finally:
            await client.close()

    async def _missed(self, cursor: str | None) -> AsyncGenerator[Told, None]:
        while page := await self._patiently(cursor):
            for raw in page:
                cursor = raw["cursor"]
                if (told := read(raw)) is not None:
                    yield told

    async def _patiently(self, cursor: str | None) -> list[dict[str, Any]]:
        while True:
            try:
                return await asyncio.to_thread(self._page, cursor)
            except HTTPError:
                raise
            except OSError:
                await asyncio.sleep(RETRY_SECONDS)

    def _page(self, cursor: str | None) -> list[dict[str, Any]]:
        query = urlencode({"limit": PAGE, **({"cursor": cursor} if cursor else {})})
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        request = Request(f"{self._api_url}/v1/events?{query}", headers=headers)  # noqa: S310  the address is the user's own
        with urlopen(request, timeout=30) as answer:  # noqa: S310  as above
            found: list[dict[str, Any]] = json.load(answer)
        return found

    def _is_new(self, told: Told) -> bool:
        if told.id in self._seen:
            return False
        self._seen[told.id] = None
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return True


async def _only(raw: dict[str, Any]) -> AsyncGenerator[Told, None]:
    if (told := read(raw)) is not None:
        yield told


def line(told: Told) -> str:
    """For people; shows how a type is told from another."""
    match told.event:
        case SourceWasIngested() as event:
            return f"{event.source_name} is ready, with {event.chunk_count} chunks"
        case SourceHasFailed() as event:
            return f"source {event.source_id} failed: {event.error}"
        case event:
            return f"{event.type} {event.model_dump_json()}"


async def _print_all(feed: Feed, cursor: str | None) -> None:
    async for told in feed.events(cursor):
        typer.echo(line(told))


def main(
    nats_url: Annotated[str, typer.Option("--nats")],
    api_url: Annotated[str, typer.Option("--api")],
    tenant_id: Annotated[str, typer.Option("--tenant")],
    cursor: Annotated[str | None, typer.Option(help="Of the last event seen.")] = None,
) -> None:
    """Print a line for every event."""
    token = os.environ["MINIRAG_TOKEN"]  # noqa: TID251  a script's own setting
    asyncio.run(_print_all(Feed(nats_url, api_url, tenant_id, token), cursor))


if __name__ == "__main__":
    typer.run(main)
