"""A whole MiniRAG in processes of its own, for tests that use it from outside."""

import atexit
import json
import os
import secrets
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import httpx
import psutil
import pytest

from shared.embedded.data_dir import CREDENTIALS, LOCK
from tests.loopback import QuietHandler, loopback

START_SECONDS = 300.0
STOP_SECONDS = 120.0
HEALTH_SECONDS = 1.5
"""What is told of health may be so old."""
WAIT_SECONDS = 120.0
"""What has not come to be by then never will, also on a busy machine."""
SHORTEST_PAUSE, LONGEST_PAUSE, PAUSE_SHARE = 0.02, 0.25, 0.1
"""Seconds between two looks, and how much of the time waited that may be: looks cost what the work
that is waited for needs.
"""
PENDING = 202
"""Stored, and not done yet."""
IN_BETWEEN = (httpx.HTTPError, KeyError, json.JSONDecodeError, FileNotFoundError)
PASSWORD = "correct horse battery"
PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients of plain HTTP: knows no authorities. To read them all takes a client longer than most
of its requests.
"""
PROXY = "127.0.0.2"
"""The one address whose `X-Forwarded-*` are believed."""
ENVIRONMENT = {
    "MINIRAG_EGRESS_ALLOW_LOOPBACK": "true",
    "MINIRAG_TRUSTED_PROXIES": f"{PROXY}/32",
    "MINIRAG_SIGNUPS_PER_ADDRESS_HOUR": "0",
}

SPARING = {"MINIRAG_WORKERS": "1"}
"""For whoever starts or kills ingest often: each of its workers takes seconds to load."""


class Installation:
    """`minirag up` on a data directory. Its processes can be killed one by one."""

    program: Sequence[str] = ("-m", "shared.cli.app", "up")
    """What Python is given to start it."""

    def __init__(
        self,
        data_dir: Path,
        *flags: str,
        env: Mapping[str, str] | None = None,
        demo: bool = True,
    ) -> None:
        """Without a `demo`, the first start makes no tenant, bot and documents to begin with."""
        self.data_dir = data_dir
        self._demo = demo
        self._flags = flags
        # Two that start at the same time must not both find the same port free, and the seed of
        # `random` may be the same in both.
        self._port = 10_000 + secrets.randbelow(9_000)
        self.env = {**os.environ, **ENVIRONMENT, **(env or {})}
        self._process: subprocess.Popen[str] | None = None
        self.output: list[str] = []

    def start(self) -> Self:
        """Start and wait until it says that it is ready."""
        if not self._demo:
            self.data_dir.mkdir(exist_ok=True)
            for mark in (LOCK, CREDENTIALS):
                (self.data_dir / mark).touch()
        command = [sys.executable, *self.program, "--data-dir", str(self.data_dir)]
        self._process = subprocess.Popen(
            [*command, "--port", str(self._port), *self._flags],
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        ready = threading.Event()
        self._reader = threading.Thread(target=self._read, args=(self._process, ready), daemon=True)
        self._reader.start()
        deadline = time.monotonic() + START_SECONDS
        while not ready.wait(0.1):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill_everything()
                raise AssertionError("not ready:\n" + "".join(self.output) + self.logs())
        return self

    def stop(self) -> int:
        """Stop as Ctrl-C does; return the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        code = self._process.wait(STOP_SECONDS)
        self._reader.join()
        return code

    def kill_everything(self) -> None:
        """SIGKILL to the supervisor and to every process below it, as a crash of the machine."""
        assert self._process is not None
        every = _family(self._process.pid)
        self._process.kill()
        self._process.wait()
        for process in every:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        eventually(lambda: not any(map(_runs, every)))
        self._reader.join(STOP_SECONDS)

    def kill(self, name: str) -> int:
        """SIGKILL to one child, by the name in its pid file; waits for one that is not up. Returns
        which process that was.
        """
        pid: int = eventually(lambda: self.pids().get(name))
        _kill(pid)
        return pid

    def revived(self, name: str, killed: int) -> None:
        """Wait until there is another process of that name, and all is well."""
        eventually(lambda: self.pids().get(name, killed) != killed, self.logs)
        known = time.monotonic() + HEALTH_SECONDS
        eventually(lambda: time.monotonic() > known and self.all_well(), self.logs)

    def terminate(self, name: str) -> None:
        """SIGTERM to one child, by the name in its pid file; it is started again."""
        pid: int = eventually(lambda: self.pids().get(name))
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)

    def pids(self) -> dict[str, int]:
        """Those that are up, as far as it is known; who has ended may be among them."""
        found = {}
        for file in (self.data_dir / "pids").glob("*.pid"):
            with suppress(FileNotFoundError):  # it has ended meanwhile
                found[file.stem] = int(file.read_text())
        return found

    @property
    def pid(self) -> int:
        """Of the supervisor."""
        assert self._process is not None
        return self._process.pid

    @property
    def url(self) -> str:
        return str(json.loads((self.data_dir / "run.json").read_text())["url"])

    @property
    def probes(self) -> str:
        """Where all services, in one process, answer probes."""
        return self.probes_of("services")

    def probes_of(self, process: str) -> str:
        """Where a process that was given any free port answers probes; its log tells the last."""

        def told() -> list[str]:
            said = (self.data_dir / "logs" / f"{process}.log").read_text(errors="replace")
            whole = said[: said.rfind("\n") + 1].splitlines()
            return [line for line in whole if '"probes are answered"' in line]

        last = eventually(told, self.logs)[-1]
        return f"http://127.0.0.1:{json.loads(last)['port']}"

    def all_well(self) -> bool:
        """Whether every service and every backing part is."""
        told = httpx.get(f"{self.url}/v1/system/health", timeout=60, trust_env=False, verify=PLAIN)
        return bool(told.is_success and told.json()["status"] == "ok")

    def cli(self, *args: str) -> subprocess.CompletedProcess[str]:
        """Run a command of `minirag` against this installation."""
        command = [sys.executable, "-m", "shared.cli.app", *args]
        return subprocess.run(
            [*command, "--data-dir", str(self.data_dir)],
            env=self.env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def logs(self) -> str:
        """The end of every child's log."""
        found = []
        for file in (self.data_dir / "logs").glob("*.log"):
            with suppress(FileNotFoundError):  # it got another name, as it was long
                lines = file.read_text(errors="replace").splitlines()
                found.append("\n".join([f"== {file.name}", *lines[-15:]]))
        return "\n".join(found)

    def _read(self, process: subprocess.Popen[str], ready: threading.Event) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.output.append(line)
            if "Ctrl-C stops it" in line:
                ready.set()
        process.stdout.close()


class Tenant:
    """A fresh tenant with a token, as a client sees it."""

    def __init__(self, url: str, name: str, *, verify: ssl.SSLContext | bool = PLAIN) -> None:
        body = {
            "tenant_name": name,
            "tenant_slug": name,
            "owner_email": f"owner@{name}.example.com",
            "owner_password": PASSWORD,
        }
        with httpx.Client(base_url=url, timeout=120, trust_env=False, verify=verify) as http:
            made = told(http, "/v1/tenants", body)
        self._opened: list[httpx.Client] = []
        self.url, self.slug, self.email = url, name, body["owner_email"]
        self.id: str = made["tenant"]["id"]
        self.token: str = made["api_token"]
        self.http = httpx.Client(
            base_url=url,
            timeout=120,
            trust_env=False,
            verify=verify,
            headers={"Authorization": f"Bearer {self.token}"},
        )

    def login(self, email: str | None = None, password: str = PASSWORD) -> dict[str, Any]:
        """What a login answers; the owner's, unless another e-mail is given."""
        body = {"email": email or self.email, "password": password, "tenant_slug": self.slug}
        url = f"{self.url}/v1/auth/login"
        answer = httpx.post(url, json=body, timeout=120, trust_env=False, verify=PLAIN)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def user(self, role: str) -> "User":
        """A new user of this tenant, logged in."""
        return self.user_by(self.http, role)

    def user_by(self, http: httpx.Client, role: str) -> "User":
        """A new user of this tenant that somebody else makes, logged in."""
        email = f"{role}-{uuid.uuid4().hex[:8]}@{self.slug}.example.com"
        body = {"email": email, "password": PASSWORD, "role": role}
        made = User(self, str(told(http, "/v1/users", body)["id"]), email)
        self._opened.append(made.http)
        return made

    def with_(self, credential: str, address: str = "127.0.0.1") -> httpx.Client:
        """A client with another credential, open as long as this tenant."""
        self._opened.append(client(self.url, credential, address))
        return self._opened[-1]

    def close(self) -> None:
        for http in (self.http, *self._opened):
            http.close()

    def bot(self, **fields: Any) -> str:
        return str(told(self.http, "/v1/bot-profiles", {"name": "Bot", **fields})["id"])

    def source(self, bot: str, content: str | None = None, **fields: Any) -> str:
        body = {"bot_profile_id": bot, "name": "Source", "source_type": "text", **fields}
        if content is not None:
            body["content"] = content
        return str(told(self.http, "/v1/sources", body)["id"])

    def ingest(self, source: str) -> None:
        answer = self.http.post(f"/v1/sources/{source}/ingest")
        assert answer.status_code == 202, answer.text

    def ready(self, source: str, status: str = "ready") -> dict[str, Any]:
        """Wait until the source has this status."""

        def look() -> dict[str, Any] | None:
            found: dict[str, Any] = self.http.get(f"/v1/sources/{source}").json()
            return found if found.get("status") == status else None

        found: dict[str, Any] = eventually(
            look, lambda: self.http.get(f"/v1/sources/{source}/timeline").text
        )
        return found

    def ask(self, bot: str, message: str, **fields: Any) -> dict[str, Any]:
        answer = self.http.post(
            "/v1/chat", json={"bot_profile_id": bot, "message": message, **fields}
        )
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def stream(self, bot: str, message: str, **fields: Any) -> list[tuple[str, dict[str, Any]]]:
        """All events of a streamed answer."""
        body = {"bot_profile_id": bot, "message": message, "stream": True, **fields}
        with self.http.stream("POST", "/v1/chat", json=body) as answer:
            assert answer.status_code == 200, answer.read()
            return list(events(answer.iter_text()))


class User:
    """Somebody of a tenant, with the session of a login."""

    def __init__(self, tenant: Tenant, user_id: str, email: str) -> None:
        self.id, self.email = user_id, email
        self.session = tenant.login(email)
        self.http = client(tenant.url, self.session["access_token"])


def client(url: str, credential: str | None = None, address: str = "127.0.0.1") -> httpx.Client:
    """An HTTP client that comes from `address`; any of 127.0.0.0/8 will do."""
    headers = {} if credential is None else {"Authorization": f"Bearer {credential}"}
    transport = httpx.HTTPTransport(local_address=address, verify=PLAIN)
    return httpx.Client(base_url=url, headers=headers, transport=transport, timeout=120)


def told(http: httpx.Client, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """What a POST makes. Where that takes longer than a client is kept waiting, as on a busy
    machine, the same request comes again with its key, as clients are asked to do.
    """
    headers = {"Idempotency-Key": uuid.uuid4().hex}

    def look() -> httpx.Response | None:
        answer = http.post(path, json=body, headers=headers)
        return None if answer.status_code == PENDING else answer

    answer: httpx.Response = eventually(look, lambda: path)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def events(pieces: Iterator[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and data of server-sent events, parsed as strictly as the original widget does."""
    pending = ""
    for piece in pieces:
        pending += piece
        while "\n\n" in pending:
            block, pending = pending.split("\n\n", 1)
            name, data = "", ""
            for line in block.split("\n"):
                if line.startswith("event: "):
                    name = line[7:]
                elif line.startswith("data: "):
                    data += line[6:]
            if data:
                yield name, json.loads(data)


def answers(http: httpx.Client, path: str, status: int) -> httpx.Response:
    """Wait until a GET has this status."""

    def look() -> httpx.Response | None:
        found = http.get(path)
        return found if found.status_code == status else None

    found: httpx.Response = eventually(look, lambda: http.get(path).text)
    return found


def eventually(
    look: Callable[[], Any], explain: Callable[[], str] = str, seconds: float = WAIT_SECONDS
) -> Any:
    """Wait for a fact, not for time: until `look` gives something that is true.

    It may meet a moment in between: nobody answers, or with a problem that has other fields, or a
    file is not there.
    """
    began = time.monotonic()
    while True:
        try:
            found = look()
        except IN_BETWEEN as error:
            found, last = None, repr(error)
        else:
            last = ""
        if found:
            return found
        waited = time.monotonic() - began
        if waited > seconds:
            raise AssertionError(f"it never came to be: {last} {explain()}")
        time.sleep(min(max(waited * PAUSE_SHARE, SHORTEST_PAUSE), LONGEST_PAUSE))


@contextmanager
def website(pages: Mapping[str, tuple[str, bytes]]) -> Iterator[str]:
    """Real pages on loopback: path to media type and body. Yields the base address."""

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            found = pages.get(self.path)
            self.send_response(200 if found else 404)
            media_type, body = found or ("text/plain", b"no such page")
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with loopback(Handler) as base:
        yield base


def reachable(factory: pytest.TempPathFactory, name: str) -> Path:
    """A folder that Postgres' own user can enter when the tests run as root.

    Then it is not among pytest's own, which every other run of pytest closes to others again.
    """
    if os.geteuid() != 0:
        return factory.mktemp(name)
    folder = Path(tempfile.mkdtemp(prefix=f"tests-{name}-"))
    folder.chmod(0o711)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _runs(process: psutil.Process) -> bool:
    """Whether it has not ended; nobody may have asked for its exit code yet."""
    with suppress(psutil.NoSuchProcess):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False


def _family(pid: int) -> list[psutil.Process]:
    """A process and all below it, of which it can start no other any more: it is stopped."""
    try:
        head = psutil.Process(pid)
        head.suspend()
        return [head, *head.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
