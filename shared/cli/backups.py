"""`minirag backup` and `minirag restore`, of a data directory or of what the environment names."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from nats.aio.client import Client
from pydantic import ValidationError

from shared.adapters import nats_client
from shared.adapters.blobs import Blobs
from shared.backup.archive import Archive, Manifest
from shared.backup.restoring import restore as bring_back, verify
from shared.backup.taking import take
from shared.cli.status import CONNECT_SECONDS, operator
from shared.embedded.data_dir import DataDir, write_private
from shared.embedded.nats_server import NatsServer
from shared.embedded.ports import keep_ports
from shared.embedded.secrets import keep_secrets
from shared.embedded.surroundings import SERVICES
from shared.kernel.errors import Unavailable, Unusable
from shared.runtime.settings import BackupSettings, complaints


async def backup(data_dir: Path, target: Path, *, environment: bool, with_keys: bool) -> None:
    """Take a backup of what runs; into a folder that holds an earlier one, only what is new."""
    began = time.monotonic()
    archive = Archive(target)
    if environment:
        async with _elsewhere() as (client, blobs, _):
            manifest = await take(client, blobs, archive, (), say)
    else:
        home = DataDir(data_dir)
        keys = [home.secrets, home.credentials, home.demo_widget_key] if with_keys else []
        async with operator(data_dir) as it:
            manifest = await take(
                it.client,
                Blobs.open(home.blobs.as_uri()),
                archive,
                [file for file in keys if file.exists()],
                say,
            )
    say(f"{_told(manifest)}, in {time.monotonic() - began:.1f} s, in {archive.path}")
    if not manifest.keys:
        say("without keys: keep those apart, nobody can read the backup without them")


async def check(target: Path) -> bool:
    """Read the whole backup and compare it with its checksums; tell whether it is whole."""
    manifest, faults = await verify(Archive(target))
    for fault in faults:
        say(fault)
    say(f"{_told(manifest)}: {'damaged' if faults else 'whole'}")
    return not faults


async def restore(data_dir: Path, source: Path, *, environment: bool, secrets: Path | None) -> None:
    """Bring a backup onto an empty data directory, or onto an empty broker and blob store.

    Raises `Unusable` if the backup is not whole, or what it is to go to not empty.
    """
    archive = Archive(source)
    manifest, faults = await verify(archive)
    if faults:
        raise Unusable(f"the backup is not whole: {'; '.join(faults)}")
    if environment:
        async with _elsewhere() as (client, blobs, replicas):
            await bring_back(client, blobs, archive, manifest, say, replicas=replicas)
    else:
        await _restore_here(DataDir(data_dir), archive, manifest, secrets)
    say(f"restored: {_told(manifest)}")


async def _restore_here(
    home: DataDir, archive: Archive, manifest: Manifest, secrets: Path | None
) -> None:
    if secrets is None and home.secrets.name not in manifest.keys:
        raise Unusable("the backup holds no keys; name the file with --secrets")
    await asyncio.to_thread(home.acquire)
    try:
        await asyncio.to_thread(home.restoring)
        await asyncio.to_thread(_bring_keys, home, archive, manifest, secrets)
        kept = await asyncio.to_thread(keep_secrets, home.secrets, SERVICES)
        ports = await asyncio.to_thread(keep_ports, home.ports, ("nats", "nats_monitor"))
        server = NatsServer(home, kept, port=ports["nats"], monitor=ports["nats_monitor"])
        await server.start()
        try:
            client = await nats_client.connect(server.url, "minirag-restore")
            blobs = Blobs.open(home.blobs.as_uri())
            try:
                await bring_back(client, blobs, archive, manifest, say, replicas=1)
            finally:
                await client.close()
        finally:
            await server.stop()
        await asyncio.to_thread(home.restored)
    finally:
        home.release()


def _bring_keys(home: DataDir, archive: Archive, manifest: Manifest, secrets: Path | None) -> None:
    for name in manifest.keys:
        write_private(home.path / Path(name).name, (archive.keys / Path(name).name).read_bytes())
    if secrets is not None:
        try:
            write_private(home.secrets, secrets.read_bytes())
        except OSError as error:
            raise Unusable(f"{secrets} cannot be read: {error.strerror}") from error


@asynccontextmanager
async def _elsewhere() -> AsyncIterator[tuple[Client, Blobs, int]]:
    """Broker and blobs of the installation that the environment names."""
    try:
        settings = BackupSettings()
    except ValidationError as error:
        raise Unusable("; ".join(complaints(error))) from None
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            url = settings.nats_url.get_secret_value()
            client = await nats_client.connect(url, "minirag-backup")
    except TimeoutError as error:
        raise Unavailable("the broker of NATS_URL does not answer") from error
    try:
        yield client, Blobs.open(settings.blob_url), settings.stream_replicas
    finally:
        await client.close()


def _told(manifest: Manifest) -> str:
    return (
        f"{manifest.last_sequence} events and {manifest.blobs} blobs of "
        f"{manifest.made_at:%Y-%m-%d %H:%M:%S} UTC"
    )


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
