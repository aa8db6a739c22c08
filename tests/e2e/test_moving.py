"""A tenant moves to another installation with its history, as one archive."""

import hashlib
import json
import re
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.receivers import receiving
from tests.e2e.test_webhooks import webhook
from tests.harness import PASSWORD, Installation, Tenant, client, eventually

pytestmark = pytest.mark.timeout(600)

TEXT = "The ferret weighs seven kilograms. The otter lives by the river Elbe."
QUESTION = "How much does the ferret weigh?"
KEY = "sk-planted-key-1234567890"
SHOWN = ("/v1/webhooks", "/v1/bot-profiles", "/v1/users", "/v1/sources", "/v1/chat")
"""Lists of which the tenant has something in each."""
TOKEN = re.compile(r"nrag_live_[0-9A-Za-z]+")


@dataclass(frozen=True)
class Moved:
    """A tenant, its archive, and what it is elsewhere."""

    tenant: Tenant
    bot: str
    source: str
    archive: Path
    target: Installation
    elsewhere: httpx.Client
    """With the token that the import showed."""


@pytest.fixture(scope="module")
def moved(
    installation: Installation, _isolated: Installation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Moved]:
    with receiving() as receiver:
        tenant = Tenant(installation.url, f"moving-{hashlib.sha256(TEXT.encode()).hexdigest()[:8]}")
        bot = tenant.bot(name="Keeper", credentials={"openai": KEY})
        source = tenant.source(bot, TEXT, name="Animals", refresh_schedule="daily")
        tenant.ingest(source)
        tenant.ready(source)
        said = tenant.ask(bot, QUESTION)
        tenant.ask(bot, "What is the capital of the moon?")
        path = f"/v1/chat/{said['chat_id']}/messages/{said['message']['id']}/feedback"
        assert tenant.http.patch(path, json={"feedback": "positive"}).status_code == 200
        tenant.http.post("/v1/budgets", json={"limit": 1_000_000}).raise_for_status()
        tenant.user("member")
        webhook(tenant, receiver.url, "source.ingested")
        eventually(lambda: figures(tenant.http)["feedback"]["positive_count"])
    eventually(_isolated.all_well, _isolated.logs)
    archive = tmp_path_factory.mktemp("moving") / "tenant.zip"
    done = installation.cli("tenant", "export", tenant.slug, str(archive))
    assert done.returncode == 0, done.stderr
    taken = _isolated.cli("tenant", "import", str(archive))
    assert taken.returncode == 0, taken.stderr
    (token,) = TOKEN.findall(taken.stdout)
    with client(_isolated.url, token) as elsewhere:
        # Tests come in any order, and read models are behind the log for a moment.
        eventually(lambda: all(read(elsewhere, path) for path in SHOWN), _isolated.logs)
        yield Moved(tenant, bot, source, archive, _isolated, elsewhere)
    tenant.close()


def figures(http: httpx.Client) -> dict[str, Any]:
    """What the statistics tell."""
    paths = ("overview", "usage", "usage/by-bot", "feedback", "sources/worst", "unanswered")
    return {path: http.get(f"/v1/stats/{path}").raise_for_status().json() for path in paths}


def read(http: httpx.Client, path: str) -> Any:
    return http.get(path).raise_for_status().json()


def contents(http: httpx.Client, source: str) -> dict[str, Any]:
    """What a tenant sees of itself."""
    chats = http.get("/v1/chat").raise_for_status().json()
    ids = [chat["id"] for chat in chats]
    return {
        "tenant": http.get("/v1/tenants/me").json(),
        "users": http.get("/v1/users").json(),
        "bots": [{**bot, "has_credentials": None} for bot in http.get("/v1/bot-profiles").json()],
        "chats": chats,
        "messages": {chat: http.get(f"/v1/chat/{chat}/messages").json() for chat in ids},
        "budgets": http.get("/v1/budgets").json(),
        "chunks": read(http, f"/v1/sources/{source}/chunks"),
        "revisions": read(http, f"/v1/sources/{source}/revisions"),
        "figures": figures(http),
    }


class TestWhatArrives:
    def test_everything_is_the_same_and_its_sources_answer(self, moved: Moved) -> None:
        here = contents(moved.tenant.http, moved.source)

        def differing() -> dict[str, Any]:
            there = contents(moved.elsewhere, moved.source)
            return {name: (here[name], there[name]) for name in here if here[name] != there[name]}

        eventually(lambda: not differing(), lambda: json.dumps(differing(), indent=1))

        # Not in a test of its own, which could add its chat before the comparison.
        def ready() -> bool:
            found = moved.elsewhere.get(f"/v1/sources/{moved.source}").json()
            return bool(found.get("status") == "ready")

        eventually(ready)

        def answer() -> Any:
            asked = {"bot_profile_id": moved.bot, "message": QUESTION}
            said = moved.elsewhere.post("/v1/chat", json=asked).raise_for_status().json()
            return said if said["grounded"] else None

        said = eventually(answer)
        assert "seven kilograms" in said["message"]["content"]
        assert said["citations"][0]["source_id"] == moved.source

    def test_its_source_is_refreshed_as_before(self, moved: Moved) -> None:
        def scheduled() -> Any:
            return moved.elsewhere.get(f"/v1/sources/{moved.source}").json()["next_refresh_at"]

        assert eventually(scheduled)

    def test_nothing_is_asked_or_sent_a_second_time(self, moved: Moved) -> None:
        (hook,) = moved.elsewhere.get("/v1/webhooks").json()
        assert not hook["is_active"]
        assert moved.elsewhere.get(f"/v1/webhooks/{hook['id']}/deliveries").json() == []

    def test_secrets_stay_behind(self, moved: Moved) -> None:
        with zipfile.ZipFile(moved.archive) as archive:
            everything = b"".join(archive.read(name) for name in archive.namelist())
        for secret in (KEY, moved.tenant.token, PASSWORD, "argon2", "whsec_", "refresh_token"):
            assert secret.encode() not in everything
        assert TEXT.encode() in everything
        (bot,) = moved.elsewhere.get("/v1/bot-profiles").json()
        assert not bot["has_credentials"]

    def test_old_tokens_and_passwords_open_nothing_until_the_owner_gives_new_ones(
        self, moved: Moved
    ) -> None:
        with client(moved.target.url, moved.tenant.token) as old:
            assert old.get("/v1/tenants/me").status_code == 401
        login = {
            "email": moved.tenant.email,
            "password": PASSWORD,
            "tenant_slug": moved.tenant.slug,
        }
        answer = httpx.post(f"{moved.target.url}/v1/auth/login", json=login, timeout=60)
        assert answer.status_code == 401
        users = moved.elsewhere.get("/v1/users").json()
        (owner,) = [user for user in users if user["role"] == "owner"]
        changed = moved.elsewhere.patch(
            f"/v1/users/{owner['id']}", json={"email": owner["email"], "password": PASSWORD}
        )
        assert changed.status_code == 200, changed.text
        answer = httpx.post(f"{moved.target.url}/v1/auth/login", json=login, timeout=60)
        assert answer.status_code == 200, answer.text


class TestRepeating:
    def test_the_same_archive_again_changes_nothing(self, moved: Moved) -> None:
        again = moved.target.cli("tenant", "import", str(moved.archive))
        assert again.returncode == 0, again.stderr
        assert "before" in again.stdout
        assert not TOKEN.findall(again.stdout)

    def test_where_the_tenant_is_already(self, moved: Moved, installation: Installation) -> None:
        assert "already" in refused(installation, moved.archive)

    def test_an_archive_is_not_written_over_a_file(
        self, moved: Moved, installation: Installation
    ) -> None:
        before = moved.archive.read_bytes()
        done = installation.cli("tenant", "export", moved.tenant.slug, str(moved.archive))
        assert done.returncode != 0
        assert "is there already" in done.stderr
        assert moved.archive.read_bytes() == before


def refused(installation: Installation, archive: Path) -> str:
    """What is told in one line about an archive that is not taken."""
    done: subprocess.CompletedProcess[str] = installation.cli("tenant", "import", str(archive))
    assert done.returncode != 0
    assert done.stderr.startswith("minirag: ")
    assert "Traceback" not in done.stderr
    return done.stderr


def test_the_owner_exports_over_http_and_nobody_else(
    tenant: Tenant, tmp_path: Path, register: Callable[[str], Tenant]
) -> None:
    with tenant.http.stream("GET", "/v1/tenants/me/archive") as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/zip"
        (tmp_path / "own.zip").write_bytes(answer.read())
    with zipfile.ZipFile(tmp_path / "own.zip") as archive:
        assert archive.testzip() is None
        manifest = json.loads(archive.read("manifest.json"))
    assert manifest["tenant_id"] == tenant.id
    admin = tenant.user("admin").http.get("/v1/tenants/me/archive")
    assert admin.status_code == 403
