"""What the port for probes tells of a running installation."""

from collections.abc import Mapping

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from shared.telemetry.metrics import CATALOGUE
from tests.harness import PLAIN, Installation, Tenant, eventually

Labels = frozenset[tuple[str, str]]
Series = Mapping[tuple[str, Labels], float]
QUESTION = "What powers the kestrel beacon?"
CONTENT = "The kestrel beacon is powered by a sealed tidal battery below the pier."


def scraped(installation: Installation) -> Series:
    answer = httpx.get(f"{installation.probes}/metrics", verify=PLAIN, timeout=30, trust_env=False)
    assert answer.status_code == 200, answer.text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(series: Series, name: str, **labels: str) -> float:
    """The sum of what has at least these labels."""
    wanted = labels.items()
    return sum(found for (of, having), found in series.items() if of == name and wanted <= having)


DONE: tuple[tuple[str, dict[str, str]], ...] = (
    ("minirag_http_requests_total", {"route": "/v1/bot-profiles", "status": "201"}),
    ("minirag_http_request_duration_seconds_count", {"method": "POST"}),
    ("minirag_commands_total", {"command": "source.create", "outcome": "done"}),
    ("minirag_events_appended_total", {"event": "source.created", "service": "ingest"}),
    ("minirag_append_duration_seconds_count", {"service": "ingest"}),
    ("minirag_messages_total", {"consumer": "ingest-jobs", "outcome": "handled"}),
    ("minirag_ingest_stages_total", {"stage": "ingested"}),
    ("minirag_chat_turns_total", {"outcome": "answered"}),
    ("minirag_chat_turns_total", {"outcome": "refused"}),
    ("minirag_chat_refusals_total", {}),
    ("minirag_chat_retrieval_duration_seconds_count", {}),
    ("minirag_llm_requests_total", {"provider": "local", "outcome": "ok"}),
    ("minirag_projected_events_total", {"read_model": "analytics.rollups"}),
    ("minirag_projection_position", {"read_model": "chat.chats"}),
    ("minirag_event_loop_lag_seconds_count", {}),
)
"""What grows when a tenant has a bot read a source, and asks it two questions."""


@pytest.mark.timeout(600)
def test_what_a_tenant_does_is_counted(installation: Installation, tenant: Tenant) -> None:
    before = scraped(installation)
    bot = tenant.bot()
    source = tenant.source(bot, CONTENT)
    tenant.ingest(source)
    tenant.ready(source)
    tenant.ask(bot, QUESTION)
    tenant.ask(bot, "Who won the regatta of Lisbon?")

    def standing() -> list[str]:
        now = scraped(installation)
        return [
            f"{name} {labels}"
            for name, labels in DONE
            if value(now, name, **labels) <= value(before, name, **labels)
        ]

    eventually(lambda: not standing(), lambda: str(standing()))


def test_what_others_keep_is_asked_for_at_a_scrape(installation: Installation) -> None:
    series = scraped(installation)
    names = {name for name, _ in series}
    assert value(series, "minirag_stream_messages", stream="EVENTS") > 0
    assert ("minirag_stream_messages", frozenset({("stream", "DLQ")})) in series
    assert ("minirag_consumer_lag", frozenset({("consumer", "chat-answer-question")})) in series
    assert value(series, "process_resident_memory_bytes") > 1_000_000
    assert {"minirag_job_lane_depth_max", "minirag_database_connections"} <= names


def test_every_series_of_ours_is_described_and_names_no_tenant(
    installation: Installation, tenant: Tenant
) -> None:
    bot = tenant.bot()
    tenant.source(bot, CONTENT)
    known = {one.name: set(one.labels) for one in CATALOGUE}
    for name, labels in scraped(installation):
        if not name.startswith("minirag_"):
            continue
        family = name
        for ending in ("_bucket", "_sum", "_count"):
            family = family.removesuffix(ending) if family not in known else family
        assert {label for label, _ in labels} - {"le"} == known[family]
        for _, told in labels:
            assert tenant.id not in told
            assert tenant.slug not in told


def test_a_client_cannot_make_series_of_its_own(installation: Installation, tenant: Tenant) -> None:
    for path in ("/v1/nowhere-to-be-found", "/kestrel.php"):
        tenant.http.get(path)
    tenant.http.request("KESTREL", "/v1/sources")
    for _, labels in scraped(installation):
        assert not any("kestrel" in told.lower() or "nowhere" in told for _, told in labels)


def test_the_door_for_users_shows_no_metrics(installation: Installation, tenant: Tenant) -> None:
    assert httpx.get(f"{installation.url}/metrics", verify=PLAIN, timeout=60).status_code == 404
    assert tenant.http.get("/metrics").status_code == 404


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/startupz"])
def test_probes_are_answered(installation: Installation, path: str) -> None:
    answer = httpx.get(f"{installation.probes}{path}", verify=PLAIN, timeout=30, trust_env=False)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
