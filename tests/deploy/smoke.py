"""What a person does first: tenant, bot, source, question. For any installation."""

import uuid

from tests.harness import Tenant

FACT = "The lighthouse keeper of Vardahavn is called Aurelia Quist."
ABOUT = "What is the lighthouse keeper of Vardahavn called?"


def smoke(url: str, verify: bool = True) -> None:
    """Raise `AssertionError` at the first thing that does not work."""
    tenant = Tenant(url, f"smoke-{uuid.uuid4().hex[:12]}", verify=verify)
    try:
        bot = tenant.bot()
        source = tenant.source(bot, f"About Vardahavn.\n\n{FACT}\n\nIts harbour freezes in winter.")
        tenant.ingest(source)
        tenant.ready(source)
        answer = tenant.ask(bot, ABOUT)
        assert "Aurelia Quist" in answer["message"]["content"], answer
        assert answer["citations"], answer
        frames = tenant.stream(bot, ABOUT)
        assert frames[-1][0] == "done", frames
        assert tenant.http.get("/v1/system/health").json()["status"] == "ok"
    finally:
        tenant.http.close()
