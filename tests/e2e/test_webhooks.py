"""Webhooks as a tenant and its receivers see them."""

import hashlib
import hmac
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook

from tests.chaos.probes import spilled
from tests.e2e.receivers import Hit, hanging, receiving
from tests.harness import Installation, Tenant, eventually

CONTRACT = {
    "id", "tenant_id", "url", "events", "is_active", "description", "has_secret", "created_at",
    "updated_at",
}  # fmt: skip
CREATED = "source.created"
TEXT = "The quartz code is forty-two. It lies in the cabinet."


def webhook(tenant: Tenant, url: str, *events: str, **fields: Any) -> dict[str, Any]:
    answer = tenant.http.post("/v1/webhooks", json={"url": url, "events": list(events), **fields})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def deliveries(tenant: Tenant, hook: dict[str, Any], **query: str) -> list[dict[str, Any]]:
    answer = tenant.http.get(f"/v1/webhooks/{hook['id']}/deliveries", params=query)
    found: list[dict[str, Any]] = answer.raise_for_status().json()
    return found


def detail(tenant: Tenant, hook: dict[str, Any], delivery: dict[str, Any]) -> dict[str, Any]:
    answer = tenant.http.get(f"/v1/webhooks/{hook['id']}/deliveries/{delivery['id']}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def delivered(tenant: Tenant, hook: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """Wait until so many arrived and are recorded so."""

    def look() -> list[dict[str, Any]] | None:
        found = deliveries(tenant, hook, status="delivered")
        return found if len(found) >= count else None

    found: list[dict[str, Any]] = eventually(look, lambda: str(deliveries(tenant, hook)))
    return found


def verify(hit: Hit, secret: str) -> Any:
    """As a receiver does, with the library of the specification; raises if it does not hold."""
    return Webhook(secret).verify(hit.body, dict(hit.headers))


class TestEndpoints:
    def test_are_made_and_shown_as_the_contract_says(self, tenant: Tenant) -> None:
        made = webhook(tenant, "https://example.com/a", "chat.message", description="Ours")
        assert set(made) >= CONTRACT | {"secret"}
        assert made["secret"].startswith("whsec_")
        assert (made["events"], made["is_active"], made["has_secret"]) == (
            ["chat.message"], True, True,
        )  # fmt: skip
        shown = tenant.http.get(f"/v1/webhooks/{made['id']}").json()
        assert shown == {name: value for name, value in made.items() if name != "secret"}
        second = webhook(tenant, "https://example.com/b")
        listed = tenant.http.get("/v1/webhooks").json()
        assert [one["id"] for one in listed] == [second["id"], made["id"]]

    def test_may_bring_a_secret_of_their_own(self, tenant: Tenant) -> None:
        made = webhook(tenant, "https://example.com", secret="sixteen letters!")
        assert made["secret"] == "sixteen letters!"

    def test_a_repeated_request_makes_one_and_shows_its_secret(self, tenant: Tenant) -> None:
        body = {"url": "https://example.com", "events": []}
        first, second = (
            tenant.http.post("/v1/webhooks", json=body, headers={"Idempotency-Key": "k"}).json()
            for _ in range(2)
        )
        assert first == second
        assert len(tenant.http.get("/v1/webhooks").json()) == 1

    @pytest.mark.parametrize(
        ("body", "detail"),
        [
            ({"url": "https://example.com", "events": ["x.y"]}, "Invalid event type: x.y"),
            ({"url": "ftp://example.com", "events": []}, "url must be"),
            ({"url": "http://10.0.0.1/", "events": []}, "private address"),
        ],
    )
    def test_that_cannot_be_are_refused_with_the_field_at_fault(
        self, tenant: Tenant, body: dict[str, Any], detail: str
    ) -> None:
        answer = tenant.http.post("/v1/webhooks", json=body)
        assert answer.status_code == 422
        assert detail in answer.json()["detail"]
        assert answer.json()["field"] in ("url", "events")

    def test_are_changed_field_by_field(self, tenant: Tenant) -> None:
        made = webhook(tenant, "https://example.com", "chat.message")
        answer = tenant.http.patch(
            f"/v1/webhooks/{made['id']}", json={"events": [CREATED, CREATED], "is_active": False}
        )
        assert answer.status_code == 200, answer.text
        changed = answer.json()
        assert (changed["events"], changed["is_active"], changed["url"]) == (
            [CREATED], False, made["url"],
        )  # fmt: skip

    def test_are_gone_when_deleted(self, tenant: Tenant) -> None:
        made = webhook(tenant, "https://example.com")
        assert tenant.http.delete(f"/v1/webhooks/{made['id']}").status_code == 204
        for path in ("", "/deliveries", "/deliveries/00000000-0000-4000-8000-000000000007"):
            assert tenant.http.get(f"/v1/webhooks/{made['id']}{path}").status_code == 404
        assert tenant.http.delete(f"/v1/webhooks/{made['id']}").status_code == 404
        assert tenant.http.get("/v1/webhooks").json() == []

    def test_of_another_tenant_do_not_exist(self, tenant: Tenant, other_tenant: Tenant) -> None:
        path = f"/v1/webhooks/{webhook(tenant, 'https://example.com')['id']}"
        http = other_tenant.http
        span = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}
        for answer in (
            http.get(path),
            http.patch(path, json={"url": "https://example.org"}),
            http.delete(path),
            http.post(f"{path}/test"),
            http.post(f"{path}/rotate-secret"),
            http.post(f"{path}/replay", json=span),
            http.get(f"{path}/deliveries"),
            http.post(f"{path}/deliveries/00000000-0000-4000-8000-000000000007/redeliver"),
        ):
            assert answer.status_code == 404, answer.text
        assert tenant.http.get(path).status_code == 200


class TestAPing:
    def test_tells_what_the_receiver_said(self, tenant: Tenant) -> None:
        with receiving(lambda _hit: 418) as receiver:
            made = webhook(tenant, receiver.url)
            answer = tenant.http.post(f"/v1/webhooks/{made['id']}/test")
            assert answer.json() == {"success": False, "status_code": 418}
            receiver.answer = lambda _hit: 200
            answer = tenant.http.post(f"/v1/webhooks/{made['id']}/test")
            assert answer.json() == {"success": True, "status_code": 200}
        hit = receiver.hits[-1]
        assert (hit.type, hit.json) == (
            "test.ping", {"event": "test.ping", "webhook_id": made["id"]},
        )  # fmt: skip
        assert verify(hit, made["secret"])
        newest, oldest = deliveries(tenant, made)
        assert (newest["status"], oldest["status"]) == ("delivered", "failed")
        assert (newest["attempt_count"], oldest["attempt_count"]) == (1, 1)

    def test_nobody_there_is_an_answer(self, tenant: Tenant) -> None:
        with receiving() as receiver:
            url = receiver.url
        made = webhook(tenant, url)
        answer = tenant.http.post(f"/v1/webhooks/{made['id']}/test")
        assert (answer.status_code, answer.json()) == (
            200, {"success": False, "status_code": None},
        )  # fmt: skip
        (one,) = deliveries(tenant, made)
        assert "cannot be reached" in one["last_error"]


class TestDeliveries:
    def test_tell_of_sources_and_of_every_kind_of_chat(self, tenant: Tenant) -> None:
        with receiving() as receiver:
            made = webhook(tenant, receiver.url, "source.ingested", "source.failed", "chat.message")
            bot = tenant.bot()
            good, bad = tenant.source(bot, TEXT), tenant.source(bot, " ")
            for source, status in ((good, "ready"), (bad, "error")):
                tenant.ingest(source)
                tenant.ready(source, status)
            said = tenant.ask(bot, "What is the quartz code?")
            streamed = tenant.stream(bot, "What is the quartz code?")
            refused = tenant.ask(bot, "How is the weather?")
            eventually(lambda: len(receiver.hits) == 5, lambda: str(receiver.hits))

        (ingested,) = receiver.of_type("source.ingested")
        assert ingested.json == {
            "source_id": good, "source_name": "Source", "document_count": 1, "chunk_count": 1,
        }  # fmt: skip
        (failed,) = receiver.of_type("source.failed")
        assert failed.json == {"source_id": bad, "error": "No content to ingest"}
        answers = [hit.json for hit in receiver.of_type("chat.message")]
        assert [one["message_id"] for one in answers] == [
            said["message"]["id"], streamed[-1][1]["message_id"], refused["message"]["id"],
        ]  # fmt: skip
        assert [one["refused"] for one in answers] == [False, False, True]
        assert answers[0]["chat_id"] == said["chat_id"]
        assert answers[0]["bot_profile_id"] == bot
        for hit in receiver.hits:
            assert verify(hit, made["secret"]) == hit.json
            plain = hmac.new(made["secret"].encode(), hit.body, hashlib.sha256).hexdigest()
            assert hit.headers["x-minirag-signature"] == plain
            assert hit.headers["content-type"] == "application/json"
        assert len({hit.id for hit in receiver.hits}) == 5

    def test_begin_with_the_endpoint_and_keep_to_its_tenant_and_types(
        self, tenant: Tenant, other_tenant: Tenant
    ) -> None:
        with receiving() as receiver:
            tenant.source(tenant.bot(), TEXT)
            webhook(tenant, receiver.url, CREATED)
            other_tenant.source(other_tenant.bot(), TEXT)
            bot = tenant.bot()
            source = tenant.source(bot, TEXT)
            eventually(lambda: receiver.hits)
            tenant.http.delete(f"/v1/sources/{source}")
            last = tenant.source(bot, TEXT)
            eventually(lambda: len(receiver.hits) > 1)
        assert [hit.json["source_id"] for hit in receiver.hits] == [source, last]

    def test_are_tried_again_with_the_same_id_and_bytes_while_others_wait(
        self, tenant: Tenant
    ) -> None:
        left = [503, 500]
        with receiving(lambda _hit: left.pop() if left else 200) as receiver:
            made = webhook(tenant, receiver.url, CREATED)
            bot = tenant.bot()
            ids = [tenant.source(bot, TEXT) for _ in range(3)]
            delivered(tenant, made, 3)
        first, *_ = receiver.hits
        assert [hit.json["source_id"] for hit in receiver.hits] == [ids[0]] * 3 + ids[1:]
        assert {hit.id for hit in receiver.hits[:3]} == {first.id}
        assert {hit.body for hit in receiver.hits[:3]} == {first.body}
        for hit in receiver.hits:
            verify(hit, made["secret"])
        told = detail(tenant, made, deliveries(tenant, made)[-1])
        assert [one["status_code"] for one in told["attempts"]] == [500, 503, 200]
        assert told["request"] == {"method": "POST", "body": first.body.decode()}
        assert told["message_id"] == first.id
        assert all(one["url"] == receiver.url for one in told["attempts"])

    def test_one_that_is_refused_for_itself_holds_up_nobody(self, tenant: Tenant) -> None:
        with receiving() as receiver:
            made = webhook(tenant, receiver.url, CREATED)
            bot = tenant.bot()
            bad = tenant.source(bot, TEXT, name="bad")
            receiver.answer = lambda hit: 422 if hit.json["source_id"] == bad else 200
            good = [tenant.source(bot, TEXT) for _ in range(2)]
            eventually(lambda: {hit.json["source_id"] for hit in receiver.hits} >= set(good))
            eventually(lambda: len(deliveries(tenant, made, status="delivered")) >= 2)

    def test_a_receiver_that_hangs_delays_no_other(self, tenant: Tenant) -> None:
        go = threading.Event()
        with receiving(hanging(go)) as stuck, receiving() as well:
            webhook(tenant, stuck.url, CREATED)
            webhook(tenant, well.url, CREATED)
            bot = tenant.bot()
            ids = [tenant.source(bot, TEXT) for _ in range(5)]
            eventually(lambda: len(well.hits) == 5)
            assert stuck.hits == []
            assert [hit.json["source_id"] for hit in well.hits] == ids
            for made in tenant.http.get("/v1/webhooks").json():
                tenant.http.delete(f"/v1/webhooks/{made['id']}")
            go.set()

    def test_can_be_ordered_again(self, tenant: Tenant) -> None:
        with receiving() as receiver:
            made = webhook(tenant, receiver.url, CREATED)
            tenant.source(tenant.bot(), TEXT)
            (one,) = delivered(tenant, made, 1)
            path = f"/v1/webhooks/{made['id']}/deliveries/{one['id']}/redeliver"
            answer = tenant.http.post(path)
            assert answer.status_code == 200, answer.text
            eventually(lambda: len(receiver.hits) == 2)
            (again,) = delivered(tenant, made, 1)
        first, second = receiver.hits
        assert (first.id, first.body) == (second.id, second.body)
        eventually(lambda: detail(tenant, made, again)["attempt_count"] == 2)

    def test_are_listed_in_pages_and_by_how_they_stand(self, tenant: Tenant) -> None:
        with receiving() as receiver:
            made = webhook(tenant, receiver.url, CREATED, "source.deleted")
            bot = tenant.bot()
            source = tenant.source(bot, TEXT)
            tenant.http.delete(f"/v1/sources/{source}")
            everything = delivered(tenant, made, 2)
        assert [one["event_type"] for one in everything] == ["source.deleted", CREATED]
        path = f"/v1/webhooks/{made['id']}/deliveries"
        page = tenant.http.get(path, params={"limit": 1})
        assert page.json() == everything[:1]
        assert page.headers["X-Total-Count"] == "2"
        rest = tenant.http.get(page.headers["Link"].split(">")[0][1:])
        assert rest.json() == everything[1:]
        assert deliveries(tenant, made, status="failed") == []
        assert deliveries(tenant, made, event_type=CREATED) == everything[1:]


class TestAReceiverThatIsGone:
    def test_disables_its_endpoint_and_others_hear_of_it(self, tenant: Tenant) -> None:
        with receiving(lambda _hit: 410) as gone, receiving() as other:
            made = webhook(tenant, gone.url, CREATED, "webhook.disabled")
            webhook(tenant, other.url, "webhook.disabled")
            bot = tenant.bot()
            tenant.source(bot, TEXT)
            eventually(lambda: other.hits)
            (told,) = other.hits
            assert (told.json["webhook_id"], told.json["reason"]) == (made["id"], "gone")
            shown = tenant.http.get(f"/v1/webhooks/{made['id']}").json()
            assert (shown["is_active"], shown["disabled_reason"]) == (False, "gone")
            tenant.source(bot, TEXT)

            gone.answer = lambda _hit: 200
            path = f"/v1/webhooks/{made['id']}"
            on = tenant.http.patch(path, json={"is_active": True}).json()
            assert (on["is_active"], on["disabled_reason"]) == (True, None)
            last = tenant.source(bot, TEXT)
            eventually(lambda: len(gone.hits) == 2, lambda: str(gone.hits))
        assert gone.hits[1].json["source_id"] == last

    def test_cannot_be_sent_to_while_it_is_off(self, tenant: Tenant) -> None:
        with receiving(lambda _hit: 410) as gone:
            made = webhook(tenant, gone.url, CREATED)
            tenant.source(tenant.bot(), TEXT)
            eventually(lambda: deliveries(tenant, made, status="failed"))
            (one,) = deliveries(tenant, made)
            path = f"/v1/webhooks/{made['id']}"
            again = tenant.http.post(f"{path}/deliveries/{one['id']}/redeliver")
            assert again.status_code == 409
            span = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}
            assert tenant.http.post(f"{path}/replay", json=span).status_code == 409


class TestTheSecret:
    def test_is_rotated_without_losing_a_delivery(self, tenant: Tenant) -> None:
        with receiving() as receiver:
            made = webhook(tenant, receiver.url, CREATED)
            path = f"/v1/webhooks/{made['id']}/rotate-secret"
            rotated = tenant.http.post(path)
            assert rotated.status_code == 200, rotated.text
            new = rotated.json()["secret"]
            assert rotated.json()["previous_secret_until"]
            assert tenant.http.post(path).status_code == 409
            bot = tenant.bot()
            tenant.source(bot, TEXT)
            eventually(lambda: len(receiver.hits) == 1)
            ended = tenant.http.post(path, json={"overlap_seconds": 0}).json()["secret"]
            tenant.source(bot, TEXT)
            eventually(lambda: len(receiver.hits) == 2)
        both, last = receiver.hits
        for secret in (new, made["secret"]):
            verify(both, secret)
        verify(last, ended)
        assert " " not in last.headers["webhook-signature"]
        old = hmac.new(made["secret"].encode(), both.body, hashlib.sha256).hexdigest()
        assert both.headers["x-minirag-signature-previous"] == old

    def test_is_found_nowhere_on_disk(self, tenant: Tenant, installation: Installation) -> None:
        with receiving() as receiver:
            made = webhook(tenant, receiver.url, CREATED)
            tenant.source(tenant.bot(), TEXT)
            eventually(lambda: receiver.hits)
        secrets = [made["secret"], made["secret"].removeprefix("whsec_")]
        assert spilled(installation.data_dir, secrets) == {}


class TestAReplay:
    def test_sends_a_range_of_time_again_with_the_ids_it_had(self, tenant: Tenant) -> None:
        def now() -> str:
            return datetime.now(UTC).isoformat()

        with receiving() as receiver:
            bot = tenant.bot()
            begin = now()
            before = tenant.source(bot, TEXT)
            made = webhook(tenant, receiver.url, CREATED)
            known = tenant.source(bot, TEXT)
            delivered(tenant, made, 1)
            end = now()
            later = tenant.source(bot, TEXT)
            delivered(tenant, made, 2)
            span = {"from": begin, "to": end}
            answer = tenant.http.post(f"/v1/webhooks/{made['id']}/replay", json=span)
            assert answer.status_code == 202, answer.text
            eventually(lambda: len(receiver.hits) == 4, lambda: str(receiver.hits))
            eventually(lambda: not deliveries(tenant, made, status="pending"))
        sources = [hit.json["source_id"] for hit in receiver.hits]
        assert sources == [known, later, before, known]
        assert receiver.hits[0].id == receiver.hits[3].id
        assert receiver.hits[0].body == receiver.hits[3].body

    @pytest.mark.parametrize("days", [-1, 0, 32])
    def test_takes_a_range_of_up_to_a_month(self, tenant: Tenant, days: int) -> None:
        made = webhook(tenant, "https://example.com")
        begin = datetime(2026, 1, 1, tzinfo=UTC)
        span = {"from": begin.isoformat(), "to": (begin + timedelta(days=days)).isoformat()}
        answer = tenant.http.post(f"/v1/webhooks/{made['id']}/replay", json=span)
        assert answer.status_code == 422


def test_every_endpoint_hears_of_everything_in_order(
    installation: Installation, register: Callable[[str], Tenant]
) -> None:
    tenants = [register(installation.url) for _ in range(3)]
    with receiving() as receiver:
        for tenant in tenants:
            webhook(tenant, receiver.url, "source.created", "source.updated", "source.deleted")
        expected: dict[str, list[tuple[str, str]]] = {tenant.id: [] for tenant in tenants}
        bots = {tenant.id: tenant.bot() for tenant in tenants}
        for n in range(10):
            for tenant in tenants:
                source = tenant.source(bots[tenant.id], TEXT)
                tenant.http.patch(f"/v1/sources/{source}", json={"name": f"Named {n}"})
                tenant.http.delete(f"/v1/sources/{source}")
                expected[tenant.id] += [
                    (kind, source)
                    for kind in ("source.created", "source.updated", "source.deleted")
                ]
        eventually(lambda: len(receiver.hits) >= 90, lambda: str(len(receiver.hits)))
    mine = {source: tenant for tenant, told in expected.items() for _, source in told}
    heard: dict[str, list[tuple[str, str]]] = {}
    for hit in receiver.hits:
        source = hit.json["source_id"]
        heard.setdefault(mine[source], []).append((hit.type, source))
    assert heard == expected
