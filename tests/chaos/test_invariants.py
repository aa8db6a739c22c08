"""Every invariant can fail: for each there is made-up evidence against it, that all others bear."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.contracts.base import Event, Recorded
from shared.contracts.chat import (
    IndexBuilt,
    QuestionAnswered,
    QuestionAsked,
    Timings,
    TurnFailed,
    Usage,
)
from shared.contracts.gateway import UserCreated
from shared.contracts.gateway_erasure import ErasureCompleted, ErasureRequested
from shared.contracts.ingest import (
    IngestionRequested,
    Prepared,
    SourceCreated,
    SourceIngested,
    SourcePrepared,
    SourceSettings,
)
from shared.contracts.ingest_website import CrawlBegun, CrawlCounts, CrawlFinished, CrawlPageVisited
from shared.contracts.scheduler import Rule, ScheduleFired
from shared.contracts.webhooks import (
    Attempted,
    DeliveryAttemptFailed,
    DeliveryScheduled,
    DeliverySucceeded,
    WebhookCreated,
    WebhookSettings,
)
from shared.kernel.faults import FaultPoint
from tests.chaos import invariants, promises
from tests.chaos.evidence import Evidence
from tests.chaos.invariants import Invariant
from tests.unit.samples import T0, metadata

STORM, CALM = "storm", "calm"
QUESTION, ANSWER = "How long does it last?", "A year [1]."
WORD = "zircon"
RULE = Rule(every="weekly")


def record(
    event: Event, n: int, tenant: str = STORM, *, message: str = "", cause: str | None = None
) -> Recorded[Any]:
    meta = metadata(tenant_id=tenant, message_id=message or f"{tenant}/{n}", causation_id=cause)
    return Recorded(event, meta, f"{tenant}/event {n}", n)


def created(source: str, name: str, url: str | None = None) -> SourceCreated:
    return SourceCreated(
        source_id=source,
        bot_profile_id="b",
        source_type="text",
        parent_id="site" if url else None,
        settings=SourceSettings(name=name, config={"url": url} if url else {}),
    )


def prepared(source: str, *, run: str, text: str = "text") -> SourcePrepared:
    made = Prepared(
        revision=1,
        content_hash="hash",
        recipe="recipe",
        text_ref=text,
        characters=9,
        embedding_model="static",
        dimension=1,
        chunk_count=2,
        embedded_count=2,
        batches=(),
    )
    return SourcePrepared(
        source_id=source, run_id=run, bot_profile_id="b", source_name="n", prepared=made
    )


def ingested(source: str, run: str) -> SourceIngested:
    return SourceIngested(
        source_id=source,
        run_id=run,
        revision=1,
        source_name="n",
        document_count=1,
        chunk_count=2,
    )


def asked(turn: str, question: str = QUESTION) -> QuestionAsked:
    return QuestionAsked(
        chat_id="c",
        turn_id=turn,
        bot_profile_id="b",
        message_id=f"{turn} asked",
        first=True,
        question=question,
    )


def answered(turn: str, tokens: int = 3) -> QuestionAnswered:
    return QuestionAnswered(
        chat_id="c",
        turn_id=turn,
        bot_profile_id="b",
        message_id=f"{turn} answered",
        answer=ANSWER,
        grounded=True,
        citations=(),
        usage=Usage(model="m", prompt_tokens=10, completion_tokens=tokens),
        timings=Timings(),
    )


def failed(turn: str) -> TurnFailed:
    return TurnFailed(
        chat_id="c", turn_id=turn, bot_profile_id="b", error="e", detail="d", retryable=True
    )


def user(email: str) -> UserCreated:
    return UserCreated(
        tenant_id=STORM,
        user_id="u",
        email=email,
        email_hash="h",
        display_name="",
        role="member",
        password_ref="ref",
    )


def visited(run: str, url: str) -> CrawlPageVisited:
    return CrawlPageVisited(
        source_id="site", run_id=run, url=url, outcome="imported", counts=CrawlCounts()
    )


def fired(slot: int) -> ScheduleFired:
    return ScheduleFired(schedule_id="s1", rule=RULE, slot=T0 + timedelta(weeks=slot))


def hook() -> WebhookCreated:
    settings = WebhookSettings(url="http://hook.example.com")
    return WebhookCreated(webhook_id="w", settings=settings, secret_ref="ref")


def scheduled(webhook: str = "w") -> DeliveryScheduled:
    return DeliveryScheduled(
        delivery_id="d",
        webhook_id=webhook,
        message_id="msg",
        event_type="chat.message",
        occurred_at=T0,
        position=1,
        body="{}",
    )


def attempt(n: int) -> Attempted:
    return Attempted(attempt=n, url="http://hook.example.com", status_code=204, duration_ms=1)


def succeeded(n: int) -> DeliverySucceeded:
    return DeliverySucceeded(delivery_id="d", webhook_id="w", attempted=attempt(n))


def unmade(n: int) -> DeliveryAttemptFailed:
    return DeliveryAttemptFailed(delivery_id="d", webhook_id="w", attempted=attempt(n), due_at=None)


PAST: Sequence[Event] = (
    created("s1", "0/a.txt"),
    IngestionRequested(source_id="s1", run_id="r1"),
    prepared("s1", run="r1"),
    IndexBuilt(source_id="s1", run_id="r1", revision=1, points=2),
    ingested("s1", "r1"),
    asked("t1"),
    answered("t1"),
    user("a@example.com"),
    CrawlBegun(source_id="site", run_id="r2"),
    visited("r2", "http://site.example.com/"),
    created("s2", "page", "http://site.example.com/"),
    CrawlFinished(source_id="site", run_id="r2", counts=CrawlCounts()),
    fired(0),
    hook(),
    scheduled(),
    unmade(1),
    succeeded(2),
)
UNDISTURBED: Sequence[Event] = (created("s9", "1/a.txt"), prepared("s9", run="r9"))
ROWS = {
    "ingest_sources.sources": [json.dumps({"tenant_id": STORM, "status": "ready"})],
    "chat_chats.messages": [
        json.dumps({"tenant_id": STORM, "turn_id": "t1", "role": "assistant", "content": ANSWER})
    ],
    "analytics_rollups.usage": [
        json.dumps(
            {
                "tenant_id": STORM,
                "request_count": 1,
                "prompt_tokens": 10,
                "completion_tokens": 3,
            }
        )
    ],
}
BATCH = ("1", "s1", "r1", "0")
SOUND = Evidence(
    records=[
        *(record(event, n) for n, event in enumerate(PAST, 1)),
        *(record(event, n, CALM) for n, event in enumerate(UNDISTURBED, 101)),
    ],
    rows=ROWS,
    rebuilt=dict(ROWS),
    journal=[[FaultPoint.INGEST_EMBEDDED, *BATCH], [FaultPoint.INGEST_BATCH_TOLD, *BATCH]],
    given_up=1,
    planted=1,
    storm=STORM,
    calm=CALM,
    sources=["0/a.txt"],
    questions=[QUESTION],
    answers={QUESTION: ANSWER},
    users=["a@example.com"],
    statuses={200: 9, 503: 1},
    canaries={CALM: WORD},
    resources={"chat": {"open files": (100.0, 105.0)}},
    ledger={QUESTION: (10, 3)},
    hits=[("healthy", "msg", b"{}"), ("healthy", "msg", b"{}")],
    replays=[("/v1/sources", "same", "same")],
)


def with_(*events: Event, **fields: Any) -> Evidence:
    """Sound evidence with more events behind it, and other fields."""
    more = [record(event, n) for n, event in enumerate(events, 201)]
    return replace(SOUND, records=[*SOUND.records, *more], **fields)


def without(*kinds: type[Event]) -> Evidence:
    return replace(SOUND, records=[r for r in SOUND.records if not isinstance(r.event, kinds)])


def rows(table: str, **fields: Any) -> dict[str, list[str]]:
    """The rows, with one of one table changed."""
    changed = {**json.loads(ROWS[table][0]), **fields}
    return {**ROWS, table: [json.dumps(changed)]}


def told(name: str, **fields: Any) -> Evidence:
    """Rows and a rebuild that agree, of which one row is changed."""
    changed = rows(name, **fields)
    return replace(SOUND, rows=changed, rebuilt=changed)


ERASURE = {"erasure_id": STORM, "kind": "tenant", "subject_id": STORM}
EARLY = record(user("b@example.com"), 1, message="m", cause=f"{STORM}/17")
AGAIN = [[FaultPoint.INGEST_EMBEDDED, *BATCH]]
I = invariants  # noqa: E741  it is short, and read as what it is
AGAINST: Sequence[tuple[Invariant, Evidence]] = (
    (I.acknowledged_writes_are_in_the_log, without(SourceCreated)),
    (I.acknowledged_writes_are_in_the_log, without(QuestionAsked)),
    (I.acknowledged_writes_are_in_the_log, without(UserCreated)),
    (I.a_command_has_one_effect, with_(created("s3", "0/a.txt"))),
    (I.a_command_has_one_effect, with_(user("a@example.com"))),
    (I.a_command_has_one_effect, replace(SOUND, records=[*SOUND.records, SOUND.records[0]])),
    (
        I.a_command_has_one_effect,
        replace(SOUND, records=[*SOUND.records, record(fired(3), 300, message=f"{STORM}/1")]),
    ),
    (I.causes_come_before_their_effects, replace(SOUND, records=[EARLY, *SOUND.records[1:]])),
    (I.read_models_are_what_the_log_makes_of_them, replace(SOUND, rebuilt={**ROWS, "more": []})),
    (
        I.read_models_are_what_the_log_makes_of_them,
        replace(SOUND, rebuilt=rows("ingest_sources.sources", status="error")),
    ),
    (I.nothing_is_left_unfinished, without(SourceIngested)),
    (I.nothing_is_left_unfinished, without(QuestionAnswered)),
    (I.nothing_is_left_unfinished, without(CrawlFinished)),
    (I.nothing_is_left_unfinished, told("ingest_sources.sources", status="processing")),
    (I.a_run_ends_once, with_(ingested("s1", "r1"))),
    (I.a_run_ends_once, with_(prepared("s1", run="r1"))),
    (I.documents_come_out_as_undisturbed, with_(prepared("s1", run="r3", text="another"))),
    (I.documents_come_out_as_undisturbed, without(SourcePrepared)),
    (I.finished_batches_are_not_embedded_again, replace(SOUND, journal=[*SOUND.journal, *AGAIN])),
    (I.finished_batches_are_not_embedded_again, replace(SOUND, journal=AGAIN)),
    (I.turns_are_stored_and_billed_once, with_(answered("t1"))),
    (I.turns_are_stored_and_billed_once, with_(asked("t2", "And?"), failed("t2"))),
    (I.turns_are_stored_and_billed_once, replace(SOUND, answers={QUESTION: "Another."})),
    (I.turns_are_stored_and_billed_once, told("chat_chats.messages", turn_id="t0")),
    (I.turns_are_stored_and_billed_once, told("analytics_rollups.usage", request_count=2)),
    (I.turns_are_stored_and_billed_once, told("analytics_rollups.usage", prompt_tokens=20)),
    (I.a_slot_comes_once, with_(fired(0))),
    (I.a_slot_comes_once, with_(IngestionRequested(source_id="s1", run_id="r4"))),
    (I.a_crawl_visits_a_page_once, with_(visited("r2", "http://site.example.com/"))),
    (I.a_crawl_visits_a_page_once, with_(created("s4", "copy", "http://site.example.com/"))),
    (I.what_is_to_be_erased_is_erased, with_(ErasureRequested.model_validate(ERASURE))),
    (
        I.what_is_to_be_erased_is_erased,
        with_(ErasureRequested.model_validate(ERASURE), ErasureCompleted.model_validate(ERASURE)),
    ),
    (I.what_was_given_up_was_planted, replace(SOUND, given_up=2)),
    (I.what_was_given_up_was_planted, replace(SOUND, given_up=0)),
    (promises.nobody_sees_what_is_anothers, with_(user(f"{WORD}@example.com"))),
    (
        promises.nobody_sees_what_is_anothers,
        told("chat_chats.messages", content=f"It is {WORD}."),
    ),
    (promises.nobody_sees_what_is_anothers, replace(SOUND, answers={QUESTION: WORD})),
    (promises.secrets_are_written_nowhere, replace(SOUND, spilled={"sk-1": ["logs/chat.log"]})),
    (
        promises.nothing_is_held_at_rest,
        replace(SOUND, resources={"chat": {"open files": (100.0, 150.0)}}),
    ),
    (promises.what_models_count_is_what_is_billed, replace(SOUND, ledger={QUESTION: (10, 4)})),
    (
        promises.a_repeated_request_is_answered_alike,
        replace(SOUND, replays=[("/v1/sources", "one", "another")]),
    ),
    (promises.what_was_written_can_be_read, replace(SOUND, unread=["/v1/sources/s1: 404"])),
    (promises.nobody_is_told_what_was_not_foreseen, replace(SOUND, statuses={500: 1})),
    (promises.deliveries_are_what_they_were, with_(scheduled("another tenant's"))),
    (promises.deliveries_are_what_they_were, with_(succeeded(3))),
    (promises.deliveries_are_what_they_were, with_(unmade(1))),
    (promises.deliveries_are_what_they_were, replace(SOUND, hits=[])),
    (
        promises.deliveries_are_what_they_were,
        replace(SOUND, hits=[*SOUND.hits, ("healthy", "msg", b"[]")]),
    ),
)
ALL = (*invariants.HOLD, *promises.KEPT)


@pytest.mark.parametrize("hold", ALL, ids=lambda hold: hold.__name__)
def test_sound_evidence_is_borne(hold: Invariant) -> None:
    hold(SOUND)


@pytest.mark.parametrize(("hold", "found"), AGAINST)
def test_it_is_noticed(hold: Invariant, found: Evidence) -> None:
    with pytest.raises(AssertionError):
        hold(found)


def test_each_invariant_has_something_against_it() -> None:
    assert {hold for hold, _ in AGAINST} == set(ALL)


def test_a_turn_may_fail_whose_model_did() -> None:
    found = with_(asked("t2", "And?"), failed("t2"))
    invariants.turns_are_stored_and_billed_once(replace(found, may_fail=["And?"]))


def test_points_without_a_chunk_and_chunks_without_a_point_are_noticed() -> None:
    invariants.the_index_holds_each_chunk_once(SOUND, {"s1": 2, "s2": 0})
    for points in ({"s1": 3, "s2": 0}, {"s1": 2, "s2": 1}, {"s1": 2}):
        with pytest.raises(AssertionError):
            invariants.the_index_holds_each_chunk_once(SOUND, points)
