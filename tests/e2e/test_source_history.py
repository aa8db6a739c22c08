"""What a source was and is, over HTTP: stages, revisions, documents, chunks, and their undoing."""

from typing import Any

import pytest

from tests.e2e.test_sources import get, refused
from tests.e2e.test_uploads import upload
from tests.harness import Tenant, eventually

QUESTION = "How long is the guarantee on the frame of a bicycle?"
SEVEN = "# Guarantee\n\nEvery bicycle carries a guarantee of seven years on its frame."
TEN = SEVEN.replace("seven", "ten")
GERMAN = "Der Rahmen jedes Fahrrads hat eine Garantie von sieben Jahren ab dem Tag des Kaufs."


def of(tenant: Tenant, source: str, what: str, **query: Any) -> Any:
    answer = tenant.http.get(f"/v1/sources/{source}/{what}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def answer(tenant: Tenant, bot: str) -> str:
    return str(tenant.ask(bot, QUESTION)["message"]["content"])


def revise(tenant: Tenant, source: str, content: str) -> None:
    """Ingest a new content and wait until it answers."""
    before = get(tenant, source)["revision"]
    tenant.http.patch(f"/v1/sources/{source}", json={"content": content}).raise_for_status()
    tenant.ingest(source)
    eventually(lambda: get(tenant, source)["revision"] > before)


def undo(tenant: Tenant, source: str) -> dict[str, Any]:
    found = tenant.http.post(f"/v1/sources/{source}/undo")
    assert found.status_code == 200, found.text
    return dict(found.json())


def revised(tenant: Tenant) -> tuple[str, str]:
    """A bot and its source with two revisions."""
    bot = tenant.bot()
    source = tenant.source(bot, SEVEN)
    tenant.ingest(source)
    tenant.ready(source)
    revise(tenant, source, TEN)
    return bot, source


class TestFacts:
    def test_the_timeline_tells_every_stage_of_a_run(self, tenant: Tenant) -> None:
        source = tenant.source(tenant.bot(), SEVEN)
        tenant.ingest(source)
        tenant.ready(source)
        told = of(tenant, source, "timeline")[1:]
        assert [entry["event"] for entry in told] == [
            "source.ingestion_requested",
            "source.ingestion_started",
            "source.fetched",
            "source.extracted",
            "source.chunked",
            "source.prepared",
            "source.ingested",
        ]
        assert len({entry["run_id"] for entry in told}) == 1
        assert all(entry["seconds"] >= 0 and entry["attempt"] == 1 for entry in told[1:])
        assert (told[5]["done"], told[5]["total"]) == (1, 1)

    def test_a_failure_tells_its_reason(self, tenant: Tenant) -> None:
        source = tenant.source(tenant.bot(), " ")
        tenant.ingest(source)
        tenant.ready(source, "error")
        assert of(tenant, source, "timeline")[-1]["reason"] == "No content to ingest"

    def test_documents_and_chunks_show_what_answers(self, tenant: Tenant) -> None:
        bot, source = revised(tenant)
        (document,) = of(tenant, source, "documents")
        assert (document["revision"], document["chunk_count"]) == (2, 1)
        (chunk,) = of(tenant, source, "chunks")
        assert "ten years" in chunk["text"]
        assert (chunk["heading"], chunk["language"], chunk["page"]) == ("Guarantee", "en", None)
        (old,) = of(tenant, source, "chunks", revision=1)
        assert "seven years" in old["text"]
        cited = dict(tenant.stream(bot, QUESTION))["citations"]["items"][0]
        assert (cited["chunk_id"], cited["document_id"]) == (chunk["id"], document["id"])

    def test_chunks_come_in_parts(self, tenant: Tenant) -> None:
        text = "\n\n".join(f"# Part {n}\n\nThe text of part number {n}." for n in range(5))
        source = tenant.source(tenant.bot(), text)
        tenant.ingest(source)
        tenant.ready(source)
        first = tenant.http.get(f"/v1/sources/{source}/chunks", params={"limit": 2})
        assert first.headers["X-Total-Count"] == "5"
        following = tenant.http.get(first.links["next"]["url"])
        ordinals = [chunk["ordinal"] for chunk in [*first.json(), *following.json()]]
        assert ordinals == [0, 1, 2, 3]

    def test_revisions_are_compared_line_by_line(self, tenant: Tenant) -> None:
        _, source = revised(tenant)
        assert [one["revision"] for one in of(tenant, source, "revisions")] == [2, 1]
        found = of(tenant, source, "revisions/2/diff")
        assert (found["before"], found["added"], found["removed"]) == (1, 1, 1)
        assert f"+{TEN.splitlines()[-1]}" in found["lines"]
        assert of(tenant, source, "revisions/2/diff", against=2)["lines"] == []

    def test_what_is_not_there_is_not_found(self, tenant: Tenant, other_tenant: Tenant) -> None:
        _, source = revised(tenant)
        for path in ("revisions", "documents", "chunks", "revisions/1/diff"):
            refused(other_tenant.http.get(f"/v1/sources/{source}/{path}"), 404)
        refused(other_tenant.http.post(f"/v1/sources/{source}/undo"), 404)
        refused(tenant.http.get(f"/v1/sources/{source}/revisions/9/diff"), 404)
        refused(tenant.http.get(f"/v1/sources/{source}/revisions/0/diff"), 422)
        refused(tenant.http.get(f"/v1/sources/{source}/chunks?revision=x"), 422)


class TestIngestingAgain:
    def test_what_has_not_changed_keeps_its_chunks(self, tenant: Tenant) -> None:
        source = tenant.source(tenant.bot(), SEVEN)
        tenant.ingest(source)
        tenant.ready(source)
        before = of(tenant, source, "chunks")
        tenant.ingest(source)
        eventually(lambda: of(tenant, source, "timeline")[-1]["event"] == "source.unchanged")
        assert of(tenant, source, "chunks") == before
        assert len(of(tenant, source, "revisions")) == 1

    def test_a_changed_paragraph_of_a_long_document_embeds_at_most_three_chunks(
        self, tenant: Tenant
    ) -> None:
        sentences = [
            f"The part number {n * n} has the price of {n * 7} euros." for n in range(4600)
        ]
        source = tenant.source(tenant.bot(), " ".join(sentences))
        tenant.ingest(source)
        assert tenant.ready(source)["chunk_count"] >= 200
        told = [e for e in of(tenant, source, "timeline") if e["event"] == "source.embedded"]
        assert told[0]["done"] == 128
        sentences[1800] = "This part is not made any more, and nothing else takes its place."
        revise(tenant, source, " ".join(sentences))
        newest = of(tenant, source, "revisions")[0]
        assert newest["chunk_count"] >= 200
        assert 1 <= newest["embedded_count"] <= 3


class TestUndoing:
    def test_the_revision_before_answers_again_without_embedding(self, tenant: Tenant) -> None:
        bot, source = revised(tenant)
        assert "ten years" in answer(tenant, bot)
        undo(tenant, source)
        assert "seven years" in answer(tenant, bot)
        assert tenant.ready(source)["revision"] == 3
        newest = of(tenant, source, "revisions")[0]
        assert (newest["restored_from"], newest["embedded_count"]) == (1, 0)
        undo(tenant, source)
        assert "ten years" in answer(tenant, bot)

    def test_a_deleted_source_comes_back_without_embedding(self, tenant: Tenant) -> None:
        bot, source = revised(tenant)
        tenant.ready(source)
        assert tenant.http.delete(f"/v1/sources/{source}").status_code == 204
        assert "ten years" not in answer(tenant, bot)
        assert undo(tenant, source)["is_active"]
        page = tenant.http.get(
            "/v1/events",
            params={"type": "source.restored"},
            headers={"Accept": "application/json"},
        )
        assert [event["data"]["undeleted"] for event in page.json()] == [True]
        assert "ten years" in answer(tenant, bot)
        assert tenant.ready(source)["chunk_count"] == 1
        assert of(tenant, source, "revisions")[0]["embedded_count"] == 0

    def test_children_come_back_with_their_parent_and_not_before(self, tenant: Tenant) -> None:
        bot = tenant.bot()
        parent = tenant.source(bot)
        child = tenant.source(bot, SEVEN, parent_id=parent)
        gone_before = tenant.source(bot, TEN, parent_id=parent)
        tenant.ingest(child)
        tenant.ready(child)
        tenant.http.delete(f"/v1/sources/{gone_before}").raise_for_status()
        tenant.http.delete(f"/v1/sources/{parent}").raise_for_status()
        refused(tenant.http.post(f"/v1/sources/{child}/undo"), 409)
        undo(tenant, parent)
        eventually(lambda: get(tenant, child)["is_active"])
        tenant.ready(child)
        assert "seven years" in answer(tenant, bot)
        assert not get(tenant, gone_before)["is_active"]

    def test_without_another_revision_there_is_nothing_to_undo(self, tenant: Tenant) -> None:
        source = tenant.source(tenant.bot(), SEVEN)
        assert (
            "nothing to undo"
            in refused(tenant.http.post(f"/v1/sources/{source}/undo"), 409)["detail"]
        )


class TestLanguages:
    def test_that_are_detected_are_shown_for_document_and_chunk(self, tenant: Tenant) -> None:
        text = f"{' '.join([SEVEN.splitlines()[-1]] * 5)}\n\n# Garantie\n\n{GERMAN}"
        source = tenant.source(tenant.bot(), text)
        tenant.ingest(source)
        assert tenant.ready(source)["language"] == "en"
        assert [chunk["language"] for chunk in of(tenant, source, "chunks")] == ["en", "de"]

    def test_that_are_set_go_before_those_that_are_detected(self, tenant: Tenant) -> None:
        source = tenant.source(tenant.bot(), GERMAN, language="nl")
        assert get(tenant, source)["language"] == "nl"
        tenant.ingest(source)
        tenant.ready(source)
        assert [chunk["language"] for chunk in of(tenant, source, "chunks")] == ["nl"]
        tenant.http.patch(f"/v1/sources/{source}", json={"language": None}).raise_for_status()
        tenant.ingest(source)
        eventually(lambda: get(tenant, source)["revision"] == 2)
        assert tenant.ready(source)["language"] == "de"
        assert of(tenant, source, "revisions")[0]["embedded_count"] == 0

    def test_can_be_sent_along_with_a_file(self, tenant: Tenant) -> None:
        fields = {"bot_profile_id": tenant.bot(), "language": "nl"}
        made = upload(tenant, "a.txt", GERMAN.encode(), **fields).json()
        assert made["language"] == "nl"
        assert tenant.ready(made["id"])["language"] == "nl"
        fields["language"] = "Dutch"
        assert refused(upload(tenant, "a.txt", b"x", **fields), 422)["field"] == "language"

    @pytest.mark.parametrize("language", ["german", "DE", "", 7])
    def test_that_are_no_codes_are_refused(self, tenant: Tenant, language: Any) -> None:
        body = {
            "bot_profile_id": tenant.bot(),
            "name": "S",
            "source_type": "text",
            "language": language,
        }
        assert refused(tenant.http.post("/v1/sources", json=body), 422)["field"] == "language"
