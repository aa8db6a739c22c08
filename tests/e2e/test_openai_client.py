"""OpenAI's own Python client, unchanged, against the endpoint that speaks its language."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.e2e.test_model_tasks import TEXT, scripted_model
from tests.harness import Tenant

QUESTION = "When was the harbour of Corran closed?"


@pytest.fixture
def bot(tenant: Tenant) -> str:
    made = tenant.bot(name="Harbour guide", model="local/extractive")
    source = tenant.source(made, TEXT)
    tenant.ingest(source)
    tenant.ready(source)
    return made


@pytest.fixture
def client(tenant: Tenant) -> Iterator[openai.OpenAI]:
    url = str(tenant.http.base_url.join("/v1/openai"))
    with openai.OpenAI(base_url=url, api_key=tenant.token, max_retries=0) as made:
        yield made


def ask(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def test_every_active_bot_is_a_model(client: openai.OpenAI, bot: str, tenant: Tenant) -> None:
    gone = tenant.bot()
    tenant.http.delete(f"/v1/bot-profiles/{gone}")
    assert [one.id for one in client.models.list()] == [bot]
    assert client.models.retrieve(bot).id == client.models.retrieve("Harbour guide").id == bot
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve(gone)


@pytest.mark.parametrize("by_name", [True, False])
def test_a_bot_answers_with_usage_and_citations(
    client: openai.OpenAI, bot: str, by_name: bool
) -> None:
    name = "Harbour guide" if by_name else bot
    answer = client.chat.completions.create(model=name, messages=ask(QUESTION), temperature=0.1)
    assert (answer.model, answer.choices[0].finish_reason) == (name, "stop")
    assert "1998" in (answer.choices[0].message.content or "")
    assert answer.usage is not None
    assert answer.usage.total_tokens > 0
    extra: dict[str, Any] = answer.model_extra or {}
    assert extra["grounded"] is True
    assert extra["citations"][0]["n"] == 1
    assert "text_ref" not in extra["citations"][0]


def test_a_bot_answers_in_a_stream(client: openai.OpenAI, bot: str) -> None:
    stream = client.chat.completions.create(
        model=bot,
        messages=ask(QUESTION),
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    said = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert "1998" in said
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage is not None
    assert len({c.id for c in chunks}) == 1
    assert any((c.model_extra or {}).get("citations") for c in chunks)


def test_the_conversation_is_what_the_client_tells(tenant: Tenant, client: openai.OpenAI) -> None:
    seen: list[str] = []

    def reply(_system: str, last: str) -> str:
        seen.append(last)
        return "It was closed in 1998 [1]."

    with scripted_model(reply) as base:
        bot = tenant.bot(model="openai/scripted", credentials={"api_base": base, "api_key": "k"})
        source = tenant.source(bot, TEXT)
        tenant.ingest(source)
        tenant.ready(source)
        messages: list[Any] = [
            {"role": "system", "content": "Be rude."},
            *ask("What happened to the harbour of Corran?"),
            {"role": "assistant", "content": "It was closed."},
            {"role": "user", "content": [{"type": "text", "text": "And when?"}]},
        ]
        answer = client.chat.completions.create(model=bot, messages=messages)
        assert answer.choices[0].message.content == "It was closed in 1998 [1]."
    assert seen[-1] == "And when?"
    chat = (answer.model_extra or {})["chat_id"]
    stored = tenant.http.get(f"/v1/chat/{chat}/messages").json()
    assert [message["content"] for message in stored] == ["And when?", "It was closed in 1998 [1]."]


def test_a_stored_chat_is_gone_on_with(client: openai.OpenAI, bot: str) -> None:
    first = client.chat.completions.create(model=bot, messages=ask(QUESTION))
    chat = (first.model_extra or {})["chat_id"]
    second = client.chat.completions.create(
        model=bot, messages=ask("And why?"), extra_body={"chat_id": chat}
    )
    assert (second.model_extra or {})["chat_id"] == chat
    assert "shallow" in (second.choices[0].message.content or "")


def test_failures_are_the_clients_own_errors(
    tenant: Tenant, client: openai.OpenAI, bot: str
) -> None:
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="nrag_live_wrong").models.list()
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="nobody", messages=ask("?"))
    odd: list[list[Any]] = [
        [{"role": "assistant", "content": "I speak last."}],
        ask("   "),
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}],
    ]
    for messages in odd:
        with pytest.raises(openai.UnprocessableEntityError):
            client.chat.completions.create(model=bot, messages=messages)
    with scripted_model(lambda *_: "") as base:
        broken = tenant.bot(model="openai/x", credentials={"api_base": base, "api_key": "k"})
        source = tenant.source(broken, TEXT)
        tenant.ingest(source)
        tenant.ready(source)
        with pytest.raises(openai.InternalServerError):
            client.chat.completions.create(model=broken, messages=ask(QUESTION))
        with pytest.raises(openai.APIError, match="said nothing"):
            list(client.chat.completions.create(model=broken, messages=ask(QUESTION), stream=True))


def test_nobody_reaches_the_bots_of_somebody_else(
    other_tenant: Tenant, client: openai.OpenAI, bot: str
) -> None:
    theirs = other_tenant.bot(name="Theirs")
    for name in (theirs, "Theirs"):
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(model=name, messages=ask("?"))
    assert [one.id for one in client.models.list()] == [bot]


def bound_to(tenant: Tenant, bot: str) -> str:
    body = {"name": "widget", "bot_profile_id": bot}
    made = tenant.http.post("/v1/api-tokens", json=body)
    assert made.status_code == 201, made.text
    return str(made.json()["raw_token"])


def test_a_token_for_one_bot_knows_that_bot_alone(
    tenant: Tenant, client: openai.OpenAI, bot: str
) -> None:
    other = tenant.bot(name="Other")
    bound = client.with_options(api_key=bound_to(tenant, bot))
    assert [one.id for one in bound.models.list()] == [bot]
    assert bound.chat.completions.create(model=bot, messages=ask(QUESTION)).choices
    for name in (other, "Other"):
        with pytest.raises(openai.NotFoundError):
            bound.chat.completions.create(model=name, messages=ask("?"))
