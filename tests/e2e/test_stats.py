"""Statistics as the public contract has them, and what comes beside it."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.e2e.test_webhooks import TEXT
from tests.harness import Installation, Tenant, eventually

ROUTES = (
    "overview", "usage", "usage/by-bot", "usage/by-model", "cost-estimate", "pricing", "feedback",
    "feedback/trend", "latency", "sources/worst", "unanswered",
)  # fmt: skip


def stats(tenant: Tenant, path: str, **query: Any) -> Any:
    answer = tenant.http.get(f"/v1/stats/{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_an_empty_tenant_has_zeros_and_empty_lists(tenant: Tenant) -> None:
    assert stats(tenant, "overview") == {
        "bot_profiles": 0, "sources": 0, "chats": 0,
        "total_prompt_tokens": 0, "total_completion_tokens": 0, "total_tokens": 0,
    }  # fmt: skip
    for path in ("usage", "usage/by-bot", "usage/by-model", "feedback/trend", "sources/worst"):
        assert stats(tenant, path) == []
    assert stats(tenant, "unanswered") == []
    assert stats(tenant, "latency") == {}
    assert stats(tenant, "cost-estimate") == {
        "total_cost_usd": 0, "daily_avg_cost_usd": 0, "projected_monthly_usd": 0,
        "active_days": 0, "by_model": [], "by_bot": [],
    }  # fmt: skip
    assert stats(tenant, "feedback") == {
        "total_messages": 0, "total_with_feedback": 0, "positive_count": 0, "negative_count": 0,
        "feedback_rate": 0, "by_bot": [],
    }  # fmt: skip


def test_prices_are_those_of_the_contract(tenant: Tenant) -> None:
    prices = stats(tenant, "pricing")
    assert prices["default"] == {"prompt_cost_per_1m": 1, "completion_cost_per_1m": 3}
    assert prices["models"]["gpt-4o"] == {"prompt_cost_per_1m": 2.5, "completion_cost_per_1m": 10}


def test_what_happened_is_counted(tenant: Tenant, other_tenant: Tenant) -> None:
    began = datetime.now(UTC).date()
    bot = tenant.bot(name="Librarian")
    source = tenant.source(bot, TEXT, name="Guide")
    tenant.ingest(source)
    tenant.ready(source)
    said = tenant.ask(bot, "What is the quartz code?")
    tenant.ask(bot, "How is the weather on Mars?")
    path = f"/v1/chat/{said['chat_id']}/messages/{said['message']['id']}/feedback"
    assert tenant.http.patch(path, json={"feedback": "negative"}).status_code == 200

    worst = eventually(lambda: stats(tenant, "sources/worst"))
    assert worst == [
        {
            "source_id": source, "source_name": "Guide", "cited_count": 1, "positive_count": 0,
            "negative_count": 1,
        }
    ]  # fmt: skip
    usage = said["usage"]
    seen = stats(tenant, "overview")
    assert (seen["bot_profiles"], seen["sources"], seen["chats"]) == (1, 1, 2)
    (day, *_) = stats(tenant, "usage")
    assert began <= date.fromisoformat(day["date"]) <= datetime.now(UTC).date()
    assert day["model"] == usage["model"]
    (by_bot, *_) = stats(tenant, "usage/by-bot", days=1)
    assert (by_bot["bot_profile_id"], by_bot["bot_name"]) == (bot, "Librarian")
    (by_model, *_) = stats(tenant, "usage/by-model")
    assert by_model["total_tokens"] == by_bot["total_tokens"] == seen["total_tokens"]
    assert by_model["total_tokens"] >= usage["total_tokens"]
    costs = stats(tenant, "cost-estimate")
    assert (costs["by_bot"], costs["by_model"]) == ([by_bot], [by_model])
    feedback = stats(tenant, "feedback", bot_profile_id=bot)
    assert (feedback["total_messages"], feedback["negative_count"]) == (2, 1)
    assert feedback["feedback_rate"] == 50
    (trend,) = stats(tenant, "feedback/trend")
    assert (trend["total_messages"], trend["negative_count"]) == (2, 1)
    (gap,) = stats(tenant, "unanswered")
    assert gap["question"] == "How is the weather on Mars?"
    waits = stats(tenant, "latency")
    assert waits["total"]["count"] == 2
    assert waits["total"]["p50_ms"] <= waits["total"]["p99_ms"]
    assert stats(other_tenant, "unanswered") == []


def test_feedback_that_is_taken_back_does_not_count(tenant: Tenant) -> None:
    bot = tenant.bot()
    source = tenant.source(bot, TEXT)
    tenant.ingest(source)
    tenant.ready(source)
    said = tenant.ask(bot, "What is the quartz code?")
    path = f"/v1/chat/{said['chat_id']}/messages/{said['message']['id']}/feedback"
    counts = [("positive", (1, 0)), ("negative", (0, 1)), (None, (0, 0))]
    for feedback, expected in counts:
        tenant.http.patch(path, json={"feedback": feedback})

        def look(expected: tuple[int, int] = expected) -> bool:
            seen = stats(tenant, "feedback")
            return (seen["positive_count"], seen["negative_count"]) == expected

        eventually(look)


@pytest.mark.parametrize("days", ["0", "-1", "x"])
def test_days_are_whole_and_positive(tenant: Tenant, days: str) -> None:
    answer = tenant.http.get("/v1/stats/usage", params={"days": days})
    assert answer.status_code == 422


def test_days_are_those_of_a_zone(tenant: Tenant) -> None:
    tenant.ask(tenant.bot(), "How is the weather?")
    eventually(lambda: stats(tenant, "feedback/trend"))
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        (day,) = stats(tenant, "feedback/trend", tz=zone, days=2)
        assert day["total_messages"] == 1
        today = datetime.now(ZoneInfo(zone)).date()
        assert date.fromisoformat(day["date"]) in (today, today - timedelta(days=1))
        for path in ("usage", "usage/by-bot", "usage/by-model", "cost-estimate", "feedback"):
            stats(tenant, path, tz=zone)
    answer = tenant.http.get("/v1/stats/usage?tz=Europe/Atlantis")
    assert (answer.status_code, answer.json()["field"]) == (422, "tz")


def test_a_rebuild_gives_the_same(tenant: Tenant, installation: Installation) -> None:
    tenant.ask(tenant.bot(), "How is the weather?")
    eventually(lambda: stats(tenant, "unanswered"))
    before = {path: stats(tenant, path) for path in ROUTES}
    done = installation.cli("rebuild", "rollups")
    assert done.returncode == 0, done.stderr
    assert {path: stats(tenant, path) for path in ROUTES} == before
