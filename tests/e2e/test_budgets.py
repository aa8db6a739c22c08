"""Budgets, and the event that tells when one is used up."""

import json
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import openai
import pytest

from tests.e2e.receivers import receiving
from tests.e2e.test_webhooks import TEXT, webhook
from tests.harness import Tenant, eventually
from tests.loopback import QuietHandler, loopback

TOKENS = (900, 100)


@pytest.fixture
def model() -> Iterator[str]:
    """An OpenAI-compatible server whose every answer takes a thousand tokens."""

    class Handler(QuietHandler):
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

    with loopback(Handler) as base:
        yield f"{base}/v1"


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


def test_a_hard_stop_ends_questions_before_the_model_is_asked(tenant: Tenant, model: str) -> None:
    bot, ask = asking(tenant, model)
    ask()
    body = {"bot_profile_id": bot, "message": "What is the quartz code?"}
    made = budget(tenant, unit="tokens", limit=2000, hard_stop=True)
    assert made["hard_stop"] is True
    stopped = eventually(lambda: _failed(tenant, body))
    assert stopped.status_code == 402
    problem = stopped.json()
    assert problem["type"] == "urn:minirag:problem:budget-exceeded"
    assert "used up until" in problem["detail"]
    name, error = tenant.stream(bot, "What is the quartz code?")[-1]
    assert (name, error["code"], error["retryable"]) == ("error", "budget-exceeded", False)
    url = str(tenant.http.base_url.join("/v1/openai"))
    with openai.OpenAI(base_url=url, api_key=tenant.token, max_retries=0) as client:
        ask_: list[Any] = [{"role": "user", "content": "What is the quartz code?"}]
        with pytest.raises(openai.APIStatusError) as refused:
            client.chat.completions.create(model=bot, messages=ask_)
        assert (refused.value.status_code, refused.value.code) == (402, "budget-exceeded")
        with pytest.raises(openai.APIError, match="used up until"):
            list(client.chat.completions.create(model=bot, messages=ask_, stream=True))
    path = f"/v1/budgets/{made['id']}"
    asked = len(tenant.http.get("/v1/chat").json())
    assert asked > answered_so_far(tenant) >= 1
    uses(tenant, made["id"], answered_so_far(tenant) * sum(TOKENS))
    tenant.http.patch(path, json={"hard_stop": False}).raise_for_status()
    eventually(lambda: tenant.http.post("/v1/chat", json=body).status_code == 200)


def test_many_at_once_do_not_all_spend_the_rest(tenant: Tenant, model: str) -> None:
    bot, _ = asking(tenant, model)
    made = budget(tenant, unit="tokens", limit=20_000, hard_stop=True, bot_profile_id=bot)
    # Budgets come to chat in order: once the smaller one stops, the other is known too.
    first = budget(tenant, unit="tokens", limit=1, hard_stop=True)
    body = {"bot_profile_id": bot, "message": "What is the quartz code?"}
    eventually(lambda: _failed(tenant, body))
    tenant.http.delete(f"/v1/budgets/{first['id']}").raise_for_status()
    eventually(lambda: tenant.http.post("/v1/chat", json=body).status_code == 200)
    with ThreadPoolExecutor(24) as pool:
        codes = list(
            pool.map(lambda _: tenant.http.post("/v1/chat", json=body).status_code, range(40))
        )
    # 202: a busy machine has accepted the question, and answers it later.
    assert {402} < set(codes) <= {200, 202, 402}

    def used() -> float | None:
        found: float = tenant.http.get(f"/v1/budgets/{made['id']}").json()["used"]
        return found if found == answered_so_far(tenant) * sum(TOKENS) else None

    assert eventually(used) <= 20_000


def answered_so_far(tenant: Tenant) -> int:
    chats = tenant.http.get("/v1/chat").json()
    return sum(chat["total_prompt_tokens"] == TOKENS[0] for chat in chats)


def _failed(tenant: Tenant, body: dict[str, Any]) -> httpx.Response | None:
    answer = tenant.http.post("/v1/chat", json=body)
    return answer if answer.status_code != 200 else None


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
