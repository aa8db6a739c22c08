"""A key is tried before anybody needs it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.harness import Tenant
from tests.loopback import QuietHandler, loopback

SAID = b'data: {"choices": [{"delta": {"content": "yes"}, "finish_reason": "stop"}]}\n\n'
PATH = "/v1/providers/test"


@contextmanager
def provider(*good: str) -> Iterator[str]:
    """An OpenAI-compatible server that takes these keys; `poor` has nothing left."""

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            key = self.headers.get("Authorization", "").removeprefix("Bearer ")
            if key in good:
                self.say(200, SAID + b"data: [DONE]\n\n")
            elif key == "poor":
                error = {"code": "insufficient_quota", "message": f"{key} has nothing left"}
                self.say(429, json.dumps({"error": error}).encode())
            else:
                self.say(401, f"{key} is wrong".encode())

        def say(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "text/event-stream" if status == 200 else "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with loopback(Handler) as base:
        yield f"{base}/v1"


def outcome(tenant: Tenant, **fields: Any) -> str:
    answer = tenant.http.post(PATH, json={"model": "openai/some", **fields})
    assert answer.status_code == 200, answer.text
    for secret in ("right", "wrong-key", "poor"):
        assert secret not in answer.text
    told = answer.json()
    assert told["latency_ms"] >= 0
    return str(told["outcome"])


def test_a_key_is_told_to_work_or_why_it_does_not(tenant: Tenant) -> None:
    with provider("right") as base:

        def entered(key: str) -> str:
            return outcome(tenant, credentials={"api_key": key, "api_base": base})

        assert [entered(key) for key in ("right", "wrong-key", "poor")] == [
            "works",
            "bad_key",
            "no_quota",
        ]
        kept = {"api_key": "right", "api_base": base}
        bot = tenant.bot(model="openai/some", credentials=kept)
        assert outcome(tenant, bot_profile_id=bot) == "works"
        # What is entered replaces all that is stored: no address may fetch a key.
        assert outcome(tenant, bot_profile_id=bot, credentials={"api_base": base}) == "bad_key"
    nobody = {"api_key": "k", "api_base": "http://127.0.0.1:9/v1"}
    assert outcome(tenant, credentials=nobody) == "unreachable"
    inside = {"api_key": "k", "api_base": "http://169.254.169.254/v1"}
    assert outcome(tenant, credentials=inside) == "misconfigured"
    assert outcome(tenant, model="local/extractive") == "works"


def test_a_key_is_tried_by_whoever_may_change_bots(tenant: Tenant) -> None:
    made = tenant.http.post("/v1/api-tokens", json={"name": "r", "scopes": ["chat", "read"]})
    reader = tenant.with_(made.json()["raw_token"])
    assert reader.post(PATH, json={"model": "local/extractive"}).status_code == 403
    secret = "sk-" + "x" * 5000
    refused = tenant.http.post(PATH, json={"model": "m", "credentials": {"api_key": secret}})
    assert refused.status_code == 422
    assert secret[:20] not in refused.text
