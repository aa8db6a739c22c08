"""Proxies between an installation's services and its servers, for tests outside an event loop."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.chaos import detour
from tests.harness import Installation
from tests.proxy import Proxy, proxied

READY_SECONDS = 120.0


class Detoured(Installation):
    """Without a demo; its services reach broker and database through proxies, if it has any."""

    program = (detour.__file__,)


class Detours:
    """The proxies, which live in the loop of a thread of their own."""

    def __init__(self, loop: asyncio.AbstractEventLoop, proxies: dict[str, Proxy]) -> None:
        self.loop = loop
        self._proxies = proxies

    @property
    def env(self) -> dict[str, str]:
        """What the program must be told."""
        ports = {name: proxy.port for name, proxy in self._proxies.items()}
        return {detour.DETOURS: json.dumps(ports)}

    def do(self, server: str, act: Callable[[Proxy], None]) -> None:
        """Have something happen to the connections with a server."""

        async def done() -> None:
            act(self._proxies[server])

        asyncio.run_coroutine_threadsafe(done(), self.loop).result(READY_SECONDS)


@contextmanager
def detours(data_dir: Path) -> Iterator[Detours]:
    """Proxies to the servers of the installation on `data_dir`, which may be started later."""
    ready = threading.Event()
    made: list[Detours] = []
    over = asyncio.Event()

    def port(name: str) -> int:
        return int(json.loads((data_dir / "ports.json").read_text())[name])

    async def run() -> None:
        loop = asyncio.get_running_loop()
        nats, postgres = proxied(lambda: port("nats")), proxied(lambda: port("postgres"))
        async with nats as to_nats, postgres as to_postgres:
            made.append(Detours(loop, {"nats": to_nats, "postgres": to_postgres}))
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    assert ready.wait(READY_SECONDS)
    try:
        yield made[0]
    finally:
        made[0].loop.call_soon_threadsafe(over.set)
        thread.join(READY_SECONDS)
