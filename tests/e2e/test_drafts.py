"""A bot is tried with settings that are not saved."""

from typing import Any

from tests.e2e.test_stats import stats
from tests.harness import Tenant, eventually

TEXT = "The harbour of Corran was closed in 1998 because the sea had become too shallow."
QUESTION = "When was the harbour of Corran closed?"
SILENT = {"floor": 1, "refusal_text": "That is for the harbour master to say."}


def knowing(tenant: Tenant) -> str:
    """A bot that can answer the question."""
    bot = tenant.bot(name="Pilot", model="local/extractive")
    source = tenant.source(bot, TEXT)
    tenant.ingest(source)
    tenant.ready(source)
    return bot


def ask(tenant: Tenant, bot: str, **fields: Any) -> Any:
    return tenant.http.post("/v1/chat", json={"bot_profile_id": bot, "message": QUESTION, **fields})


def test_a_draft_answers_once_and_counts_for_nobody(tenant: Tenant) -> None:
    bot = knowing(tenant)
    tried = ask(tenant, bot, draft=SILENT).json()
    assert tried["message"]["content"] == SILENT["refusal_text"]
    answered = ask(tenant, bot, draft={"system_prompt": "Be brief."}).json()
    assert "1998" in answered["message"]["content"]
    kept = tenant.http.get(f"/v1/chat/{tried['chat_id']}/messages").json()
    assert [message["draft"] for message in kept] == [True, True]

    saved = ask(tenant, bot, chat_id=tried["chat_id"]).json()
    assert ("1998" in saved["message"]["content"], saved["message"]["draft"]) == (True, False)

    def counted() -> Any:
        return stats(tenant, "feedback")["total_messages"]

    assert eventually(counted) == 1
    assert stats(tenant, "overview")["chats"] == 0, "a draft began both"
    assert stats(tenant, "unanswered") == []
    (by_model,) = stats(tenant, "usage/by-model")
    used = [answer["usage"]["total_tokens"] for answer in (answered, saved)]
    assert by_model["total_tokens"] == sum(used), "a draft is paid for"
    profile = tenant.http.get(f"/v1/bot-profiles/{bot}").json()
    assert (profile["floor"], profile["refusal_text"]) == (None, None)


def test_a_draft_is_for_whoever_may_change_the_bot(tenant: Tenant) -> None:
    bot = tenant.bot(name="Pilot", model="local/extractive")
    for wrong in ({"temperature": 3}, {"credentials": {"api_key": "sk"}}, {"chunk_size": 400}):
        assert ask(tenant, bot, draft=wrong).status_code == 422
    made = tenant.http.post("/v1/api-tokens", json={"name": "reader", "scopes": ["chat", "read"]})
    narrow = {"Authorization": f"Bearer {made.json()['raw_token']}"}
    body = {"bot_profile_id": bot, "message": QUESTION, "draft": {}}
    refused = tenant.http.post("/v1/chat", json=body, headers=narrow)
    assert refused.status_code == 403
    assert "write" in refused.json()["detail"]
