"""Disks that are full, and disks that lose what was not synced: real file systems, which need root.

`supported` says why not, where they cannot be made.
"""

import logging
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

import psutil

from shared.embedded.data_dir import DataDir
from tests.chaos.detours import Detoured
from tests.harness import Installation, Tenant, eventually

log = logging.getLogger(__name__)

ROOM = 8 << 30
"""Bytes of the small disk while there is room; the broker keeps over one for itself."""
IMAGE = 4 << 30
"""Bytes of the disk that loses its power, of which only what is written takes room."""
NO_COMMIT = "loop,commit=300"
"""The file system's journal is written when a program asks for it, and not by itself."""
WRITES = 8
SECONDS = 240.0
PROBLEM = "urn:minirag:problem:unavailable"


def supported(folder: Path) -> str | None:
    """Why no disk can be made here; None if one can."""
    if os.geteuid() != 0:
        return "needs root, for file systems of its own"
    if missing := [name for name in ("mount", "umount", "mkfs.ext4") if not shutil.which(name)]:
        return f"needs {', '.join(missing)}"
    image, at = folder / "probe.img", folder / "probe"
    at.mkdir()
    try:
        with _image(image, 8 << 20), _mounted(image, at, "loop"):
            return None
    except subprocess.CalledProcessError as error:
        return f"needs mounts of images: {error.stderr}"


def disk_full(folder: Path) -> None:
    """The broker's disk is full: writes are refused with a problem that says when to come again,
    nothing that was acknowledged is lost, and with room again it goes on by itself.
    """
    data_dir = folder / "data"
    with small_disk(data_dir) as small:
        running = Detoured(data_dir).start()
        tenant = Tenant(running.url, "full")
        try:
            bot = tenant.bot()
            stored = {f"before {n}" for n in range(3)}
            for name in stored:
                tenant.source(bot, name, name=name)
            small.shrink()
            refused = 0
            for n in range(WRITES):
                if _written(tenant, bot, f"full {n}"):
                    stored.add(f"full {n}")
                else:
                    refused += 1
            assert refused, "the disk was not full"
            log.info("%s of %s writes refused", refused, WRITES)
            small.grow()
            eventually(lambda: _written(tenant, bot, "after"), running.logs, SECONDS)
            eventually(running.all_well, running.logs, SECONDS)
            stored.add("after")
            eventually(
                lambda: stored <= {one["name"] for one in tenant.http.get("/v1/sources").json()},
                lambda: f"{stored} {tenant.http.get('/v1/sources').text}",
                SECONDS,
            )
        finally:
            tenant.close()
            code = running.stop()
        assert code == 0, "".join(running.output)


def power_cut(folder: Path) -> None:
    """The machine loses its power while documents come in: what was acknowledged is there."""
    image, at = folder / "disk.img", folder / "disk"
    at.mkdir()
    with _image(image, IMAGE):
        with _mounted(image, at, NO_COMMIT):
            at.chmod(0o711)  # Postgres' own user passes through
            running = Detoured(at / "data").start()
            tenant = Tenant(running.url, "power")
            bot = tenant.bot()
            first = tenant.source(bot, "The quartz lamp of Corran is serviced in spring.")
            tenant.ingest(first)
            tenant.ready(first)
            said = tenant.ask(bot, "When is the quartz lamp of Corran serviced?")["message"]
            stored = {first}
            for n in range(WRITES):
                stored.add(tenant.source(bot, f"Text {n} of some length. " * 50, name=f"n {n}"))
            with _frozen(running):
                _copy(image, cut := folder / "cut.img")
                running.kill_everything()
        image.unlink()
        with _mounted(cut, at, "loop"):
            running = Detoured(at / "data").start()
            tenant.http.base_url = running.url
            try:
                listed = {one["id"] for one in tenant.http.get("/v1/sources").json()}
                assert stored - listed == set()
                tenant.ready(first)
                again = tenant.ask(bot, "When is the quartz lamp of Corran serviced?")["message"]
                assert again["content"] == said["content"]
                done = running.cli("rebuild", "sources")
                assert done.returncode == 0, done.stderr
                listed = {one["id"] for one in tenant.http.get("/v1/sources").json()}
                assert stored - listed == set()
            finally:
                tenant.close()
                code = running.stop()
            assert code == 0, "".join(running.output)


class Small:
    """A file system in memory whose size can be changed."""

    def __init__(self, at: Path) -> None:
        self._at = at

    def shrink(self) -> None:
        """To what is used, or the least that can be: 0 would be no limit.

        It is refused while more is used than was just seen, as somebody goes on writing.
        """
        refused = ""

        def shrunk() -> bool:
            nonlocal refused
            found = os.statvfs(self._at)
            try:
                self._resize(max(found.f_blocks - found.f_bfree, 1) * found.f_frsize)
            except subprocess.CalledProcessError as error:
                refused = error.stderr
                return False
            return True

        eventually(shrunk, lambda: refused)

    def grow(self) -> None:
        self._resize(ROOM)

    @contextmanager
    def filled(self) -> Iterator[None]:
        """There is no room until the block ends."""
        self.shrink()
        try:
            yield
        finally:
            self.grow()

    def _resize(self, size: int) -> None:
        _run("mount", "-o", f"remount,size={size}", str(self._at))


@contextmanager
def small_disk(data_dir: Path) -> Iterator[Small]:
    """For the broker of an installation that is not started yet."""
    home = DataDir(data_dir)
    home.acquire()
    home.release()
    (data_dir / "nats").mkdir(exist_ok=True)
    with _tmpfs(data_dir / "nats") as small:
        yield small


def unmountable(folder: Path) -> str | None:
    """Why no `small_disk` can be made here; None if one can."""
    at = folder / "probe"
    at.mkdir()
    try:
        with _tmpfs(at) as small, small.filled():
            return None
    except (OSError, subprocess.CalledProcessError) as error:
        return f"needs root, and the right to mount a tmpfs: {error}"


@contextmanager
def files_limited(pid: int) -> Iterator[bool]:
    """A process and those below it can write to no file until the block ends, or they do: as on a
    disk that is full, and nobody needs to be root for it. Tells whether that can be done here.
    """
    limited = [one := psutil.Process(pid), *one.children(recursive=True)]
    done = [_limit(process, "0:") for process in limited]
    try:
        yield done[0]
    finally:
        for process in limited:
            _limit(process, "unlimited:")


def _limit(process: psutil.Process, soft: str) -> bool:
    """As the user that it runs as: one's own processes everybody may limit, and root not all."""
    try:
        user, group = process.uids().real, process.gids().real
        other: dict[str, Any] = {"user": user, "group": group, "extra_groups": ()}
        subprocess.run(
            ["prlimit", f"--pid={process.pid}", f"--fsize={soft}"],
            check=True,
            capture_output=True,
            **(other if user != os.geteuid() else {}),
        )
    except psutil.NoSuchProcess:
        return False
    except (subprocess.CalledProcessError, OSError) as error:
        log.info("process %s is not limited: %r", process.pid, error)
        return False
    return True


def _written(tenant: Tenant, bot: str, name: str) -> bool:
    """Whether a source was made or is going to be; what is said instead must be a problem."""
    body = {"bot_profile_id": bot, "name": name, "source_type": "text", "content": name}
    answer = tenant.http.post("/v1/sources", json=body)
    if answer.status_code in {HTTPStatus.CREATED, HTTPStatus.ACCEPTED}:
        return True
    assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE, answer.text
    assert "retry-after" in answer.headers
    assert PROBLEM in answer.text
    return False


@contextmanager
def _tmpfs(at: Path) -> Iterator[Small]:
    _run("mount", "-t", "tmpfs", "-o", f"size={ROOM},mode=700", "tmpfs", str(at))
    try:
        yield Small(at)
    finally:
        _run("umount", "--lazy", str(at))


@contextmanager
def _image(path: Path, size: int) -> Iterator[None]:
    with path.open("wb") as file:
        file.truncate(size)
    try:
        _run("mkfs.ext4", "-q", "-F", str(path))
        yield
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def _mounted(image: Path, at: Path, options: str) -> Iterator[None]:
    _run("mount", "-o", options, str(image), str(at))
    try:
        yield
    finally:
        _run("umount", "--lazy", str(at))


@contextmanager
def _frozen(running: Installation) -> Iterator[None]:
    """Nobody writes any more: what the image holds is of one moment."""
    supervisor = psutil.Process(running.pid)
    every = [supervisor, *supervisor.children(recursive=True)]
    for process in every:
        process.suspend()
    try:
        yield
    finally:
        for process in every:
            with suppress(psutil.NoSuchProcess):
                process.resume()


def _copy(image: Path, to: Path) -> None:
    _run("cp", "--sparse=always", str(image), str(to))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
