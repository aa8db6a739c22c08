"""Budgets, and the event that tells when one is used up."""

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from typing_extensions import override

from tests.e2e.receivers import receiving
from tests.e2e.test_webhooks import TEXT, webhook
from tests.harness import Tenant, eventually

TOKENS = (900, 100)


@pytest.fixture
def model() -> Iterator[str]:
    """An OpenAI-compatible server whose every answer takes a thousand tokens."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            usage = {"prompt_tokens": TOKENS[0], "completion_tokens": TOKENS[1]}
            for chunk in (
                {"choices": [{"delta": {"content": "Forty-two [1]"}}]},
                {"choices": [], "usage": usage},
            ):
                self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
            self.wfile.write(b"data: [DONE]\n\n")

        @override
        def log_message(self, *_args: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()


def budget(tenant: Tenant, **fields: Any) -> dict[str, Any]:
    answer = tenant.http.post("/v1/budgets", json=fields)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def asking(tenant: Tenant, model: str) -> tuple[str, Callable[[], None]]:
    """A bot with that model, and what asks it one more question."""
    bot = tenant.bot(model="gpt-4o", credentials={"api_key": "k", "api_base": model})
    source = tenant.source(bot, TEXT)
    tenant.ingest(source)
    tenant.ready(source)

    def ask() -> None:
        tenant.ask(bot, "What is the quartz code?")

    return bot, ask


def uses(tenant: Tenant, budget_id: str, used: float) -> None:
    """Wait until so much of the budget is used."""
    path = f"/v1/budgets/{budget_id}"
    eventually(
        lambda: tenant.http.get(path).json()["used"] == used,
        lambda: tenant.http.get(path).text,
    )


def test_a_threshold_is_told_once_when_it_is_reached(tenant: Tenant, model: str) -> None:
    bot, ask = asking(tenant, model)
    made = budget(tenant, unit="tokens", limit=2500, bot_profile_id=bot, thresholds=[80, 40])
    assert (made["thresholds"], made["used"]) == ([40, 80], 0)
    budget(tenant, unit="tokens", limit=1, bot_profile_id=tenant.bot())
    with receiving() as receiver:
        webhook(tenant, receiver.url, "usage.threshold")
        for count in (1, 2, 3):
            ask()
            uses(tenant, made["id"], count * sum(TOKENS))
        eventually(lambda: len(receiver.hits) == 2, lambda: str(receiver.hits))
    told = [hit.json for hit in receiver.hits]
    assert [(one["threshold_percent"], one["used"]) for one in told] == [(40, 1000), (80, 2000)]
    assert {one["budget_id"] for one in told} == {made["id"]}
    assert (told[0]["unit"], told[0]["limit"], told[0]["bot_profile_id"]) == ("tokens", 2500, bot)


def test_money_is_counted_at_list_prices(tenant: Tenant, model: str) -> None:
    made = budget(tenant, limit=1)
    _, ask = asking(tenant, model)
    ask()
    uses(tenant, made["id"], 0.00325)
    assert tenant.http.get("/v1/budgets").json()[0]["used"] == 0.00325


def test_budgets_are_changed_listed_and_forgotten(tenant: Tenant, other_tenant: Tenant) -> None:
    first, second = budget(tenant, limit=1, name="a"), budget(tenant, limit=2, name="b")
    assert [one["id"] for one in tenant.http.get("/v1/budgets").json()] == [
        second["id"], first["id"],
    ]  # fmt: skip
    path = f"/v1/budgets/{first['id']}"
    changed = tenant.http.patch(path, json={"limit": 3, "period": "day"}).json()
    assert (changed["limit"], changed["period"], changed["name"]) == (3, "day", "a")
    for answer in (
        other_tenant.http.get(path),
        other_tenant.http.patch(path, json={"limit": 9}),
        other_tenant.http.delete(path),
    ):
        assert answer.status_code == 404
    assert tenant.http.delete(path).status_code == 204
    assert tenant.http.get(path).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"limit": 0},
        {"limit": 1, "thresholds": []},
        {"limit": 1, "bot_profile_id": "nobody"},
        {"limit": 1, "bot_profile_id": str(uuid.UUID(int=7))},
    ],
)
def test_a_budget_that_means_nothing_is_refused(tenant: Tenant, body: dict[str, Any]) -> None:
    answer = tenant.http.post("/v1/budgets", json=body)
    assert answer.status_code == 422, answer.text
