"""The event feed: in pages, as a stream, resumed from anywhere."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from shared.contracts.public import PUBLIC_TYPES
from tests.e2e.receivers import receiving
from tests.e2e.test_webhooks import TEXT, webhook
from tests.harness import Installation, Tenant, eventually

JSON = {"Accept": "application/json"}
CUTS = 100


def page(tenant: Tenant, **query: Any) -> list[dict[str, Any]]:
    answer = tenant.http.get("/v1/events", params=query, headers=JSON)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


def frames(answer: httpx.Response) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Id, name and data of server-sent events; heartbeats are passed over."""
    ident, name = "", ""
    for line in answer.iter_lines():
        if line.startswith("id: "):
            ident = line[4:]
        elif line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: ") and name != "heartbeat":
            yield ident, name, json.loads(line[6:])


def stream(
    tenant: Tenant, count: int, last: str | None = None, **query: Any
) -> list[tuple[str, str, dict[str, Any]]]:
    """The next frames of a stream, which is cut then."""
    headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last} if last else {})}
    found = []
    with tenant.http.stream("GET", "/v1/events", params=query, headers=headers) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        for frame in frames(answer):
            if frame[1] == "ready":
                continue
            found.append(frame)
            if len(found) == count:
                return found
    return found


class TestPages:
    def test_tell_what_happened_oldest_first(self, tenant: Tenant) -> None:
        bot = tenant.bot()
        source = tenant.source(bot, TEXT)
        tenant.ingest(source)
        tenant.ready(source)
        chat = tenant.ask(bot, "What is the quartz code?")
        told = page(tenant)
        assert [one["type"] for one in told] == [
            "bot_profile.created", "source.created", "source.ingestion_started",
            "source.ingested", "chat.question", "chat.message",
        ]  # fmt: skip
        ingested, message = told[3], told[5]
        assert (ingested["aggregate"], ingested["aggregate_id"]) == ("source", source)
        assert ingested["data"]["chunk_count"] == 1
        assert ingested["occurred_at"].endswith("Z")
        assert message["data"]["message_id"] == chat["message"]["id"]
        assert "quartz" not in json.dumps(told)

    def test_are_as_small_as_one_likes_and_lead_on(self, tenant: Tenant) -> None:
        bot = tenant.bot()
        for _ in range(4):
            tenant.source(bot, TEXT)
        whole = [one["id"] for one in page(tenant)]
        found, path = [], "/v1/events?limit=2"
        while path:
            answer = tenant.http.get(path, headers=JSON)
            found += [one["id"] for one in answer.json()]
            link = answer.headers.get("Link", "")
            path = link.split(">")[0][1:] if link else ""
        assert found == whole
        assert len(whole) == 5
        behind = page(tenant, cursor=page(tenant, limit=3)[-1]["cursor"])
        assert [one["id"] for one in behind] == whole[3:]

    def test_tell_what_is_asked_for(self, tenant: Tenant) -> None:
        bot = tenant.bot()
        first, second = tenant.source(bot, TEXT), tenant.source(bot, TEXT)
        middle = datetime.now(UTC).isoformat()
        tenant.http.delete(f"/v1/sources/{first}")
        assert [one["type"] for one in page(tenant, aggregate_id=first)] == [
            "source.created", "source.deleted",
        ]  # fmt: skip
        both = page(tenant, type=["source.created", "source.deleted"])
        assert [one["aggregate_id"] for one in both] == [first, second, first]
        assert [one["type"] for one in page(tenant, aggregate="bot_profile")] == [
            "bot_profile.created"
        ]
        assert [one["type"] for one in page(tenant, **{"from": middle})] == ["source.deleted"]
        assert len(page(tenant, to=middle)) == 3

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ({"type": "nothing.known"}, "type"),
            ({"type": "source.created", "aggregate": "chat"}, "type"),
            ({"aggregate_id": "a.>"}, "aggregate_id"),
            ({"cursor": "x" * 40}, "cursor"),
        ],
    )
    def test_of_what_cannot_be_are_refused(
        self, tenant: Tenant, query: dict[str, str], field: str
    ) -> None:
        answer = tenant.http.get("/v1/events", params=query, headers=JSON)
        assert answer.status_code == 422, answer.text
        assert answer.json()["field"] == field

    def test_tell_a_tenant_its_own(self, tenant: Tenant, other_tenant: Tenant) -> None:
        tenant.source(tenant.bot(), TEXT)
        assert page(other_tenant) == []
        stolen = page(tenant)[0]["cursor"]
        answer = other_tenant.http.get("/v1/events", params={"cursor": stolen}, headers=JSON)
        assert answer.status_code == 422

    def test_need_a_token(self, installation: Installation) -> None:
        answer = httpx.get(
            f"{installation.url}/v1/events", headers=JSON, trust_env=False, timeout=60
        )
        assert answer.status_code == 401


class TestAStream:
    def test_tells_what_happens_from_now_on(self, tenant: Tenant) -> None:
        bot = tenant.bot()
        tenant.source(bot, TEXT, name="before")
        with tenant.http.stream("GET", "/v1/events") as answer:
            told = frames(answer)
            assert next(told)[1] == "ready"
            source = tenant.source(bot, TEXT, name="after")
            _, name, data = next(told)
        assert (name, data["aggregate_id"]) == ("source.created", source)
        assert data["data"]["source_name"] == "after"
        assert data == {key: value for key, value in page(tenant)[-1].items() if key != "cursor"}

    def test_begins_where_one_likes(self, tenant: Tenant) -> None:
        begin = datetime.now(UTC).isoformat()
        source = tenant.source(tenant.bot(), TEXT)
        told = stream(tenant, 2, **{"from": begin})
        assert [name for _, name, _ in told] == ["bot_profile.created", "source.created"]
        assert told[1][2]["aggregate_id"] == source

    def test_cut_before_anything_came_misses_nothing(self, tenant: Tenant) -> None:
        bot = tenant.bot()
        with tenant.http.stream("GET", "/v1/events") as answer:
            ready, name, _ = next(frames(answer))
            assert name == "ready"
        source = tenant.source(bot, TEXT)
        ((_, _, data),) = stream(tenant, 1, ready)
        assert data["aggregate_id"] == source

    def test_cut_a_hundred_times_misses_nothing_and_tells_nothing_twice(
        self, tenant: Tenant
    ) -> None:
        bot = tenant.bot()
        with tenant.http.stream("GET", "/v1/events") as answer:
            last = next(frames(answer))[0]
        made: list[str] = []

        def write() -> None:
            made.extend(tenant.source(bot, TEXT) for _ in range(CUTS))

        writer = threading.Thread(target=write)
        writer.start()
        heard = []
        for _ in range(CUTS):
            ((last, _, data),) = stream(tenant, 1, last, type="source.created")
            heard.append(data["aggregate_id"])
        writer.join()
        assert heard == made

    def test_ends_with_the_time_that_is_wanted(self, tenant: Tenant) -> None:
        begin = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
        tenant.bot()
        until = datetime.now(UTC).isoformat()
        tenant.bot()
        told = stream(tenant, 9, **{"from": begin, "to": until})
        assert [name for _, name, _ in told] == ["bot_profile.created"]


class TestTheEndOfACredential:
    """Its streams end while nothing else happens, and tell why."""

    @pytest.mark.timeout(600)
    def test_a_token_that_is_revoked(self, tenant: Tenant) -> None:
        issued = tenant.http.post("/v1/api-tokens", json={"name": "feed"}).json()
        reader = tenant.with_(issued["raw_token"])
        gone = ended(reader, lambda: tenant.http.delete(f"/v1/api-tokens/{issued['id']}"))
        assert gone == {"code": "not-authenticated", "detail": "Invalid or revoked API token"}
        assert reader.get("/v1/events").status_code == 401

    @pytest.mark.timeout(600)
    def test_a_user_who_is_shut_out(self, tenant: Tenant) -> None:
        user = tenant.user("member")
        gone = ended(user.http, lambda: tenant.http.delete(f"/v1/users/{user.id}"))
        assert gone["code"] == "not-authenticated"

    @pytest.mark.timeout(600)
    def test_a_stream_of_somebody_else_goes_on(self, tenant: Tenant) -> None:
        issued = tenant.http.post("/v1/api-tokens", json={"name": "feed"}).json()
        other = tenant.with_(issued["raw_token"])
        with tenant.http.stream("GET", "/v1/events") as answer:
            told = frames(answer)
            assert next(told)[1] == "ready"
            ended(other, lambda: tenant.http.delete(f"/v1/api-tokens/{issued['id']}"))
            bot = tenant.bot()
            _, name, data = next(told)
        assert (name, data["aggregate_id"]) == ("bot_profile.created", bot)


def ended(reader: httpx.Client, change: Callable[[], httpx.Response]) -> dict[str, Any]:
    """The last frame of a stream that is open while something is changed."""
    with reader.stream("GET", "/v1/events") as answer:
        told = frames(answer)
        assert next(told)[1] == "ready"
        assert change().is_success
        (*_, (_, name, data)) = told
    assert name == "closed"
    return data


def test_the_document_describes_every_event(installation: Installation) -> None:
    answer = httpx.get(f"{installation.url}/asyncapi.json", trust_env=False, timeout=60)
    assert answer.status_code == 200
    document = answer.json()
    assert document["asyncapi"] == "3.0.0"
    assert f"http://{document['servers']['minirag']['host']}" == installation.url
    for channel in ("feed", "webhook", "broker"):
        assert set(document["channels"][channel]["messages"]) == set(PUBLIC_TYPES)
    text = json.dumps(document)
    for reference in set(text.split('"$ref": "#/')[1:]):
        node = document
        for part in reference.split('"')[0].split("/"):
            node = node[part]


def test_a_webhook_and_the_feed_tell_the_same_event(tenant: Tenant) -> None:
    with receiving() as receiver:
        webhook(tenant, receiver.url, "source.created")
        tenant.source(tenant.bot(), TEXT)
        eventually(lambda: receiver.hits)
    (told,) = page(tenant, type="source.created")
    (hit,) = receiver.hits
    assert (told["id"], told["data"]) == (hit.id, hit.json)
