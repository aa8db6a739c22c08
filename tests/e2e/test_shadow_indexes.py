"""Variants of a run that are cut or embedded otherwise: asked of an index beside the bot's own."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e import inside
from tests.e2e.embedding_servers import embedding_server
from tests.e2e.test_playground import ended, filled, plan, run
from tests.e2e.test_reindexing import document, found_ids, index, patch, settled
from tests.harness import Installation, Tenant, answers, eventually

Register = Callable[[str], Tenant]

pytestmark = pytest.mark.timeout(600)

SECONDS = 120.0
QUERY = "boxes of {} number {}"


def knowing(tenant: Tenant, *names: str, sentences: int = 40, **fields: Any) -> str:
    """A bot with a document per name."""
    bot = tenant.bot(**fields)
    made = [tenant.source(bot, document(name, sentences), name=name) for name in names]
    for source in made:
        tenant.ingest(source)
    for source in made:
        tenant.ready(source)
    return bot


def asked(tenant: Tenant, bot: str, name: str, count: int = 3) -> str:
    """A suite about a document."""
    cases = [
        {
            "question": f"How many boxes of {name} number {n} does the {name} cupboard hold?",
            "must": [f"{n + 7} boxes"],
            "expected_sources": [name],
        }
        for n in range(1, 1 + count)
    ]
    return filled(tenant, bot, *cases)


def left(installation: Installation, tenant: Tenant) -> list[str]:
    """What there is of shadow indexes: in the engine, and in read models of the tenant."""
    folders = [path.name for path in (installation.data_dir / "index").glob("shadow-*")]
    rows = inside.rows(installation.data_dir)
    told = [
        f"{table} {row}"
        for table, found in rows.items()
        if table.split(".")[-1] in ("shadow_indexes", "shadow_sources")
        for row in found
        if tenant.id in row
    ]
    return folders + told


def nothing_left(installation: Installation, tenant: Tenant) -> None:
    eventually(
        lambda: not left(installation, tenant), lambda: str(left(installation, tenant)), SECONDS
    )


def state(tenant: Tenant, bot: str, run_id: str) -> dict[str, Any]:
    path = f"/v1/bot-profiles/{bot}/playground/runs/{run_id}"
    found: dict[str, Any] = answers(tenant.http, path, 200).json()
    return found


def passages(tenant: Tenant, bot: str, run_id: str) -> dict[int, list[dict[str, Any]]]:
    """By variant, of all questions."""
    path = f"/v1/bot-profiles/{bot}/playground/runs/{run_id}/results"
    found: dict[int, list[dict[str, Any]]] = {}
    for one in answers(tenant.http, path, 200).json():
        found.setdefault(one["variant"], []).extend(one["passages"])
    return found


def test_two_chunk_sizes_are_compared_and_the_bot_answers_as_before(
    installation: Installation, tenant: Tenant
) -> None:
    bot = knowing(tenant, "maple", "hazel")
    cases = asked(tenant, bot, "maple")
    query = QUERY.format("maple", 11)

    def answered() -> tuple[set[str], str]:
        said = tenant.ask(bot, f"How many {query} are there?")["message"]["content"]
        return found_ids(tenant, bot, query), said

    before = answered()
    small = {"chunk_size": 100, "chunk_overlap": 0}
    body = plan(cases, {}, small, {**small, "top_k": 1})
    path = f"/v1/bot-profiles/{bot}/playground"
    estimate = answers_to(tenant, f"{path}/estimate", body)
    assert (estimate["indexes"], estimate["embedding_usd"], estimate["cost_usd"]) == (1, 0, 0)
    assert estimate["chunks"] > index(tenant, bot)["chunks"]

    found = run(tenant, bot, body)
    begun = state(tenant, bot, found)
    assert [one["index"] for one in begun["variants"]] == [None, 0, 0], "they share one"
    assert begun["indexes"] == [{**small, "embedder": None}]
    assert answered() == before
    compared = ended(tenant, bot, found)
    assert compared["run"]["results"] == 9
    assert not compared["run"]["indexing"]

    by_variant = passages(tenant, bot, found)
    texts = [{one["snippet"] for one in by_variant[n]} for n in range(3)]
    assert texts[0] != texts[1] == texts[2]
    ids = [{one["chunk_id"] for one in by_variant[n]} for n in range(3)]
    assert ids[1] == ids[2]
    assert not ids[0] & ids[1], "other passages were found"
    assert {one["source_name"] for one in by_variant[1]} <= {"maple", "hazel"}
    assert [one["answered"] for one in compared["variants"]] == [3, 3, 3]

    nothing_left(installation, tenant)
    assert answered() == before
    assert (index(tenant, bot)["generation"], index(tenant, bot)["state"]) == (0, "active")


def answers_to(tenant: Tenant, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = tenant.http.post(path, json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_what_cannot_be_indexed_is_refused_with_its_field(
    installation: Installation, tenant: Tenant
) -> None:
    bot = tenant.bot()
    cases = asked(tenant, bot, "walnut", 1)
    path = f"/v1/bot-profiles/{bot}/playground"

    def refused(**fields: Any) -> tuple[int, str]:
        answer = tenant.http.post(f"{path}/run", json=plan(cases, {}, fields))
        return answer.status_code, answer.text

    for fields, name in (
        ({"chunk_size": 99}, "chunk_size"),
        ({"chunk_size": 200, "chunk_overlap": 150}, "variants.1.chunk_overlap"),
        ({"embedding_model": "text-embedding-3-small"}, "variants.1.embedding_model"),
    ):
        status, text = refused(**fields)
        assert status == 422
        assert name in text
    assert tenant.http.get(f"{path}/runs").json() == []


def test_a_bot_without_sources_is_asked_at_once(installation: Installation, tenant: Tenant) -> None:
    bot = tenant.bot()
    cases = asked(tenant, bot, "walnut", 1)
    compared = ended(tenant, bot, run(tenant, bot, plan(cases, {}, {"chunk_size": 200})))
    assert compared["run"]["results"] == 2
    nothing_left(installation, tenant)


def test_a_run_that_is_cancelled_or_cannot_be_made_leaves_nothing(
    installation: Installation, tenant: Tenant
) -> None:
    with embedding_server() as server:
        server.allowed = 0
        credentials = {"embedding_api_base": server.url, "embedding_api_key": "k"}
        bot = knowing(tenant, "aspen", credentials=credentials)
        cases = asked(tenant, bot, "aspen", 2)
        other = {"embedding_model": "loopback-embed", "chunk_size": 200}
        estimate = answers_to(
            tenant, f"/v1/bot-profiles/{bot}/playground/estimate", plan(cases, {}, other)
        )
        assert (estimate["indexes"], estimate["embedding_usd"]) == (1, None)

        found = run(tenant, bot, plan(cases, {}, other))
        eventually(lambda: server.waiting > 0, seconds=SECONDS)
        assert state(tenant, bot, found)["indexing"]
        assert left(installation, tenant)
        path = f"/v1/bot-profiles/{bot}/playground/runs/{found}"
        assert tenant.http.delete(path).json()["status"] == "cancelled"
        nothing_left(installation, tenant)
        server.status = 401
        server.abandon()
        server.open()

        failed = run(tenant, bot, plan(cases, {}, other))
        eventually(lambda: state(tenant, bot, failed)["status"] == "cancelled", seconds=SECONDS)
        told = state(tenant, bot, failed)
        assert "is not accepted" in told["reason"]
        assert told["results"] == 0
        nothing_left(installation, tenant)


def test_a_source_that_goes_during_a_run_goes_from_its_index(
    installation: Installation, tenant: Tenant
) -> None:
    with embedding_server() as server:
        server.allowed = 0
        credentials = {"embedding_api_base": server.url, "embedding_api_key": "k"}
        bot = knowing(tenant, "aspen", "birch", sentences=5, credentials=credentials)
        cases = asked(tenant, bot, "aspen", 1)
        other = {"embedding_model": "loopback-embed", "floor": 0.0}
        found = run(tenant, bot, plan(cases, other))
        eventually(lambda: server.waiting > 0, seconds=SECONDS)
        sources = tenant.http.get("/v1/sources", params={"bot_profile_id": bot}).json()
        (gone,) = [one["id"] for one in sources if one["name"] == "aspen"]
        assert tenant.http.delete(f"/v1/sources/{gone}").status_code == 204
        server.open()
        ended(tenant, bot, found)
        by_variant = passages(tenant, bot, found)
        assert {one["source_name"] for one in by_variant[0]} == {"birch"}
        nothing_left(installation, tenant)


def test_what_was_tried_is_published_and_the_bot_is_indexed_so(
    installation: Installation, tenant: Tenant
) -> None:
    bot = knowing(tenant, "cedar")
    cases = asked(tenant, bot, "cedar", 2)
    patch(tenant, bot, gate_suite_id=cases)
    path = f"/v1/bot-profiles/{bot}"
    around = tenant.http.patch(path, json={"chunk_size": 300})
    assert around.status_code == 409, "the gate is before what can be tried"

    small = {"chunk_size": 120, "chunk_overlap": 10}
    found = run(tenant, bot, plan(cases, {}, small))
    compared = ended(tenant, bot, found)
    assert all(one["answered"] == 2 for one in compared["variants"])
    publish = f"{path}/playground/runs/{found}/publish"
    worse = any(one["significant"] and one["mean"] < 0 for one in compared["differences"])
    answer = tenant.http.post(publish, json={"variant": 1, "reason": "Smaller."})
    assert answer.status_code == (409 if worse else 200), answer.text
    assert not worse
    assert (answer.json()["chunk_size"], answer.json()["chunk_overlap"]) == (120, 10)
    assert settled(tenant, bot, 1)["settings"]["chunk_size"] == 120

    back = tenant.http.post(f"{path}/versions/2/restore", json={"reason": "Too small."})
    assert (back.status_code, back.json()["chunk_size"]) == (200, None)
    assert settled(tenant, bot, 2)["settings"]["chunk_size"] is None


@pytest.mark.slow
def test_whoever_is_killed_meanwhile_a_run_ends_whole_and_leaves_nothing(
    isolated: Installation, register: Register
) -> None:
    tenant = register(isolated.url)
    with embedding_server() as server:
        server.allowed = 0
        credentials = {"embedding_api_base": server.url, "embedding_api_key": "k"}
        bot = knowing(tenant, "walnut", "cherry", sentences=60, credentials=credentials)
        cases = asked(tenant, bot, "walnut", 10)
        other = {"embedding_model": "loopback-embed", "chunk_size": 100, "chunk_overlap": 0}
        found = run(tenant, bot, plan(cases, {}, other))
        eventually(lambda: server.waiting > 0, seconds=SECONDS)
        killed = isolated.kill("ingest")
        server.abandon()
        isolated.revived("ingest", killed)
        eventually(lambda: server.waiting > 0, seconds=SECONDS)
        killed = isolated.kill("chat")
        isolated.revived("chat", killed)
        server.open()
        path = f"/v1/bot-profiles/{bot}/playground/runs/{found}"
        eventually(lambda: tenant.http.get(path).json().get("results", 0) > 1, seconds=SECONDS)
        isolated.kill("chat")
        ended(tenant, bot, found)
    results = answers(tenant.http, f"{path}/results", 200).json()
    assert len(results) == len({(one["question_id"], one["variant"]) for one in results}) == 20
    nothing_left(isolated, tenant)
    facts = inside.facts(isolated.data_dir, tenant.id)
    assert facts[f"evt.{tenant.id}.test_run.{found}", "result_recorded"] == 20
    inside.rebuild(isolated.data_dir, "index", "sources")
    nothing_left(isolated, tenant)
