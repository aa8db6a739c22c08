"""`minirag import`: a page, a file or a folder becomes sources; waits until each is ready."""

import asyncio
import mimetypes
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.cli.client import Api, ApiError, Credentials

SUFFIXES = {".md": "text/markdown", ".txt": "text/plain", ".html": "text/html", ".htm": "text/html"}
AT_A_TIME = 8
LOOK_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Wanted:
    """A source to be made."""

    name: str
    body: dict[str, Any]


def wanted(target: str) -> Iterator[Wanted]:
    """What there is to import at a URL or path. Raises `ValueError` with the reason if nothing."""
    if target.startswith(("http://", "https://")):
        yield Wanted(target, {"source_type": "url", "config": {"url": target}})
        return
    path = Path(target)
    if not path.exists():
        raise ValueError(f"{target} is neither an address nor a file or folder")
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    readable = [file for file in files if file.suffix.lower() in SUFFIXES and file.is_file()]
    if not readable:
        kinds = ", ".join(SUFFIXES)
        found = mimetypes.guess_type(target)[0]
        raise ValueError(f"nothing to import at {target} ({found or 'folder'}): {kinds} can be")
    for file in readable:
        name = str(file.relative_to(path)) if path.is_dir() else file.name
        yield Wanted(
            name,
            {
                "source_type": "text",
                "content": file.read_text("utf-8", "replace").replace("\x00", ""),
                "config": {"media_type": SUFFIXES[file.suffix.lower()], "file": name},
            },
        )


def show(line: str) -> None:
    """Write a line to the terminal at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def import_all(
    base_url: str,
    credentials: Credentials,
    target: str,
    bot: str | None = None,
    say: Callable[[str], None] = show,
) -> bool:
    """Import and tell each source's end; tell whether every source got ready.

    Raises `ValueError` if there is nothing to import.
    """
    bot_id = bot or credentials.bot_profile_id
    items = await asyncio.to_thread(lambda: list(wanted(target)))
    places = asyncio.Semaphore(AT_A_TIME)
    counts = {"ready": 0, "error": 0}
    async with Api.open(base_url, credentials.token) as api:

        async def one(item: Wanted) -> None:
            async with places:
                status, detail = await _ingest(api, bot_id, item)
            counts[status] += 1
            say(f"  {status:5}  {item.name}" + (f"  ({detail})" if detail else ""))

        async with asyncio.TaskGroup() as tasks:
            for item in items:
                tasks.create_task(one(item))
    say(f"{counts['ready']} of {len(items)} sources ready, {counts['error']} in error")
    return counts["error"] == 0


async def _ingest(api: Api, bot_id: str, item: Wanted) -> tuple[str, str]:
    try:
        source = await api.post(
            "/v1/sources", {"bot_profile_id": bot_id, "name": item.name[:255], **item.body}
        )
        await api.post(f"/v1/sources/{source['id']}/ingest")
        while True:
            source = await api.get(f"/v1/sources/{source['id']}")
            if source["status"] == "ready":
                count = source["chunk_count"]
                return "ready", f"{count} chunk" if count == 1 else f"{count} chunks"
            if source["status"] == "error":
                return "error", str(source["error_message"])
            await asyncio.sleep(LOOK_SECONDS)
    except ApiError as error:
        return "error", str(error)
