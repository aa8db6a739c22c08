"""The least that any Python server costs here: one route, no work, in a process of its own."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

app = FastAPI()
START_SECONDS = 30.0


@app.get("/floor")
@app.post("/floor")
async def floor() -> dict[str, str]:
    """The smallest answer that is still JSON."""
    return {"status": "ok"}


@contextmanager
def running() -> Iterator[str]:
    """Yields the route's address."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-m", "bench.floor", str(port)])  # noqa: S603  us
    try:
        _await(port)
        yield f"http://127.0.0.1:{port}/floor"
    finally:
        server.terminate()
        server.wait()


def _await(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="error", access_log=False)
