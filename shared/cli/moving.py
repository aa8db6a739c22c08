"""`minirag tenant export` and `minirag tenant import`: a tenant moves to another installation."""

import asyncio
import os
import re
import sys
from contextlib import aclosing
from pathlib import Path

from shared.adapters.tenant_export import exported
from shared.adapters.tenant_import import TenantImport
from shared.cli.status import operator, operators_metadata
from shared.cli.tenants import tenant_of
from shared.contracts.operations import AwaitPosition, Position
from shared.kernel.errors import Unusable

SHOWN_SECONDS = 60.0
SLUG = re.compile(r"[a-z0-9-]{1,100}", re.ASCII)
"""As the interface takes them."""


async def export(data_dir: Path, slug: str, file: Path) -> None:
    """Write the archive, for the owner's eyes only; half a file never has its name.

    Raises `Unusable` if the file is there or cannot be written.
    """
    partial = file.with_name(f"{file.name}.partial")
    async with operator(data_dir) as it:
        tenant_id = await tenant_of(it.event_log, slug)
        if await asyncio.to_thread(file.exists):
            raise Unusable(f"{file} is there already")
        try:
            handle = await asyncio.to_thread(
                os.open, partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600
            )
            with os.fdopen(handle, "wb") as writing:
                pieces = exported(it.event_log, it.blobs, it.vault, tenant_id)
                async with aclosing(pieces):
                    async for piece in pieces:
                        await asyncio.to_thread(writing.write, piece)
                size = writing.tell()
            await asyncio.to_thread(partial.rename, file)
        except OSError as error:
            raise Unusable(f"{file} cannot be written: {error}") from error
    sys.stdout.write(
        f"tenant {slug} is in {file} ({size:,} bytes); it holds personal text in clear\n"
    )


async def import_(data_dir: Path, file: Path, slug: str | None) -> None:
    """Take the tenant in. Raises as `TenantImport`."""
    if slug is not None and not SLUG.fullmatch(slug):
        raise ValueError("a slug consists of small letters, digits and hyphens")
    async with operator(data_dir) as it:
        done = await TenantImport(it.event_log, it.blobs, it.vault)(file, slug)
        if done.token is None:
            sys.stdout.write(f"tenant {done.tenant_id} was imported from this archive before\n")
            return
        # Whoever uses the token at once must be known.
        await it.bus.ask(
            AwaitPosition(read_model="identity", position=done.position, seconds=SHOWN_SECONDS),
            Position,
            operators_metadata(),
            service="gateway",
            timeout=SHOWN_SECONDS + 5,
        )
    sys.stdout.write(
        f"tenant {done.tenant_id} is here: {done.events} events, {done.blobs} blobs\n"
        f"token of its owner, shown once: {done.token}\n"
        "Enter again: passwords, provider keys, tokens. Webhooks are switched off.\n"
    )
