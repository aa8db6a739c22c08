"""The Model Context Protocol's own client, unchanged, against the endpoint that speaks it."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from mcp import Client, types
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

from tests.e2e.test_model_tasks import TEXT, bot_with, scripted_model
from tests.harness import Tenant

QUESTION = "When was the harbour of Corran closed?"


@pytest.fixture
def bot(tenant: Tenant) -> str:
    made = tenant.bot(name="Harbour guide!", description="Knows Corran.", model="local/extractive")
    source = tenant.source(made, TEXT, name="Chronicle")
    tenant.ingest(source)
    tenant.ready(source)
    return made


@asynccontextmanager
async def connected(tenant: Tenant) -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {tenant.token}"}
    url = str(tenant.http.base_url.join("/v1/mcp"))
    async with (
        create_mcp_http_client(headers=headers) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        yield client


def text(result: types.CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, types.TextContent)
    return content.text


async def test_every_active_bot_is_a_tool_that_answers_with_citations(
    tenant: Tenant, bot: str
) -> None:
    tenant.http.delete(f"/v1/bot-profiles/{tenant.bot()}")
    async with connected(tenant) as client:
        (tool,) = (await client.list_tools()).tools
        assert tool.name == f"ask_harbour_guide_{bot[-12:]}"
        assert tool.description == "Ask Harbour guide!. Knows Corran."
        assert tool.input_schema["required"] == ["question"]
        first = await client.call_tool(tool.name, {"question": QUESTION})
        assert not first.is_error
        assert "1998" in text(first)
        assert text(first).endswith("[1] Chronicle")
        told: Any = first.structured_content
        assert told["grounded"] is True
        assert told["citations"][0]["n"] == 1
        second = await client.call_tool(
            tool.name, {"question": "And why?", "chat_id": told["chat_id"]}
        )
        assert "shallow" in text(second)


async def test_failures_are_told_as_results_of_the_tool(tenant: Tenant, bot: str) -> None:
    with scripted_model(lambda *_: "") as base:
        broken = bot_with(tenant, base)
        async with connected(tenant) as client:
            name = f"ask_x_{bot[-12:]}"
            cases: list[tuple[str, dict[str, Any], str]] = [
                ("ask_nobody_000000000000", {"question": "?"}, "not found"),
                (name, {}, "question: Field required"),
                (name, {"question": ""}, "question: "),
                (name, {"question": "?", "chat_id": str(uuid.uuid4())}, "Chat session not found"),
                (f"ask_x_{broken[-12:]}", {"question": QUESTION}, "said nothing"),
            ]
            for tool, arguments, words in cases:
                result = await client.call_tool(tool, arguments)
                assert result.is_error
                assert words in text(result)


async def test_nobody_sees_or_asks_the_bots_of_somebody_else(
    tenant: Tenant, other_tenant: Tenant, bot: str
) -> None:
    async with connected(other_tenant) as client:
        assert (await client.list_tools()).tools == []
        assert (await client.call_tool(f"ask_x_{bot[-12:]}", {"question": QUESTION})).is_error


def test_without_a_token_there_is_a_problem(tenant: Tenant) -> None:
    answer = httpx.post(
        str(tenant.http.base_url.join("/v1/mcp")), json={}, trust_env=False, timeout=60
    )
    assert answer.status_code == 401
    assert tenant.http.get("/v1/mcp").status_code == 405
