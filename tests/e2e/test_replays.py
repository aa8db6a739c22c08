"""A past turn is asked once more, with settings that are not saved."""

from typing import Any

from tests.e2e.test_stats import stats
from tests.harness import Tenant, events, eventually

THEN = "The harbour of Corran was closed in 1998 because the sea had become too shallow."
NOW = "The harbour of Corran was closed in 1999 because the sea had become too shallow."
QUESTION = "When was the harbour of Corran closed?"
SILENT = {"floor": 1, "refusal_text": "That is for the harbour master to say."}


def knowing(tenant: Tenant) -> tuple[str, str]:
    """A bot that can answer the question, and its source."""
    bot = tenant.bot(name="Pilot", model="local/extractive")
    source = tenant.source(bot, THEN)
    tenant.ingest(source)
    tenant.ready(source)
    return bot, source


def replayed(tenant: Tenant, turn_id: str, **body: Any) -> Any:
    answer = tenant.http.post(f"/v1/chat/turns/{turn_id}/replay", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def said(answer: Any) -> str:
    return str(answer["message"]["content"])


def test_a_draft_answers_from_what_is_found_now_or_was_given_then(tenant: Tenant) -> None:
    bot, source = knowing(tenant)
    asked = tenant.ask(bot, QUESTION)
    assert "1998" in said(asked)
    tenant.http.patch(f"/v1/bot-profiles/{bot}", json={"top_k": 4}).raise_for_status()
    tenant.http.patch(f"/v1/sources/{source}", json={"content": NOW}).raise_for_status()
    tenant.ingest(source)
    eventually(lambda: tenant.http.get(f"/v1/sources/{source}").json()["revision"] == 2)

    today = replayed(tenant, asked["turn_id"], draft={"lexical_weight": 0.5})
    assert "1999" in said(today)
    then = replayed(tenant, asked["turn_id"], passages="then", draft={"top_k": 3})
    assert "1998" in said(then)
    assert [one["revision"] for one in then["citations"]] == [1]
    tenant.http.delete(f"/v1/sources/{source}").raise_for_status()
    assert replayed(tenant, asked["turn_id"])["citations"] == []
    deleted = replayed(tenant, asked["turn_id"], passages="then")
    assert "1998" in said(deleted)
    opened = tenant.http.get(f"/v1/citations/{deleted['citations'][0]['citation_id']}").json()
    assert opened["text"] == THEN

    for answer, version in ((today, None), (then, None), (deleted, 2)):
        former = answer["former"]
        assert (former["turn_id"], former["bot_version"]) == (asked["turn_id"], 1)
        assert (former["question"], former["answer"]) == (QUESTION, said(asked))
        assert former["citations"] == asked["citations"]
        assert (answer["bot_version"], answer["message"]["draft"]) == (version, True)
        assert answer["chat_id"] != asked["chat_id"]
    listed = tenant.http.get("/v1/chat").json()
    replays = {one["id"] for one in listed if one["replayed_chat_id"] == asked["chat_id"]}
    assert replays >= {today["chat_id"], then["chat_id"], deleted["chat_id"]}
    chat = tenant.http.get(f"/v1/chat/{asked['chat_id']}").json()
    assert chat["message_count"] == 2, "the visitor's chat stays as it is"
    assert chat["replayed_chat_id"] is None
    assert eventually(lambda: stats(tenant, "feedback")["total_messages"]) == 1
    assert stats(tenant, "overview")["chats"] == 1


def test_it_is_asked_after_what_was_said_before_it(tenant: Tenant) -> None:
    bot, _ = knowing(tenant)
    first = tenant.ask(bot, QUESTION)
    second = tenant.ask(bot, "And why?", chat_id=first["chat_id"])
    talk = [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": said(first)},
        {"role": "user", "content": "And why?"},
    ]
    body = {"model": bot, "messages": talk}
    third = tenant.http.post("/v1/openai/chat/completions", json=body)
    kept_by_the_client = third.raise_for_status().json()["turn_id"]
    alone = tenant.ask(bot, "And why?")
    replay = replayed(tenant, second["turn_id"])
    for turn_id in (second["turn_id"], kept_by_the_client, replay["turn_id"]):
        assert "shallow" in said(replayed(tenant, turn_id)), turn_id
    assert alone["citations"] == []


def test_a_stream_begins_with_the_former_answer(tenant: Tenant) -> None:
    bot, _ = knowing(tenant)
    asked = tenant.ask(bot, QUESTION)
    path, body = f"/v1/chat/turns/{asked['turn_id']}/replay", {"draft": SILENT, "stream": True}
    with tenant.http.stream("POST", path, json=body) as answer:
        told = list(events(answer.iter_text()))
    assert [name for name, _ in told] == [
        "turn",
        "sources",
        "citations",
        "delta",
        "refused",
        "done",
    ]
    begun = told[0][1]
    assert begun["former"]["answer"] == said(asked)
    with tenant.http.stream("GET", f"/v1/chat/turns/{begun['turn_id']}/stream") as answer:
        again = list(events(answer.iter_text()))
    assert again[1:] == told[1:]


def test_it_is_for_whoever_may_change_the_bot_and_within_its_budget(tenant: Tenant) -> None:
    bot, _ = knowing(tenant)
    asked = tenant.ask(bot, QUESTION)
    refused = tenant.ask(bot, "Who painted the ceiling?")
    path = f"/v1/chat/turns/{asked['turn_id']}/replay"
    made = tenant.http.post("/v1/api-tokens", json={"name": "reader", "scopes": ["chat", "read"]})
    narrow = {"Authorization": f"Bearer {made.json()['raw_token']}"}
    assert tenant.http.post(path, json={}, headers=narrow).status_code == 403
    for wrong in ({"draft": {"chunk_size": 400}}, {"draft": {"top_k": 99}}, {"passages": "soon"}):
        assert tenant.http.post(path, json=wrong).status_code == 422
    body = {"passages": "then"}
    nothing = tenant.http.post(f"/v1/chat/turns/{refused['turn_id']}/replay", json=body)
    assert (nothing.status_code, nothing.json()["detail"]) == (
        409,
        "The turn was given no passages",
    )
    budget = {"unit": "tokens", "limit": 1, "hard_stop": True, "bot_profile_id": bot}
    tenant.http.post("/v1/budgets", json=budget).raise_for_status()

    def stopped() -> bool:
        return tenant.http.post(path, json=body).status_code == 402

    eventually(stopped)
