"""One chat is one trace, through every service that has to do with it, and tells nobody's words."""

import secrets

import httpx
import pytest

from tests.e2e.collecting import Collector, Span
from tests.e2e.paced_model import PROMPT_TOKENS, paced_model
from tests.e2e.receivers import receiving
from tests.harness import Installation, Tenant, eventually

SERVICES = {"minirag-gateway", "minirag-chat", "minirag-analytics", "minirag-webhooks"}
SECRET = "zephyrmarlin"
"""Stands in the question, the prompt, the source and the answer, and in no span."""
STEPS = {
    "POST /v1/chat",
    "order chat.ask",
    "handle chat.ask",
    "publish EVENTS",
    "process chat-answer-question",
    "retrieve",
    "chat gpt-4o-mini",
    "handle chat.record_answer",
    "project analytics.rollups",
    "process webhooks-fan-out",
    "deliver webhook",
}


def sampled() -> tuple[str, str, dict[str, str]]:
    """Ids of a client's trace and span, and the header that asks for a record of it."""
    trace, span = secrets.token_hex(16), secrets.token_hex(8)
    return trace, span, {"traceparent": f"00-{trace}-{span}-01"}


def named(spans: list[Span], name: str) -> Span:
    return next(span for span in spans if span.name == name)


@pytest.mark.timeout(600)
def test_a_chat_is_one_connected_trace_without_a_word_of_it(
    collector: Collector, tenant: Tenant
) -> None:
    trace, root, header = sampled()
    with receiving() as receiver, paced_model(words=3, seconds=0.0) as model:
        hook = {"url": receiver.url, "events": ["chat.message"]}
        assert tenant.http.post("/v1/webhooks", json=hook).status_code == 201
        bot = tenant.bot(
            model="gpt-4o-mini",
            credentials={"api_base": model.url, "api_key": "k"},
            system_prompt=f"Never tell anybody of {SECRET}.",
        )
        source = tenant.source(bot, f"The lighthouse of {SECRET} is painted green.")
        tenant.ingest(source)
        tenant.ready(source)
        body = {"bot_profile_id": bot, "message": f"What colour is the lighthouse of {SECRET}?"}
        answer = tenant.http.post("/v1/chat", json=body, headers=header)
        assert answer.status_code == 200, answer.text
        assert SECRET in answer.text

        def whole() -> list[Span] | None:
            spans = collector.of_trace(trace)
            known = {root, *(span.id for span in spans)}
            connected = all(span.parent in known for span in spans)
            return spans if connected and {span.name for span in spans} >= STEPS else None

        spans: list[Span] = eventually(
            whole, lambda: str(sorted(span.name for span in collector.of_trace(trace)))
        )
        hit = eventually(lambda: receiver.of_type("chat.message"))[0]

    assert {span.service for span in spans} >= SERVICES
    assert [span.name for span in spans if span.parent == root] == ["POST /v1/chat"]
    assert not any(span.failed for span in spans)
    call = named(spans, "chat gpt-4o-mini").attributes
    assert call["gen_ai.operation.name"] == "chat"
    assert call["gen_ai.provider.name"] == "openai"
    assert call["gen_ai.usage.input_tokens"] == str(PROMPT_TOKENS)
    assert hit.headers["traceparent"].split("-")[1] == trace
    assert hit.headers["traceparent"].split("-")[2] in {span.id for span in spans}
    assert not any(SECRET.encode() in body for body in collector.raw)
    assert not any(tenant.token.encode() in body for body in collector.raw)


def test_log_lines_of_a_traced_request_tell_its_trace(
    collector: Collector, installation: Installation, tenant: Tenant
) -> None:
    trace, _, header = sampled()
    assert tenant.http.post("/v1/sources", json={}, headers=header).status_code == 422
    eventually(lambda: collector.of_trace(trace))
    log = (installation.data_dir / "logs" / "services.log").read_text()
    assert any(f'"trace_id": "{trace}"' in line for line in log.splitlines())


def test_a_path_that_nobody_serves_is_told_by_no_name_of_the_client(
    collector: Collector, installation: Installation
) -> None:
    trace, _, header = sampled()
    httpx.get(
        f"{installation.url}/{SECRET}?q={SECRET}", headers=header, trust_env=False, timeout=60
    )
    spans: list[Span] = eventually(lambda: collector.of_trace(trace))
    assert [span.name for span in spans] == ["GET other"]
    assert not any(SECRET.encode() in body for body in collector.raw)
