"""What was on its way when a tenant was taken elsewhere ends there, and only that."""

from collections.abc import Sequence

import pytest

from shared.adapters.unfinished import Unfinished
from shared.contracts.base import Event
from shared.contracts.chat import QuestionAsked, TurnFailed
from shared.contracts.chat_index import IndexSettings, ReindexCancelled, ReindexStarted
from shared.contracts.gateway import (
    ApiTokenIssued,
    ApiTokenRevoked,
    UserCreated,
    UserDeactivated,
    UserReactivated,
    UserUpdated,
)
from shared.contracts.ingest import (
    IngestionRequested,
    SourceCreated,
    SourceDeleted,
    SourceFailed,
    SourceSettings,
    SourceUnchanged,
    SourceUpdated,
)
from shared.contracts.ingest_stages import SourceUndone
from shared.contracts.ingest_website import CrawlBegun, CrawlCancelled

ASKED = QuestionAsked(
    chat_id="c1", turn_id="t1", bot_profile_id="b1", message_id="m1", first=True, question="?"
)
FAILED = TurnFailed(
    chat_id="c1", turn_id="t1", bot_profile_id="b1", error="x", detail="x", retryable=False
)
STARTED = ReindexStarted(
    bot_profile_id="b1", generation=1, settings=IndexSettings(embedding_model="m")
)
ISSUED = ApiTokenIssued(
    token_id="k1",
    token_name="x",
    token_hash="h",
    token_prefix="p",
    user_id="u1",
)


def seen(events: Sequence[Event]) -> Unfinished:
    unfinished = Unfinished()
    for event in events:
        unfinished.see(event)
    return unfinished


@pytest.mark.parametrize(
    ("begun", "end"),
    [
        (ASKED, TurnFailed),
        (IngestionRequested(source_id="s1", run_id="r1"), SourceFailed),
        (CrawlBegun(source_id="s1", run_id="r1"), CrawlCancelled),
        (STARTED, ReindexCancelled),
        (ISSUED, ApiTokenRevoked),
    ],
)
def test_what_was_begun_ends(begun: Event, end: type[Event]) -> None:
    (found,) = seen([begun]).ends()
    assert isinstance(found, end)
    assert found.aggregate_id == begun.aggregate_id
    assert not list(seen([begun, found]).ends())


@pytest.mark.parametrize(
    "events",
    [
        (ASKED, FAILED),
        (
            IngestionRequested(source_id="s1", run_id="r1"),
            SourceUnchanged(source_id="s1", run_id="r1"),
        ),
        (
            IngestionRequested(source_id="s1", run_id="r1"),
            SourceDeleted(source_id="s1", bot_profile_id="b1"),
        ),
        (ISSUED, ApiTokenRevoked(token_id="k1", token_hash="h")),
    ],
)
def test_what_has_ended_is_left_alone(events: Sequence[Event]) -> None:
    assert not list(seen(events).ends())


def source(schedule: str, source_id: str = "s1") -> SourceCreated:
    settings = SourceSettings.model_validate({"name": "x", "refresh_schedule": schedule})
    return SourceCreated(
        source_id=source_id, bot_profile_id="b1", source_type="url", settings=settings
    )


def test_a_schedule_is_stated_again_unless_it_is_over() -> None:
    daily = source("daily")
    gone = SourceDeleted(source_id="s1", bot_profile_id="b1")
    back = SourceUndone(source_id="s1", run_id="r", undeleted=True, is_active=True)
    off = SourceUpdated(
        source_id="s1",
        bot_profile_id="b1",
        settings=SourceSettings(name="x"),
        changed=("refresh_schedule",),
    )
    (stated,) = seen([daily]).restated()
    assert (stated.settings, stated.changed) == (daily.settings, ())
    assert list(seen([daily, gone, back]).restated()) == [stated]
    histories: tuple[list[Event], ...] = ([daily, gone], [daily, off], [source("none")])
    for events in histories:
        assert not list(seen(events).restated())


def user(name: str, role: str) -> UserCreated:
    return UserCreated.model_validate(
        {
            "tenant_id": "t",
            "user_id": name,
            "email": "a@b",
            "email_hash": "",
            "display_name": "",
            "role": role,
            "password_ref": "p",
        }
    )


def test_the_owner_is_one_who_is_active() -> None:
    first, second, admin = user("u1", "owner"), user("u2", "owner"), user("u3", "admin")
    away = UserDeactivated(tenant_id="t", user_id="u1")
    assert seen([admin]).owner() is None
    assert seen([first, second, away]).owner() == "u2"
    assert seen([first, away]).owner() is None
    assert seen([first, away, UserReactivated(tenant_id="t", user_id="u1")]).owner() == "u1"
    raised = UserUpdated(tenant_id="t", user_id="u3", role="owner")
    assert seen([admin, raised]).owner() == "u3"
    assert seen([first, UserUpdated(tenant_id="t", user_id="u1", role="member")]).owner() is None
