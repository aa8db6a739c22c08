"""The audit log: who did what, when, and from where."""

import csv
import io
from datetime import UTC, datetime
from typing import Any

from tests.chaos.probes import spilled
from tests.e2e.test_webhooks import TEXT
from tests.harness import Installation, Tenant, client, eventually

REGISTRATION = {"tenant.registered", "directory.user_created", "api_token.issued"}
AGENT = "Acceptance/1.0 (quartz)"


def entries(tenant: Tenant, **query: Any) -> list[dict[str, Any]]:
    answer = tenant.http.get("/v1/audit-log", params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


def told(tenant: Tenant, action: str, **query: Any) -> dict[str, Any]:
    """The entry about this, once it is there."""
    found: list[dict[str, Any]] = eventually(lambda: entries(tenant, action=action, **query))
    return found[0]


def test_tells_who_did_what_when_and_from_where(tenant: Tenant, address: str) -> None:
    user = tenant.user("admin")
    began = datetime.now(UTC)
    with client(tenant.url, user.session["access_token"], address) as http:
        http.headers["User-Agent"] = AGENT
        bot = http.post("/v1/bot-profiles", json={"name": "Quartz"}).json()["id"]
    entry = told(tenant, "bot_profile.created")
    assert entry["actor"] == f"user/{user.id}"
    assert entry["user_id"] == user.id
    assert entry["target"] == f"bot_profile/{bot}"
    assert (entry["address"], entry["user_agent"]) == (address, AGENT)
    assert abs((datetime.fromisoformat(entry["at"]) - began).total_seconds()) < 300


def test_tells_of_logins_tokens_and_people(tenant: Tenant) -> None:
    user = tenant.user("member")
    login = told(tenant, "session.started", user_id=user.id)
    assert login["actor"] == f"user/{user.id}"
    assert login["address"] == "127.0.0.1"
    made = told(tenant, "directory.user_created")
    assert made["target"] == f"user/{user.id}"
    assert made["actor"].startswith("token/")
    registered = told(tenant, "tenant.registered")
    assert made["user_id"] == registered["user_id"] != user.id
    tenant.http.patch(f"/v1/users/{user.id}/role", json={"role": "admin"}).raise_for_status()
    assert told(tenant, "directory.user_updated")["target"] == f"user/{user.id}"
    tenant.http.delete(f"/v1/users/{user.id}")
    assert told(tenant, "directory.user_deactivated")["target"] == f"user/{user.id}"


def test_leaves_out_what_programs_do_and_what_is_asked(tenant: Tenant) -> None:
    bot = tenant.bot()
    source = tenant.source(bot, TEXT)
    tenant.ingest(source)
    tenant.ready(source)
    tenant.ask(bot, "What is the quartz code?")
    told(tenant, "source.ingestion_requested")
    assert {entry["action"] for entry in entries(tenant)} == {
        *REGISTRATION,
        "bot_profile.created",
        "source.created",
        "source.ingestion_requested",
    }


def test_is_read_in_parts_and_by_what_one_looks_for(tenant: Tenant) -> None:
    bot = tenant.bot()
    sources = [tenant.source(bot, TEXT) for _ in range(4)]
    told(tenant, "source.created", target=f"source/{sources[-1]}")
    whole = [entry["target"] for entry in entries(tenant)]
    assert whole[:4] == [f"source/{source}" for source in reversed(sources)]
    parts, path = [], "/v1/audit-log?limit=2"
    while path:
        answer = tenant.http.get(path)
        parts += [entry["target"] for entry in answer.json()]
        link = answer.headers.get("Link", "")
        path = link.split(">")[0][1:] if link else ""
    assert parts == whole
    middle = entries(tenant, target=f"source/{sources[1]}")[0]["at"]
    assert [
        e["target"] for e in entries(tenant, **{"from": middle, "action": "source.created"})
    ] == [f"source/{source}" for source in reversed(sources[1:])]
    assert len(entries(tenant, to=middle, action="source.created")) == 1
    assert entries(tenant, actor="user/nobody") == []


def test_is_written_to_a_file(tenant: Tenant) -> None:
    bot = tenant.bot()
    told(tenant, "bot_profile.created")
    answer = tenant.http.get("/v1/audit-log?format=csv")
    assert answer.headers["content-disposition"] == "attachment; filename=audit_log.csv"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert {row["action"] for row in rows[1:]} == REGISTRATION
    assert rows[0]["action"] == "bot_profile.created"
    assert rows[0]["target"] == f"bot_profile/{bot}"
    assert rows[0]["address"] == "127.0.0.1"


def test_is_for_owners_and_admins(tenant: Tenant, other_tenant: Tenant) -> None:
    bot = tenant.bot()
    told(tenant, "bot_profile.created")
    assert tenant.user("member").http.get("/v1/audit-log").status_code == 403
    assert tenant.user("admin").http.get("/v1/audit-log").status_code == 200
    assert f"bot_profile/{bot}" not in {entry["target"] for entry in entries(other_tenant)}


def test_stands_in_clear_in_no_file(tenant: Tenant, installation: Installation) -> None:
    agent = f"Agent-{tenant.slug}"
    answer = tenant.http.post("/v1/bot-profiles", json={"name": "x"}, headers={"User-Agent": agent})
    assert answer.status_code == 201
    assert told(tenant, "bot_profile.created")["user_agent"] == agent
    assert spilled(installation.data_dir, [agent]) == {}
