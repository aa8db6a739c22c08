"""What is erased is gone: from answers, and from every byte of every file."""

import asyncio
import uuid
from typing import Any

import pytest

from tests.e2e import inside
from tests.e2e.traces import traces
from tests.harness import PASSWORD, Installation, Tenant, client, eventually
from tests.unit.test_traces import MARKS

pytestmark = pytest.mark.timeout(600)

TEXT = "You can return any item within 30 days of delivery, in its original packaging."
QUESTION = "How long can I return an item?"


def word() -> str:
    """Text that stands nowhere else, with letters that are escaped and encoded."""
    return f"Größe {MARKS} {uuid.uuid4().hex}"


def shop(tenant: Tenant) -> str:
    bot = tenant.bot(model="local/extractive")
    source = tenant.source(bot, TEXT)
    tenant.ingest(source)
    tenant.ready(source)
    return bot


def visitor(tenant: Tenant, bot: str) -> tuple[Any, str]:
    """A visitor of a web page: its client, and its id."""
    site = "https://shop.example"
    body = {"name": "Shop", "bot_profile_id": bot, "allowed_origins": [site]}
    key = tenant.http.post("/v1/widget/keys", json=body).json()["public_key"]
    session = client(tenant.url)
    answer = session.post("/v1/widget/sessions", json={"key": key}, headers={"Origin": site})
    assert answer.status_code in (200, 201), answer.text
    session.close()
    http = tenant.with_(answer.json()["session_token"])
    http.headers["Origin"] = site
    return http, str(answer.json()["visitor_id"])


def say(http: Any, bot: str, message: str) -> dict[str, Any]:
    answer = http.post("/v1/chat", json={"bot_profile_id": bot, "message": message})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def erased(tenant: Tenant, path: str) -> dict[str, Any]:
    """Order an erasure, and wait until its end."""
    answer = tenant.http.post(path)
    assert answer.status_code == 202, answer.text
    place = answer.headers["Location"]
    assert place == f"/v1/erasures/{answer.json()['id']}"

    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = tenant.http.get(place).json()
        return found if found["status"] == "completed" else None

    found: dict[str, Any] = eventually(look, lambda: tenant.http.get(place).text, seconds=120)
    return found


def analysed(installation: Installation) -> None:
    """Have Postgres note what it likes about the values of all columns, and write it down."""

    async def run() -> None:
        db = await inside.connect(installation.data_dir)
        try:
            await db.execute("analyze")
            await db.execute("checkpoint")
        finally:
            await db.close()

    asyncio.run(run())


def test_a_visitor_is_gone_and_nobody_else(installation: Installation, tenant: Tenant) -> None:
    bot = shop(tenant)
    http, visitor_id = visitor(tenant, bot)
    asked, refused, other = word(), word(), word()
    chat = say(http, bot, f"{QUESTION} {asked}")
    say(http, bot, refused)
    kept = tenant.ask(bot, f"{QUESTION} {other}")
    eventually(lambda: refused in tenant.http.get("/v1/stats/unanswered").text)
    asked_before = tenant.http.get("/v1/stats/usage").json()
    analysed(installation)
    assert traces(installation.data_dir, asked), "planted text was not even there"
    assert traces(installation.data_dir, refused)

    listed = tenant.http.get(f"/v1/chat/{chat['chat_id']}").json()
    assert listed["visitor_id"] == visitor_id
    receipt = erased(tenant, f"/v1/visitors/{visitor_id}/erase")
    assert receipt["counts"] == {"chats": 2}
    assert receipt["waiting"] == []

    assert traces(installation.data_dir, asked, refused) == []
    assert tenant.http.get(f"/v1/chat/{chat['chat_id']}").status_code == 404
    assert tenant.http.get(f"/v1/chat/{chat['chat_id']}/messages").status_code == 404
    again = {"bot_profile_id": bot, "message": "And?", "chat_id": chat["chat_id"]}
    assert http.post("/v1/chat", json=again).status_code == 404
    assert refused not in tenant.http.get("/v1/stats/unanswered").text
    assert tenant.http.get("/v1/stats/usage").json() == asked_before
    assert tenant.http.post(f"/v1/visitors/{visitor_id}/erase").status_code == 404
    messages = tenant.http.get(f"/v1/chat/{kept['chat_id']}/messages").text
    assert other in messages
    assert traces(installation.data_dir, other)


def test_a_user_is_gone_from_lists_logins_and_the_audit_log(
    installation: Installation, tenant: Tenant
) -> None:
    name, local, agent = word(), uuid.uuid4().hex, f"Agent-{uuid.uuid4().hex}"
    email = f"{local}@{tenant.slug}.example.com"
    body = {"email": email, "password": PASSWORD, "display_name": name, "role": "admin"}
    user = tenant.http.post("/v1/users", json=body).json()["id"]
    http = tenant.with_(tenant.login(email)["access_token"])
    http.headers["User-Agent"] = agent
    token = http.post("/v1/api-tokens", json={"name": "own"}).json()["raw_token"]
    seen = {"user_id": user, "action": "api_token.issued"}
    eventually(lambda: agent in tenant.http.get("/v1/audit-log", params=seen).text)
    analysed(installation)
    assert traces(installation.data_dir, name)
    assert traces(installation.data_dir, local)

    receipt = erased(tenant, f"/v1/users/{user}/erase")
    assert (receipt["kind"], receipt["counts"]) == ("user", {"users": 1})

    assert traces(installation.data_dir, name, local, agent) == []
    assert user not in tenant.http.get("/v1/users").text
    assert http.get("/v1/users").status_code == 401
    assert tenant.with_(token).get("/v1/users").status_code == 401
    failed = {"email": email, "password": PASSWORD, "tenant_slug": tenant.slug}
    assert tenant.http.post("/v1/auth/login", json=failed).status_code == 401
    (entry,) = tenant.http.get("/v1/audit-log", params=seen).json()
    assert (entry["address"], entry["user_agent"]) == (None, None)
    # The address is free again, for somebody else.
    assert tenant.http.post("/v1/users", json=body).status_code == 201


def test_what_has_become_too_old_goes_by_itself(installation: Installation, tenant: Tenant) -> None:
    bot = shop(tenant)
    old = word()
    chat = tenant.ask(bot, f"{QUESTION} {old}")["chat_id"]
    place = "/v1/tenants/me/retention"
    assert tenant.http.get(place).json() == {"chats_days": None}
    seen = tenant.http.get(f"{place}/preview", params={"chats_days": 30}).json()
    assert seen["chats"] == 0
    assert tenant.http.patch(place, json={"chats_days": 30}).json() == {"chats_days": 30}
    # The schedule is told that its time has come, forty days from now.
    inside.fire(installation.data_dir, tenant.id, tenant.id, days=40)

    def completed() -> dict[str, Any] | None:
        found = tenant.http.get("/v1/erasures").json()
        return found[0] if found and found[0]["status"] == "completed" else None

    receipt = eventually(completed, lambda: tenant.http.get("/v1/erasures").text, seconds=120)
    assert (receipt["kind"], receipt["counts"]) == ("retention", {"chats": 1})
    assert tenant.http.get(f"/v1/chat/{chat}").status_code == 404
    assert traces(installation.data_dir, old) == []
    assert tenant.user("admin").http.patch(place, json={"chats_days": 1}).status_code == 403
    assert tenant.http.patch(place, json={"chats_days": 0}).status_code == 422


def test_only_owners_erase_and_never_themselves(tenant: Tenant, other_tenant: Tenant) -> None:
    bot = shop(tenant)
    chat = tenant.ask(bot, QUESTION)["chat_id"]
    owner, admin = tenant.user("owner"), tenant.user("admin")
    assert admin.http.post(f"/v1/chat/{chat}/erase").status_code == 403
    assert admin.http.post(f"/v1/users/{owner.id}/erase").status_code == 403
    assert owner.http.post(f"/v1/users/{owner.id}/erase").status_code == 409
    assert other_tenant.http.post(f"/v1/chat/{chat}/erase").status_code == 404
    assert erased(tenant, f"/v1/chat/{chat}/erase")["counts"] == {"chats": 1}
    assert admin.http.get("/v1/erasures").json()[0]["subject_id"] == chat
    assert tenant.user("member").http.get("/v1/erasures").status_code == 403
