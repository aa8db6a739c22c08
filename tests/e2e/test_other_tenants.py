"""No id of one tenant works for another: every route of the route table, every id it takes."""

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from docs.api import application
from tests.architecture.routes import Route, changes, ids, reads
from tests.e2e import inside
from tests.e2e.receivers import receiving
from tests.e2e.test_erasure import say, visitor
from tests.e2e.test_webhooks import delivered, webhook
from tests.harness import PASSWORD, Installation, Tenant, eventually

PARAMETER = re.compile(r"\{(\w+)\}")
READING = reads()
CHANGING = changes()
BODIES: dict[str, dict[str, Any]] = {
    "PATCH /v1/users/{user_id}": {"email": "new@example.com", "password": PASSWORD},
    "PATCH /v1/users/{user_id}/role": {"role": "admin"},
    "POST /v1/bot-profiles/{bot_profile_id}/retrieve": {"query": "otter"},
    "POST /v1/bot-profiles/{bot_profile_id}/suites": {"title": "Weights"},
    "PATCH /v1/bot-profiles/{bot_profile_id}/suites/{suite_id}": {"title": "Weights"},
    "POST /v1/bot-profiles/{bot_profile_id}/suites/{suite_id}/questions": {"question": "Why?"},
    "POST /v1/bot-profiles/{bot_profile_id}/suites/{suite_id}/import": {"csv": "question\nHow?\n"},
    "PATCH /v1/chat/{chat_id}/messages/{message_id}/feedback": {"feedback": "positive"},
    "POST /v1/webhooks/{webhook_id}/replay": {
        "from": "2026-01-01T00:00:00Z",
        "to": "2026-01-02T00:00:00Z",
    },
}
"""What a route needs so that its id is looked at; for all others an empty object will do."""
BODIES["POST /v1/bot-profiles/{bot_profile_id}/playground/runs/{run_id}/publish"] = {"variant": 0}
PLANS = {
    f"POST /v1/bot-profiles/{{bot_profile_id}}/playground/{verb}" for verb in ("estimate", "run")
}
"""Routes whose body names a suite as well."""
PLAN = {"variants": [{"title": "As it is"}]}
BUSY = {f"POST /v1/sources/{{source_id}}/{verb}": (409,) for verb in ("pause", "resume", "cancel")}
BUSY["POST /v1/bot-profiles/{bot_profile_id}/reindex/retry"] = (409,)
BUSY["DELETE /v1/system/dead-letters/{dead_letter_id}"] = (409,)
"""What an owner may be told because nothing is on its way, or too much: it is not what a stranger
is told."""
PLACES = ("body", "query")
BOT = {"name": "x", "bot_profile_id": "own"}
REFERENCES: dict[str, tuple[dict[str, Any], int]] = {
    "POST /v1/api-tokens bot_profile_id": (BOT, 422),
    **{f"{route} suite_id": (PLAN, 404) for route in PLANS},
    "POST /v1/bot-profiles/{bot_profile_id}/suites/{suite_id}/questions turn_id": ({}, 404),
    "PATCH /v1/bot-profiles/{bot_profile_id} gate_suite_id": ({}, 422),
    "POST /v1/budgets bot_profile_id": ({"limit": 1}, 422),
    "POST /v1/chat bot_profile_id": ({"message": "x"}, 404),
    "POST /v1/chat chat_id": ({"message": "x", "bot_profile_id": "own"}, 404),
    "POST /v1/openai/chat/completions chat_id": (
        {"model": "own", "messages": [{"role": "user", "content": "x"}]},
        404,
    ),
    "POST /v1/providers/test bot_profile_id": ({"model": "local/extractive"}, 404),
    "POST /v1/sources bot_profile_id": ({"name": "x", "source_type": "text"}, 422),
    "POST /v1/sources parent_id": ({**BOT, "source_type": "text"}, 404),
    "POST /v1/sources/batch bot_profile_id": (
        {"name": "x", "children": [{"name": "x", "source_type": "text"}]},
        422,
    ),
    "POST /v1/sources/upload bot_profile_id": ({}, 422),
    "POST /v1/sources/upload parent_id": (BOT, 404),
    "POST /v1/widget/keys bot_profile_id": (BOT, 422),
}
"""Ids in bodies: what stands beside them, and what another tenant's is answered with."""
FILTERS = {
    "GET /v1/audit-log user_id",
    "GET /v1/chat bot_profile_id",
    "GET /v1/chat/export bot_profile_id",
    "GET /v1/events aggregate_id",
    "GET /v1/sources bot_profile_id",
    "GET /v1/sources parent_id",
    "GET /v1/stats/feedback bot_profile_id",
    "GET /v1/stats/feedback/trend bot_profile_id",
    "GET /v1/stats/latency bot_profile_id",
    "GET /v1/stats/unanswered bot_profile_id",
}
"""Ids in queries: another tenant's finds nothing."""
LISTS = {"/v1/chat/export": "chats", "/v1/stats/feedback": "by_bot"}
"""Where the list stands in answers that are none."""


@dataclass(frozen=True)
class World:
    """Two tenants. The first has one of everything, the second a bot."""

    owner: Tenant
    stranger: Tenant
    stranger_bot: str
    ids: dict[str, str]
    """By the name that a path, a query or a body has for it."""

    def ask(self, http: httpx.Client, route: Route) -> httpx.Response:
        path = PARAMETER.sub(lambda found: self.ids[found[1]], route.path)
        body = None if route.method in ("GET", "DELETE") else BODIES.get(route.name, {})
        if route.name in PLANS:
            body = {**PLAN, "suite_id": self.ids["suite_id"]}
        return http.request(route.method, path, json=body)

    def seen(self) -> dict[str, str]:
        """All that the owner reads by these ids; when an export was made is not told."""
        texts = {route.name: self.ask(self.owner.http, route).text for route in READING}
        return {name: text.partition('"exported_at"')[0] for name, text in texts.items()}


@pytest.fixture(scope="module")
def world(installation: Installation) -> Iterator[World]:
    with receiving() as receiver, made(installation, receiver.url) as found:
        yield found


@contextmanager
def made(installation: Installation, receiver: str) -> Iterator[World]:
    owner, stranger = (Tenant(installation.url, f"t-{uuid.uuid4().hex[:12]}") for _ in range(2))
    bot = owner.bot()
    parent = owner.source(bot, "A ferret weighs seven kilograms.")
    owner.source(bot, "An otter weighs nine.", parent_id=parent)
    owner.ingest(parent)
    owner.http.post(f"/v1/sources/{parent}/ingest-children")
    eventually(lambda: owner.http.get(f"/v1/sources/{parent}").json()["revision"])
    owner.ready(parent)
    answer = owner.ask(bot, "How much does an otter weigh?")
    owner.ask(bot, "How is the weather on Mars?")
    hook = webhook(owner, receiver, "bot_profile.created")
    owner.bot()
    (delivery,) = delivered(owner, hook, 1)
    eventually(lambda: owner.http.get("/v1/stats/unanswered").json())
    key = {"name": "key", "bot_profile_id": bot}
    gone = owner.ask(bot, "How much does a ferret weigh?")["chat_id"]
    erasure = owner.http.post(f"/v1/chat/{gone}/erase").json()
    eventually(lambda: owner.http.get(f"/v1/erasures/{erasure['id']}").json()["completed_at"])
    suite, question, run = tried(owner, bot)
    letter = given_up(installation, owner)
    http, visitor_id = visitor(owner, bot)
    say(http, bot, "How much does an otter weigh?")
    yield World(
        owner=owner,
        stranger=stranger,
        stranger_bot=stranger.bot(),
        ids={
            "bot_profile_id": bot,
            "model": bot,
            "source_id": parent,
            "parent_id": parent,
            "revision": "1",
            "aggregate_id": parent,
            "webhook_id": hook["id"],
            "delivery_id": delivery["id"],
            "budget_id": owner.http.post("/v1/budgets", json={"limit": 1}).json()["id"],
            "chat_id": answer["chat_id"],
            "message_id": answer["message"]["id"],
            "turn_id": answer["turn_id"],
            "citation_id": answer["citations"][0]["citation_id"],
            "operation_id": answer["turn_id"],
            "suite_id": suite,
            "gate_suite_id": suite,
            "version": "1",
            "question_id": question,
            "run_id": run,
            "visitor_id": visitor_id,
            "erasure_id": erasure["id"],
            "dead_letter_id": letter,
            "user_id": owner.user("member").id,
            "token_id": owner.http.post("/v1/api-tokens", json={"name": "t"}).json()["id"],
            "key_id": owner.http.post("/v1/widget/keys", json=key).json()["id"],
        },
    )
    owner.close()
    stranger.close()


def given_up(installation: Installation, owner: Tenant) -> str:
    """The id of a dead letter of the tenant."""
    inside.plant(installation.data_dir, owner.id)
    (letter,) = eventually(lambda: owner.http.get("/v1/system/dead-letters").json())
    found: str = letter["id"]
    return found


def tried(owner: Tenant, bot: str) -> tuple[str, str, str]:
    """Ids of a suite of a bot, of its question, and of a run over it that has ended."""
    suites = f"/v1/bot-profiles/{bot}/suites"
    suite = owner.http.post(suites, json={"title": "Weights"}).json()["id"]
    asked = {"question": "How much does an otter weigh?"}
    question = owner.http.post(f"{suites}/{suite}/questions", json=asked).json()["id"]
    body = {**PLAN, "suite_id": suite, "stream": False}
    run = owner.http.post(f"/v1/bot-profiles/{bot}/playground/run", json=body).json()["id"]
    path = f"/v1/bot-profiles/{bot}/playground/runs/{run}"
    eventually(lambda: owner.http.get(path).json()["status"] == "ended")
    return suite, question, run


def test_every_id_that_a_route_takes_is_tried(world: World) -> None:
    """A route that takes an id of another kind needs one of it in the world above."""
    taken = ids(application())
    named = {place: {f"{i.route} {i.name}" for i in taken if i.place == place} for place in PLACES}
    assert (named["body"], named["query"]) == (set(REFERENCES), FILTERS)
    paths = {route.path for route in (*READING, *CHANGING)}
    assert {name for path in paths for name in PARAMETER.findall(path)} <= set(world.ids)
    assert set(BODIES) <= {route.name for route in CHANGING}


@pytest.mark.parametrize("route", READING, ids=lambda route: route.name)
def test_the_owner_reads_what_a_stranger_does_not_find(world: World, route: Route) -> None:
    assert world.ask(world.owner.http, route).status_code == 200
    answer = world.ask(world.stranger.http, route)
    assert answer.status_code == 404, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_what_a_stranger_tries_to_change_is_not_found_and_stays(world: World) -> None:
    before = world.seen()
    for route in CHANGING:
        answer = world.ask(world.stranger.http, route)
        assert answer.status_code == 404, f"{route.name}: {answer.text}"
    assert world.seen() == before


@pytest.mark.parametrize("name", sorted(REFERENCES))
def test_a_strangers_id_in_a_body_is_refused(world: World, name: str) -> None:
    body, status = REFERENCES[name]
    method, path, field = name.split()
    mine = {**world.ids, "bot_profile_id": world.stranger_bot}
    path = PARAMETER.sub(lambda found: mine[found[1]], path)
    own = {key: world.stranger_bot if value == "own" else value for key, value in body.items()}
    sent = {**own, field: world.ids[field]}
    if path.endswith("/upload"):
        files = {"file": ("a.txt", b"text")}
        answer = world.stranger.http.request(method, path, data=sent, files=files)
    else:
        answer = world.stranger.http.request(method, path, json=sent)
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize("name", sorted(FILTERS))
def test_a_strangers_id_in_a_query_finds_nothing(world: World, name: str) -> None:
    method, path, field = name.split()

    def found(http: httpx.Client) -> Any:
        query, asked = {field: world.ids[field]}, {"Accept": "application/json"}
        answer = http.request(method, path, params=query, headers=asked).json()
        return answer[LISTS[path]] if path in LISTS else answer

    assert not found(world.stranger.http)
    assert found(world.owner.http)


def test_all_these_changes_work_for_the_owner(installation: Installation) -> None:
    """Else a 404 would prove nothing."""
    rank = {"POST": 0, "PATCH": 1, "DELETE": 2}

    def order(route: Route) -> tuple[bool, int, int]:
        """What takes a deletion back comes last of all, and what no undoing brings back. What is
        part of something is deleted before it.
        """
        last = route.path.endswith(("/undo", "/erase"))
        return last, rank[route.method], -route.path.count("/") if route.method == "DELETE" else 0

    with receiving() as receiver, made(installation, receiver.url) as world:
        for route in sorted(CHANGING, key=order):
            answer = world.ask(world.owner.http, route)
            allowed = (200, 201, 202, 204, *BUSY.get(route.name, ()))
            assert answer.status_code in allowed, f"{route.name}: {answer.text}"
