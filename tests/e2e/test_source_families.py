"""Parents and children: batches, ingestion of a whole family, deletion of it."""

import threading
import uuid
from typing import Any

import httpx
import pytest

from tests.e2e.serving import held_page
from tests.e2e.test_sources import GUARANTEE, UNKNOWN_BOT, get, ids, refused
from tests.harness import Tenant, eventually, website


class TestDeleting:
    def test_a_family_answers_no_more_when_the_deletion_is_answered(self, tenant: Tenant) -> None:
        bot = tenant.bot()
        parent = tenant.source(bot)
        children = [
            tenant.source(bot, f"# Part {n}\n\n{text}", parent_id=parent)
            for n, text in enumerate(
                (
                    "The guarantee on the frame lasts seven years.",
                    "The guarantee on the frame does not cover rust.",
                )
            )
        ]
        for child in children:
            tenant.ingest(child)
            tenant.ready(child)
        question = "How long is the guarantee on the frame?"
        assert tenant.ask(bot, question)["grounded"]
        assert tenant.http.delete(f"/v1/sources/{parent}").status_code == 204
        answer = tenant.ask(bot, question)
        assert answer["sources"] == []
        assert ids(tenant, include_children="true") == []
        assert [get(tenant, one)["is_active"] for one in (parent, *children)] == [False] * 3
        assert tenant.http.delete(f"/v1/sources/{parent}").status_code == 204
        refused(tenant.http.delete(f"/v1/sources/{uuid.uuid4()}"), 404, "Source not found")

    def test_children_created_meanwhile_go_with_their_parent(self, tenant: Tenant) -> None:
        bot = tenant.bot()
        parent = tenant.source(bot)
        stop = threading.Event()
        made: list[str] = []

        def create() -> None:
            body = {"bot_profile_id": bot, "name": "x", "source_type": "text", "parent_id": parent}
            while not stop.is_set():
                answer = tenant.http.post("/v1/sources", json=body)
                if answer.status_code == 404:
                    return
                made.append(answer.json()["id"])

        threads = [threading.Thread(target=create) for _ in range(4)]
        for thread in threads:
            thread.start()
        eventually(lambda: len(made) > 8)
        assert tenant.http.delete(f"/v1/sources/{parent}").status_code == 204
        for thread in threads:
            thread.join(30)
        stop.set()
        eventually(lambda: ids(tenant, include_children="true") == [])


class TestBatches:
    def test_parent_and_children_are_made_in_order(self, tenant: Tenant) -> None:
        bot = tenant.bot()
        body = {
            "bot_profile_id": bot,
            "name": "Site",
            "children": [
                {
                    "name": f"Page {n}",
                    "source_type": "text",
                    "content": f"Page {n} tells about subject number {n}.",
                    "config": {"n": n},
                }
                for n in range(5)
            ],
        }
        answer = tenant.http.post("/v1/sources/batch", json=body)
        assert answer.status_code == 201, answer.text
        made = answer.json()
        assert set(made) == {"parent", "children"}
        parent, children = made["parent"], made["children"]
        assert (parent["source_type"], parent["children_count"]) == ("url", 5)
        assert parent["status"] == "pending"
        assert [child["name"] for child in children] == [f"Page {n}" for n in range(5)]
        assert [child["config"] for child in children] == [{"n": n} for n in range(5)]
        assert {child["parent_id"] for child in children} == {parent["id"]}
        assert {child["children_count"] for child in children} == {0}
        assert tenant.http.get(f"/v1/sources/{parent['id']}/children").json() == children
        assert ids(tenant) == [parent["id"]]

    def test_of_a_batch_with_a_fault_nothing_is_made(self, tenant: Tenant) -> None:
        bot = tenant.bot()
        good = {"name": "a", "source_type": "text"}
        bad = {"name": "b", "source_type": "url", "config": {"url": "nonsense"}}
        batch = {"bot_profile_id": bot, "name": "x"}

        def create(**body: Any) -> httpx.Response:
            return tenant.http.post("/v1/sources/batch", json={**batch, **body})

        problem = refused(create(children=[good, bad, good]), 422)
        assert problem["field"] == "children.1.config.url"
        refused(create(children=[]), 422, "At least one child source is required")
        assert refused(create(children=[good] * 501), 422)["field"] == "children"
        refused(create(children=[good], name="x" * 256), 422)
        refused(create(children=[{**good, "name": "x" * 256}]), 422)
        refused(create(children=[good], bot_profile_id=str(uuid.uuid4())), 422, UNKNOWN_BOT)
        assert ids(tenant, include_children="true") == []

    @pytest.mark.slow
    @pytest.mark.timeout(600)
    def test_five_hundred_children_are_made_and_deleted_together(self, tenant: Tenant) -> None:
        child = {"name": "page", "source_type": "text", "description": "x" * 800}
        body = {"bot_profile_id": tenant.bot(), "name": "x", "children": [child] * 500}
        key = {"Idempotency-Key": uuid.uuid4().hex}

        def create() -> dict[str, Any] | None:
            answer = tenant.http.post("/v1/sources/batch", json=body, headers=key)
            assert answer.status_code in (201, 202), answer.text
            found: dict[str, Any] = answer.json()
            return found if answer.status_code == 201 else None

        made = eventually(create, seconds=120)
        parent = made["parent"]["id"]
        assert len({one["id"] for one in made["children"]}) == 500
        assert made["parent"]["children_count"] == 500

        def delete() -> bool:
            return tenant.http.delete(f"/v1/sources/{parent}").status_code == 204

        eventually(delete, seconds=120)
        assert ids(tenant, include_children="true") == []


class TestIngesting:
    def test_it_is_accepted_and_refused_while_it_runs(self, tenant: Tenant) -> None:
        with held_page() as (base, release):
            source = tenant.source(tenant.bot(), source_type="url", config={"url": f"{base}/x"})
            answer = tenant.http.post(f"/v1/sources/{source}/ingest")
            assert answer.status_code == 202
            assert answer.json() == {
                "status": "accepted",
                "message": f"Ingestion queued for source {source}",
            }
            tenant.ready(source, "processing")
            again = tenant.http.post(f"/v1/sources/{source}/ingest")
            refused(again, 409, "Source is already being processed")
            release.set()
            assert tenant.ready(source)["last_refreshed_at"].endswith("Z")
        refused(tenant.http.post(f"/v1/sources/{uuid.uuid4()}/ingest"), 404, "Source not found")

    def test_children_that_are_not_processed_are_counted_and_ingested(self, tenant: Tenant) -> None:
        bot = tenant.bot()
        with held_page() as (base, release):
            parent = tenant.source(bot)
            busy = tenant.source(
                bot, source_type="url", config={"url": f"{base}/x"}, parent_id=parent
            )
            idle = [tenant.source(bot, GUARANTEE, parent_id=parent) for _ in range(3)]
            gone = tenant.source(bot, GUARANTEE, parent_id=parent)
            tenant.http.delete(f"/v1/sources/{gone}")
            tenant.ingest(busy)
            tenant.ready(busy, "processing")
            assert get(tenant, parent)["status"] == "processing"
            answer = tenant.http.post(f"/v1/sources/{parent}/ingest-children")
            assert answer.status_code == 202
            assert answer.json() == {
                "status": "accepted",
                "message": "Ingestion queued for 3 child sources",
                "enqueued": 3,
            }
            release.set()
            for child in (busy, *idle):
                tenant.ready(child)
        assert get(tenant, parent)["status"] == "ready"
        assert get(tenant, gone)["status"] == "pending"
        nothing = tenant.http.post(f"/v1/sources/{idle[0]}/ingest-children").json()
        assert nothing["enqueued"] == 0
        unknown = tenant.http.post(f"/v1/sources/{uuid.uuid4()}/ingest-children")
        refused(unknown, 404, "Source not found")

    def test_a_source_without_an_address_or_text_says_so(self, tenant: Tenant) -> None:
        bot = tenant.bot()
        for source_type, reason in (("url", "No address"), ("text", "No content to ingest")):
            source = tenant.source(bot, source_type=source_type)
            tenant.ingest(source)
            assert reason in tenant.ready(source, "error")["error_message"]

    def test_an_inactive_source_and_a_parent_can_be_ingested(self, tenant: Tenant) -> None:
        with website({"/": ("text/plain", GUARANTEE.encode())}) as base:
            bot = tenant.bot()
            parent = tenant.source(bot, source_type="url", config={"url": f"{base}/"})
            tenant.source(bot, parent_id=parent)
            tenant.http.patch(f"/v1/sources/{parent}", json={"is_active": False})
            tenant.ingest(parent)
            eventually(lambda: get(tenant, parent)["document_count"] == 1)
        assert not tenant.ask(bot, "How long is the guarantee?")["grounded"]
