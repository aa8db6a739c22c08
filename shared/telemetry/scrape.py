"""What has to be asked for when somebody scrapes: numbers that others keep, the broker above all.

A scrape asks them at that moment, so they cost nothing while nobody looks.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)

LOOK_SECONDS = 3.0

Look = Callable[[], Awaitable[None]]
"""Sets gauges."""

_looks: set[Look] = set()


@contextmanager
def on_scrape(look: Look) -> Iterator[None]:
    """Have `look` called at every scrape, for as long as the block runs."""
    _looks.add(look)
    try:
        yield
    finally:
        _looks.discard(look)


async def refresh() -> None:
    """Look everywhere. What cannot be looked at in time keeps what it told last."""
    await asyncio.gather(*(_looked(look) for look in list(_looks)))


async def _looked(look: Look) -> None:
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            await look()
    except Exception as error:  # noqa: BLE001  a broker that is away must not hide all the rest
        log.debug("not looked at for a scrape", extra={"error": repr(error)})
