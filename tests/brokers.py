"""A nats-server of a test's own, for those that restart it or leave it changed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from shared.embedded.data_dir import DataDir
from shared.embedded.nats_server import NatsServer, OutsideDoor, nats_program
from shared.embedded.ports import LOOPBACK, keep_ports
from shared.embedded.secrets import keep_secrets


@asynccontextmanager
async def own_broker(path: Path, *, outside: bool = False) -> AsyncIterator[NatsServer]:
    """Running, on an empty folder; without streams. With `outside` subscribers get in."""
    home = DataDir(path)
    home.acquire()
    try:
        ports = keep_ports(home.ports, ("nats", "monitor", "outside"))
        server = NatsServer(
            home,
            keep_secrets(home.secrets, ()),
            port=ports["nats"],
            monitor=ports["monitor"],
            outside=OutsideDoor(LOOPBACK, ports["outside"]) if outside else None,
        )
        await server.start()
        try:
            yield server
        finally:
            await server.stop()
    finally:
        home.release()


@asynccontextmanager
async def configured_broker(folder: Path, config: str) -> AsyncIterator[str]:
    """A nats-server with a configuration of the test's own; yields `127.0.0.1:<port>`."""
    port = keep_ports(folder / "ports.json", ("nats",))["nats"]
    path = folder / "nats.conf"
    path.write_text(f'listen: "127.0.0.1:{port}"\n{config}\n')
    process = await asyncio.create_subprocess_exec(
        str(nats_program()), "-c", str(path), "-l", str(folder / "nats.log")
    )
    try:
        while True:
            try:
                _, probe = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                assert process.returncode is None, (folder / "nats.log").read_text()
                await asyncio.sleep(0.01)
            else:
                probe.close()
                break
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        await process.wait()
