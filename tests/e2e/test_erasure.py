"""What is erased is gone: from answers, and from every byte of every file."""

import asyncio
import uuid
from typing import Any

import pytest

from tests.e2e import inside
from tests.e2e.traces import traces
from tests.harness import PASSWORD, Installation, Tenant, answers, client, eventually
from tests.unit.test_traces import MARKS

pytestmark = pytest.mark.timeout(600)

REBUILT = ("identity", "audit", "erasures", "sources", "bots", "chats", "index", "endpoints")
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
    path = f"/v1/chat/turns/{chat['turn_id']}/replay"
    replayed = tenant.http.post(path, json={"draft": {"top_k": 1}}).json()
    assert replayed["former"]["question"] == f"{QUESTION} {asked}"
    kept = tenant.ask(bot, f"{QUESTION} {other}")
    eventually(lambda: refused in tenant.http.get("/v1/stats/unanswered").text)
    asked_before = tenant.http.get("/v1/stats/usage").json()
    analysed(installation)
    assert traces(installation.data_dir, asked), "planted text was not even there"
    assert traces(installation.data_dir, refused)

    listed = tenant.http.get(f"/v1/chat/{chat['chat_id']}").json()
    assert listed["visitor_id"] == visitor_id
    receipt = erased(tenant, f"/v1/visitors/{visitor_id}/erase")
    assert receipt["counts"] == {"chats": 3}, "what replays it as well"
    assert receipt["waiting"] == []

    assert traces(installation.data_dir, asked, refused) == []
    for gone in (chat["chat_id"], replayed["chat_id"]):
        assert tenant.http.get(f"/v1/chat/{gone}").status_code == 404
    assert tenant.http.post(path, json={}).status_code == 404
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
    for_ever = {"chats_days": None, "audit_days": None, "deliveries_days": None}
    assert tenant.http.get(place).json() == for_ever
    seen = tenant.http.get(f"{place}/preview", params={"chats_days": 30}).json()
    assert seen["chats"] == 0
    days = {"chats_days": 30, "audit_days": 20, "deliveries_days": 10}
    assert tenant.http.patch(place, json={"chats_days": 30}).json() == {
        **for_ever,
        "chats_days": 30,
    }
    del days["chats_days"]
    assert tenant.http.patch(place, json=days).json() == {**days, "chats_days": 30}
    # The schedule is told that its time has come, forty days from now.
    inside.fire(installation.data_dir, tenant.id, tenant.id, days=40)

    def completed() -> dict[str, Any] | None:
        found = tenant.http.get("/v1/erasures").json()
        return found[0] if found and found[0]["status"] == "completed" else None

    receipt = eventually(completed, lambda: tenant.http.get("/v1/erasures").text, seconds=120)
    assert (receipt["kind"], receipt["counts"]) == ("retention", {"chats": 1})
    assert tenant.http.get(f"/v1/chat/{chat}").status_code == 404
    assert traces(installation.data_dir, old) == []
    kept = {entry["action"] for entry in tenant.http.get("/v1/audit-log").json()}
    assert "source.created" not in kept, "forty days from now it is too old"
    assert tenant.http.patch(place, json={"deliveries_days": 1}).status_code == 422
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


def furnished(tenant: Tenant) -> tuple[list[str], list[str]]:
    """Have words in everything that a tenant can have: the words, and credentials."""
    names = [word() for _ in range(8)]
    bot_name, prompt, text, question, person, hook, token_name, upload = names
    local, host = uuid.uuid4().hex, f"{uuid.uuid4().hex}.example.com"
    bot = tenant.bot(name=bot_name, model="local/extractive", system_prompt=prompt)
    source = tenant.source(bot, f"{TEXT} {text}", name=text)
    tenant.ingest(source)
    files = {"file": ("notes.txt", f"{TEXT} {upload}".encode())}
    uploaded = {"bot_profile_id": bot, "name": upload}
    sent = tenant.http.post("/v1/sources/upload", files=files, data=uploaded)
    assert sent.status_code == 201, sent.text
    tenant.ready(source)
    tenant.ready(sent.json()["id"])
    tenant.ask(bot, f"{QUESTION} {question}")
    body = {"email": f"{local}@example.com", "password": PASSWORD, "display_name": person}
    assert tenant.http.post("/v1/users", json={**body, "role": "admin"}).status_code == 201
    listening = {"url": f"https://{host}/hook", "description": hook, "events": []}
    assert tenant.http.post("/v1/webhooks", json=listening).status_code == 201
    token = tenant.http.post("/v1/api-tokens", json={"name": token_name}).json()["raw_token"]
    return [*names, local, host], [tenant.token, token, tenant.login()["access_token"]]


def of(installation: Installation, tenant: Tenant) -> dict[str, list[str]]:
    """The tenant's rows, by table; without tables that have none."""
    every = inside.rows(installation.data_dir).items()
    mine = {table: [row for row in rows if tenant.id in row] for table, rows in every}
    return {table: rows for table, rows in mine.items() if rows}


def test_a_tenant_is_gone_with_everything_and_no_other(
    installation: Installation, tenant: Tenant, other_tenant: Tenant
) -> None:
    planted, credentials = furnished(tenant)
    bot = shop(other_tenant)
    kept = word()
    other_tenant.ask(bot, f"{QUESTION} {kept}")
    analysed(installation)
    there = "\n".join(traces(installation.data_dir, *planted))
    assert [one for one in planted if one not in there] == [], "planted text was not even there"
    events = inside.facts(installation.data_dir, tenant.id)
    messages = of(installation, other_tenant)["chat_chats.messages"]

    place, confirmed = "/v1/tenants/me/erase", {"confirm": tenant.slug}
    assert tenant.http.post(place, json={"confirm": "another"}).status_code == 409
    assert tenant.user("admin").http.post(place, json=confirmed).status_code == 403
    ordered = tenant.http.post(place, json=confirmed)
    assert ordered.status_code == 202, ordered.text
    assert (ordered.json()["kind"], ordered.json()["subject_id"]) == ("tenant", tenant.id)
    for credential in credentials:
        http = tenant.with_(credential)
        answers(http, "/v1/bot-profiles", 401)
    done = installation.cli("erase", "tenant", tenant.slug, "--yes")
    assert done.returncode == 0, done.stderr
    assert "erased: 1 tenants" in done.stdout

    assert traces(installation.data_dir, *planted) == []
    assert traces(installation.data_dir, kept)
    assert not events - inside.facts(installation.data_dir, tenant.id), "the log loses no event"
    assert not any(file.is_file() for file in installation.data_dir.rglob(f"{tenant.id}/**/*"))
    before = of(installation, tenant), of(installation, other_tenant)
    assert before[0].keys() == {"gateway_erasures.aggregates", "gateway_erasures.erasures"}
    inside.rebuild(installation.data_dir, *REBUILT)
    assert (of(installation, tenant), of(installation, other_tenant)) == before
    assert before[1]["chat_chats.messages"] == messages
    assert other_tenant.ask(bot, QUESTION)["citations"]


def test_an_erased_tenant_does_not_come_back(installation: Installation, tenant: Tenant) -> None:
    bot = shop(tenant)
    http, _ = visitor(tenant, bot)
    order = {"confirm": tenant.slug}
    assert tenant.http.post("/v1/tenants/me/erase", json=order).status_code == 202
    question = {"bot_profile_id": bot, "message": "Hello?"}
    eventually(lambda: http.post("/v1/chat", json=question).status_code in (401, 403))
    done = installation.cli("erase", "tenant", tenant.slug)
    assert done.returncode == 0, done.stderr
    assert "erased: 1 tenants" in done.stdout, "what was ordered before needs no other order"
    # Else somebody else could speak for whoever had it.
    again = {
        "tenant_name": "x",
        "tenant_slug": tenant.slug,
        "owner_email": "owner@example.com",
        "owner_password": PASSWORD,
    }
    assert tenant.http.post("/v1/tenants", json=again).status_code == 409
    nobody = installation.cli("erase", "chat", tenant.slug, bot)
    assert (nobody.returncode, nobody.stderr) == (
        1,
        f"minirag: tenant {tenant.slug} was erased\n",
    )


def test_the_operator_sees_what_would_go_before_it_goes(
    installation: Installation, tenant: Tenant
) -> None:
    bot = shop(tenant)
    http, visitor_id = visitor(tenant, bot)
    said, of_visitor = word(), word()
    chat = tenant.ask(bot, f"{QUESTION} {said}")["chat_id"]
    say(http, bot, f"{QUESTION} {of_visitor}")
    user = tenant.user("member")
    wanted = {
        "chat": (chat, f"chat {chat} with 1 questions"),
        "visitor": (visitor_id, f"1 chats of visitor {visitor_id}"),
        "user": (user.id, user.email),
    }
    for kind, (subject, would_go) in wanted.items():
        looked = installation.cli("erase", kind, tenant.slug, subject)
        assert looked.returncode == 0, looked.stderr
        assert would_go in looked.stdout
        assert "nothing was erased" in looked.stdout
    assert tenant.http.get("/v1/erasures").json() == []
    looked = installation.cli("erase", "tenant", tenant.slug)
    assert "1 bot_profile" in looked.stdout
    assert tenant.http.get("/v1/bot-profiles").status_code == 200
    for kind, (subject, _) in wanted.items():
        done = installation.cli("erase", kind, tenant.slug, subject, "--yes")
        assert done.returncode == 0, done.stderr
    assert tenant.http.get(f"/v1/chat/{chat}").status_code == 404
    assert user.id not in tenant.http.get("/v1/users").text
    kinds = [one["kind"] for one in tenant.http.get("/v1/erasures").json()]
    assert sorted(kinds) == ["chat", "user", "visitor"]
    nobody = installation.cli("erase", "chat", tenant.slug, chat, "--yes")
    assert (nobody.returncode, nobody.stderr) == (1, "minirag: Chat not found\n")
