"""Public keys of web pages, the sessions they are exchanged for, and what visitors may do."""

import uuid
from typing import Any

import httpx
import jwt
import pytest

from tests.harness import PLAIN, Tenant, eventually

SHOP = "https://shop.example"


@pytest.fixture
def bot(tenant: Tenant) -> str:
    return tenant.bot(name="Shop", description="Knows the shop")


def make(tenant: Tenant, bot: str, **fields: Any) -> dict[str, Any]:
    body = {"name": "site", "bot_profile_id": bot, "allowed_origins": [SHOP], **fields}
    answer = tenant.http.post("/v1/widget/keys", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def open_session(
    tenant: Tenant, key: dict[str, Any], origin: str | None = SHOP, **fields: Any
) -> httpx.Response:
    headers = {} if origin is None else {"Origin": origin}
    body = {"key": key["public_key"], **fields}
    return httpx.post(
        f"{tenant.url}/v1/widget/sessions", json=body, headers=headers, verify=PLAIN, timeout=30
    )


class Visitor:
    """A page of the shop with a session."""

    def __init__(self, tenant: Tenant, key: dict[str, Any], bot: str, **fields: Any) -> None:
        answer = open_session(tenant, key, **fields)
        assert answer.status_code == 201, answer.text
        self.session = answer.json()
        self.bot = bot
        self.http = tenant.with_(self.session["session_token"])
        self.http.headers["Origin"] = SHOP

    def ask(self, **fields: Any) -> httpx.Response:
        body = {"bot_profile_id": self.bot, "message": "What is it?", **fields}
        return self.http.post("/v1/chat", json=body)


class TestKeys:
    def test_the_pages_of_the_server_itself_may_use_every_key(
        self, tenant: Tenant, bot: str
    ) -> None:
        made = make(tenant, bot, allowed_origins=[])
        answer = open_session(tenant, made, origin=tenant.url)
        assert answer.status_code == 201
        visitor = tenant.with_(answer.json()["session_token"])
        asked = {"bot_profile_id": bot, "message": "What is it?"}
        assert visitor.post("/v1/chat", json=asked).status_code == 200
        assert open_session(tenant, made, origin="http://127.0.0.1:1").status_code == 403

    def test_how_the_widget_looks_comes_with_the_session(self, tenant: Tenant, bot: str) -> None:
        made = make(tenant, bot, appearance={"heading": "Ask us", "starters": ["How long?"]})
        path = f"/v1/widget/keys/{made['id']}"
        look = {"heading": "Help", "accent": "#ff8800", "position": "left", "language": "de"}
        assert tenant.http.patch(path, json={"appearance": look}).status_code == 200
        shown = open_session(tenant, made).json()["appearance"]
        assert shown == {**shown, **look, "starters": []}
        for bad in ({"accent": "red;background:url(//evil)"}, {"heading": "\x00"}):
            assert tenant.http.patch(path, json={"appearance": bad}).status_code == 422

    def test_a_key_is_made_shown_changed_and_revoked(self, tenant: Tenant, bot: str) -> None:
        made = make(tenant, bot)
        assert made["public_key"].startswith("nrag_pk_")
        assert made["quotas"]["questions_per_visitor_hour"] > 0
        path = f"/v1/widget/keys/{made['id']}"
        assert tenant.http.get(path).json() == made
        change = {"name": "new", "allowed_origins": ["https://*.example.com"]}
        changed = tenant.http.patch(path, json=change).json()
        assert changed == {**made, **change}
        for _ in range(2):
            assert tenant.http.delete(path).status_code == 204
        assert tenant.http.get("/v1/widget/keys").json() == [{**changed, "is_active": False}]
        assert tenant.http.patch(path, json=change).status_code == 409

    @pytest.mark.parametrize(
        "fields",
        [
            {"name": "n" * 256},
            {"bot_profile_id": str(uuid.UUID(int=7))},
            {"bot_profile_id": None},
            {"allowed_origins": ["shop.example"]},
            {"allowed_origins": ["https://shop.example/path"]},
            {"allowed_origins": ["https://Shop.example"]},
            {"allowed_origins": ["*"]},
            {"allowed_origins": ["https://*"]},
            {"allowed_origins": ["https://a.*.example"]},
            {"quotas": {"questions_per_day": 0}},
            {"quotas": {"questions_per_visitor_hour": 2**65}},
        ],
    )
    def test_what_does_not_fit_is_refused(
        self, tenant: Tenant, bot: str, fields: dict[str, Any]
    ) -> None:
        body = {"name": "n", "bot_profile_id": bot, **fields}
        answer = tenant.http.post("/v1/widget/keys", json=body)
        assert answer.status_code == 422
        assert answer.json()["field"].split(".")[0] == next(iter(fields))

    def test_an_unknown_or_foreign_one_is_not_there(
        self, tenant: Tenant, other_tenant: Tenant
    ) -> None:
        foreign = make(other_tenant, other_tenant.bot())["id"]
        for key_id in (str(uuid.uuid4()), foreign):
            path = f"/v1/widget/keys/{key_id}"
            for answer in (
                tenant.http.get(path),
                tenant.http.patch(path, json={"name": "n"}),
                tenant.http.delete(path),
            ):
                assert answer.status_code == 404
                assert answer.json()["detail"] == "Widget key not found"

    def test_another_tenants_bot_gets_none(self, tenant: Tenant, other_tenant: Tenant) -> None:
        body = {"name": "n", "bot_profile_id": other_tenant.bot()}
        assert tenant.http.post("/v1/widget/keys", json=body).status_code == 422


class TestSessions:
    def test_a_session_tells_the_bot_and_lasts_a_quarter_of_an_hour(
        self, tenant: Tenant, bot: str
    ) -> None:
        session = Visitor(tenant, make(tenant, bot), bot).session
        assert session["expires_in"] == 900
        assert session["bot"] == {"id": bot, "name": "Shop", "description": "Knows the shop"}
        claims = jwt.decode(session["session_token"], options={"verify_signature": False})
        assert claims["aud"] == "minirag-widget"
        assert (claims["bot"], claims["sub"], claims["origin"]) == (
            bot,
            session["visitor_id"],
            SHOP,
        )

    @pytest.mark.parametrize(
        ("allowed", "origin", "status"),
        [
            ([SHOP], SHOP, 201),
            ([SHOP], "http://shop.example", 403),
            ([SHOP], "https://shop.example:8443", 403),
            ([SHOP], "https://evil.example", 403),
            ([SHOP], "https://www.shop.example", 403),
            ([SHOP], "null", 403),
            ([SHOP], None, 403),
            ([], SHOP, 403),
            (["https://*.shop.example"], "https://www.shop.example", 201),
            (["https://*.shop.example"], "https://a.b.shop.example", 201),
            (["https://*.shop.example"], SHOP, 403),
            (["https://*.shop.example"], "https://evilshop.example", 403),
            (["https://*.shop.example"], "https://evil.example/.shop.example", 403),
            (["http://localhost:3000"], "http://localhost:3000", 201),
        ],
    )
    def test_only_pages_of_allowed_origins_get_one(
        self, tenant: Tenant, bot: str, allowed: list[str], origin: str | None, status: int
    ) -> None:
        key = make(tenant, bot, allowed_origins=allowed)
        assert open_session(tenant, key, origin).status_code == status

    def test_a_key_that_is_none_gets_none(self, tenant: Tenant, bot: str) -> None:
        key = make(tenant, bot)
        tenant.http.delete(f"/v1/widget/keys/{key['id']}")
        for public in (key["public_key"], "nrag_pk_x", tenant.token, "x" * 255):
            answer = open_session(tenant, {"public_key": public})
            assert answer.status_code == 401
            assert answer.json()["detail"] == "Invalid or revoked widget key"

    def test_a_bot_that_is_switched_off_gets_none(self, tenant: Tenant, bot: str) -> None:
        key = make(tenant, bot)
        tenant.http.delete(f"/v1/bot-profiles/{bot}")
        assert open_session(tenant, key).status_code == 404

    def test_the_public_key_itself_opens_nothing(self, tenant: Tenant, bot: str) -> None:
        http = tenant.with_(make(tenant, bot)["public_key"])
        for path in ("/v1/sources", f"/v1/bot-profiles/{bot}"):
            assert http.get(path).status_code == 401


class TestVisitors:
    def test_a_visitor_chats_with_that_bot_only(self, tenant: Tenant, bot: str) -> None:
        visitor = Visitor(tenant, make(tenant, bot), bot)
        assert visitor.ask().status_code == 200
        assert visitor.ask(bot_profile_id=tenant.bot()).status_code == 404
        profile = visitor.http.get(f"/v1/bot-profiles/{bot}")
        assert set(profile.json()) == {"id", "name", "description", "is_active"}
        for path in ("/v1/sources", "/v1/users", "/v1/tenants/me", "/v1/auth/me"):
            assert visitor.http.get(path).status_code == 403

    def test_a_visitor_sees_no_other_visitors_chats(self, tenant: Tenant, bot: str) -> None:
        key = make(tenant, bot)
        one, two = Visitor(tenant, key, bot), Visitor(tenant, key, bot)
        answer = one.ask().json()
        turn = f"/v1/chat/turns/{answer['turn_id']}"
        stream = f"{turn}/stream"
        assert one.ask(chat_id=answer["chat_id"]).status_code == 200
        assert two.ask(chat_id=answer["chat_id"]).status_code == 404
        for path in (turn, stream):
            assert one.http.get(path).status_code == 200
            assert two.http.get(path).status_code == 404

    def test_a_visitor_reads_and_judges_what_was_said_in_the_own_chats(
        self, tenant: Tenant, bot: str
    ) -> None:
        key = make(tenant, bot)
        one, two = Visitor(tenant, key, bot), Visitor(tenant, key, bot)
        answer = one.ask().json()
        chat = f"/v1/chat/{answer['chat_id']}"
        feedback = f"{chat}/messages/{answer['message']['id']}/feedback"
        assert [said["role"] for said in one.http.get(f"{chat}/messages").json()] == [
            "user",
            "assistant",
        ]
        assert one.http.get(chat).json()["message_count"] == 2
        opinion = {"feedback": "positive"}
        for path in (chat, f"{chat}/messages"):
            assert two.http.get(path).status_code == 404
        assert two.http.patch(feedback, json=opinion).status_code == 404
        assert one.http.patch(feedback, json=opinion).json()["feedback"] == "positive"
        assert one.http.get("/v1/chat").status_code == 403

    def test_two_visitors_with_one_idempotency_key_see_their_own_answers(
        self, tenant: Tenant, bot: str
    ) -> None:
        key = make(tenant, bot)
        headers = {"Idempotency-Key": "1"}
        chats = set()
        for _ in range(2):
            visitor = Visitor(tenant, key, bot)
            visitor.http.headers.update(headers)
            chats.add(visitor.ask().json()["chat_id"])
        assert len(chats) == 2

    def test_a_visitor_stays_the_same_with_an_earlier_session(
        self, tenant: Tenant, bot: str
    ) -> None:
        key = make(tenant, bot)
        first = Visitor(tenant, key, bot)
        chat = first.ask().json()["chat_id"]
        again = Visitor(tenant, key, bot, session_token=first.session["session_token"])
        assert again.session["visitor_id"] == first.session["visitor_id"]
        assert again.ask(chat_id=chat).status_code == 200
        other_bot = tenant.bot()
        elsewhere = Visitor(
            tenant,
            make(tenant, other_bot),
            other_bot,
            session_token=first.session["session_token"],
        )
        assert elsewhere.session["visitor_id"] != first.session["visitor_id"]
        stranger = Visitor(tenant, key, bot, session_token="a.b.c")
        assert stranger.session["visitor_id"] != first.session["visitor_id"]

    def test_a_session_is_of_no_use_on_another_site(self, tenant: Tenant, bot: str) -> None:
        visitor = Visitor(tenant, make(tenant, bot), bot)
        visitor.http.headers["Origin"] = "https://evil.example"
        assert visitor.ask().status_code == 403

    @pytest.mark.parametrize("change", ["revoke", "origins"])
    def test_sessions_end_with_their_key(self, tenant: Tenant, bot: str, change: str) -> None:
        key = make(tenant, bot)
        visitor = Visitor(tenant, key, bot)
        assert visitor.ask().status_code == 200
        path = f"/v1/widget/keys/{key['id']}"
        if change == "revoke":
            tenant.http.delete(path).raise_for_status()
        else:
            tenant.http.patch(path, json={"allowed_origins": []}).raise_for_status()
        eventually(lambda: visitor.ask().status_code in (401, 403))


class TestQuotas:
    def test_a_visitor_who_asks_too_much_waits_and_others_do_not(
        self, tenant: Tenant, bot: str
    ) -> None:
        key = make(tenant, bot, quotas={"questions_per_visitor_hour": 2})
        one, two = Visitor(tenant, key, bot), Visitor(tenant, key, bot)
        codes = [one.ask().status_code for _ in range(5)]
        assert codes.count(429) >= 1
        assert set(codes) == {200, 429}
        stopped = one.ask()
        assert 0 < int(stopped.headers["retry-after"]) <= 3600
        assert two.ask().status_code == 200

    def test_a_key_gives_no_more_than_its_day_has(self, tenant: Tenant, bot: str) -> None:
        key = make(tenant, bot, quotas={"questions_per_day": 1})
        codes = [Visitor(tenant, key, bot).ask().status_code for _ in range(3)]
        assert 429 in codes

    def test_one_address_opens_no_endless_number_of_sessions(
        self, tenant: Tenant, bot: str
    ) -> None:
        key = make(tenant, bot, quotas={"sessions_per_address_hour": 2})
        codes = [open_session(tenant, key).status_code for _ in range(5)]
        assert codes.count(429) >= 1
        assert set(codes) == {201, 429}
