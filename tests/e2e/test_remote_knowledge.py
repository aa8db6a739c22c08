"""Sources whose knowledge stays with a remote API."""

import uuid
from typing import Any

import pytest

from tests.chaos.probes import spilled
from tests.e2e.serving import knowledge_api
from tests.e2e.test_sources import get
from tests.harness import Installation, Tenant


class TestRemoteKnowledge:
    DOCUMENTS = (
        {"id": "1", "filename": "a.pdf", "status": "ready", "chunkCount": 7},
        {"id": "2", "filename": "b.pdf", "status": "ready", "chunkCount": 5},
        {"id": "3", "filename": "c.pdf", "status": "processing", "chunkCount": 99},
    )

    def test_its_documents_are_counted_and_its_token_is_never_told(
        self, tenant: Tenant, installation: Installation
    ) -> None:
        canary = f"nyx_ax_{uuid.uuid4().hex}"
        bot = tenant.bot()
        with knowledge_api({"ok": True, "documents": list(self.DOCUMENTS)}) as (base, seen):
            config = {"base_url": base, "api_token": canary, "limit": 5}
            source = tenant.source(bot, source_type="nyxcore", config=config)
            shown = get(tenant, source)
            assert shown["config"] == {"base_url": base, "limit": 5, "has_api_token": True}
            tenant.ingest(source)
            ready = tenant.ready(source)
            assert (ready["document_count"], ready["chunk_count"]) == (2, 12)
            assert ready["last_refreshed_at"] is not None
            assert seen == [("/api/v1/rag/documents", f"Bearer {canary}")]
            # A config replaces the one before: what a client reads and sends back has no token.
            tenant.http.patch(f"/v1/sources/{source}", json={"config": shown["config"]})
            assert get(tenant, source)["config"] == {"base_url": base, "limit": 5}
            tenant.ingest(source)
            failed = tenant.ready(source, "error")
            assert failed["error_message"] == "No API token configured"
            change = {"config": {"base_url": base, "api_token": canary}}
            tenant.http.patch(f"/v1/sources/{source}", json=change)
            tenant.ingest(source)
            tenant.ready(source)
            batch = {
                "bot_profile_id": bot,
                "name": "x",
                "children": [{"name": "c", "source_type": "nyxcore", "config": config}],
            }
            child = tenant.http.post("/v1/sources/batch", json=batch).json()["children"][0]
            assert child["config"] == {"base_url": base, "limit": 5, "has_api_token": True}
            timeline = tenant.http.get(f"/v1/sources/{source}/timeline").text
            assert "2 remote documents with 12 chunks" in timeline
            assert canary not in timeline
        assert spilled(installation.data_dir, [canary]) == {}

    @pytest.mark.parametrize(
        ("status", "body", "reason"),
        [
            (401, {"ok": False, "error": {"code": "x", "message": "bad token T"}}, "bad token …"),
            (200, {"ok": False, "error": {"code": "x", "message": "closed"}}, "closed"),
            (200, {"ok": True}, "no list of documents"),
            (200, [1], "no list of documents"),
        ],
    )
    def test_what_it_complains_about_is_shown_without_the_token(
        self, tenant: Tenant, status: int, body: Any, reason: str
    ) -> None:
        with knowledge_api(body, status) as (base, _):
            config = {"base_url": base, "api_token": "T"}
            source = tenant.source(tenant.bot(), source_type="nyxcore", config=config)
            tenant.ingest(source)
            message = tenant.ready(source, "error")["error_message"]
        assert message == f"The knowledge API answered {status}: {reason}"

    def test_the_token_does_not_follow_a_redirect(self, tenant: Tenant) -> None:
        with (
            knowledge_api({"ok": True, "documents": []}) as (elsewhere, seen),
            knowledge_api({}, 307, location=f"{elsewhere}/api/v1/rag/documents") as (base, _),
        ):
            config = {"base_url": base, "api_token": "T"}
            source = tenant.source(tenant.bot(), source_type="nyxcore", config=config)
            tenant.ingest(source)
            assert "307" in tenant.ready(source, "error")["error_message"]
            assert seen == []
