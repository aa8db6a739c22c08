"""The least that any Python server costs here: routes without work, in a process of their own."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

app = FastAPI()
START_SECONDS = 30.0
LISTED = "BENCH_LISTED"
"""The file with the JSON array that `/list` returns."""
listed: list[dict[str, Any]] = (
    json.loads(Path(os.environ[LISTED]).read_bytes()) if LISTED in os.environ else []
)


@app.get("/floor")
@app.post("/floor")
async def floor() -> dict[str, str]:
    """The smallest answer that is still JSON."""
    return {"status": "ok"}


@app.get("/list")
async def all_listed() -> list[dict[str, Any]]:
    """What was read from a file once, made JSON as FastAPI does it."""
    return listed


@contextmanager
def running(listing: Path | None = None) -> Iterator[str]:
    """Yields the address of the smallest route; `/list` beside it returns what `listing` holds."""
    env = os.environ if listing is None else {**os.environ, LISTED: str(listing)}
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-m", "bench.floor", str(port)], env=env)  # noqa: S603  us
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
