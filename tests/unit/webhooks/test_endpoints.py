"""What may happen to an endpoint: what it may be, when it is disabled, how its secret changes."""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, strategies as st

from services.webhooks.domain.endpoints import (
    FAILING,
    FALTERING,
    Endpoint,
    EndpointState,
    endpoint_decider,
)
from shared.contracts.base import Metadata
from shared.contracts.webhooks import (
    CreateWebhook,
    DeleteWebhook,
    NoteAttempt,
    ReplayRequested,
    RequestReplay,
    RotateSecret,
    SecretRotated,
    UpdateWebhook,
    WebhookCommand,
    WebhookCreated,
    WebhookDeleted,
    WebhookDisabled,
    WebhookEvent,
    WebhookFailing,
    WebhookFaltered,
    WebhookRecovered,
    WebhookSettings,
    WebhookUpdated,
)
from shared.kernel.errors import Conflict, InvalidCommand, NotFound
from shared.kernel.testing import Scenario
from tests.unit.histories import kept
from tests.unit.samples import T0, metadata as metadata_at

EndpointScenario = Scenario[EndpointState, WebhookCommand, WebhookEvent]

SETTINGS = WebhookSettings(url="https://example.com/hook", events=("chat.message",))
CREATE = CreateWebhook(webhook_id="w1", settings=SETTINGS, secret_ref="r1")
CREATED = WebhookCreated(webhook_id="w1", settings=SETTINGS, secret_ref="r1")
FAILED = NoteAttempt(webhook_id="w1", delivered=False)
ARRIVED = NoteAttempt(webhook_id="w1", delivered=True)
GONE = NoteAttempt(webhook_id="w1", delivered=False, gone=True)
FALTERED = WebhookFaltered(webhook_id="w1", at=T0)
FAILING_NOW = WebhookFailing(webhook_id="w1", since=T0)
OFF = WebhookDisabled(webhook_id="w1", reason="gone")


def settings(**fields: Any) -> WebhookSettings:
    return WebhookSettings(**{**SETTINGS.model_dump(), **fields})


@pytest.fixture
def endpoint(metadata: Metadata) -> EndpointScenario:
    return Scenario(endpoint_decider, metadata)


def later(**wait: float) -> EndpointScenario:
    return Scenario(endpoint_decider, metadata_at(now=T0 + timedelta(**wait)))


class TestCreating:
    def test_records_it(self, endpoint: EndpointScenario) -> None:
        endpoint.given().when(CREATE).then(CREATED)

    @pytest.mark.parametrize(
        "url", ["", "example.com", "ftp://example.com", "http://", "https:// x"]
    )
    def test_takes_web_addresses_only(self, endpoint: EndpointScenario, url: str) -> None:
        command = CREATE.model_copy(update={"settings": settings(url=url)})
        endpoint.given().when(command).then_refused(InvalidCommand, "url must be")

    def test_takes_public_events_only(self, endpoint: EndpointScenario) -> None:
        command = CREATE.model_copy(update={"settings": settings(events=("chat.message", "x"))})
        endpoint.given().when(command).then_refused(InvalidCommand, "Invalid event type: x")

    def test_may_ask_for_nothing_yet(self, endpoint: EndpointScenario) -> None:
        command = CREATE.model_copy(update={"settings": settings(events=())})
        expected = CREATED.model_copy(update={"settings": settings(events=())})
        endpoint.given().when(command).then(expected)


class TestChanging:
    def test_changes_what_is_named(self, endpoint: EndpointScenario) -> None:
        command = UpdateWebhook(webhook_id="w1", changes={"description": "Ours"})
        expected = WebhookUpdated(webhook_id="w1", settings=settings(description="Ours"))
        endpoint.given(CREATED).when(command).then(expected)

    def test_the_same_again_is_no_change(self, endpoint: EndpointScenario) -> None:
        command = UpdateWebhook(webhook_id="w1", changes={"url": SETTINGS.url})
        endpoint.given(CREATED).when(command).then_nothing()

    def test_switching_on_forgets_the_failures(self, endpoint: EndpointScenario) -> None:
        on = WebhookUpdated(webhook_id="w1", settings=SETTINGS)
        endpoint.given(CREATED, FALTERED, FAILING_NOW, OFF, on).then_state(
            Endpoint(settings=SETTINGS, secret_ref="r1")
        )

    def test_another_address_does_not_stop_the_clock(self, endpoint: EndpointScenario) -> None:
        moved = WebhookUpdated(webhook_id="w1", settings=settings(url="https://example.org"))
        state = endpoint_decider.fold([CREATED, FALTERED, FAILING_NOW, moved])
        assert isinstance(state, Endpoint)
        assert state.failing_since == T0

    @pytest.mark.parametrize(
        "command",
        [
            UpdateWebhook(webhook_id="w1", changes={}),
            DeleteWebhook(webhook_id="w1"),
            RotateSecret(webhook_id="w1", secret_ref="r2", overlap_seconds=0),
            RequestReplay(webhook_id="w1", since=T0, until=T0 + timedelta(hours=1)),
        ],
    )
    @pytest.mark.parametrize("deleted", [True, False])
    def test_needs_one_that_is_there(
        self, endpoint: EndpointScenario, command: WebhookCommand, deleted: bool
    ) -> None:
        gone: list[WebhookEvent] = [CREATED, WebhookDeleted(webhook_id="w1", secret_refs=("r1",))]
        endpoint.given(*(gone if deleted else [])).when(command).then_refused(NotFound)


class TestTheSecret:
    ROTATED = SecretRotated(
        webhook_id="w1",
        secret_ref="r2",
        previous_ref="r1",
        previous_until=T0 + timedelta(hours=24),
    )

    def test_is_rotated_with_an_overlap(self, endpoint: EndpointScenario) -> None:
        command = RotateSecret(webhook_id="w1", secret_ref="r2", overlap_seconds=86_400)
        endpoint.given(CREATED).when(command).then(self.ROTATED)

    @pytest.mark.parametrize(("hours", "refs"), [(23, ("r2", "r1")), (24, ("r2",))])
    def test_the_one_before_signs_until_the_overlap_ends(
        self, hours: int, refs: tuple[str, ...]
    ) -> None:
        state = endpoint_decider.fold([CREATED, self.ROTATED])
        assert isinstance(state, Endpoint)
        assert state.secret_refs(T0 + timedelta(hours=hours)) == refs

    def test_one_rotation_is_open_at_a_time(self, endpoint: EndpointScenario) -> None:
        command = RotateSecret(webhook_id="w1", secret_ref="r3", overlap_seconds=60)
        endpoint.given(CREATED, self.ROTATED).when(command).then_refused(Conflict, "still good")

    def test_after_a_leak_both_end_at_once(self, endpoint: EndpointScenario) -> None:
        command = RotateSecret(webhook_id="w1", secret_ref="r3", overlap_seconds=0)
        expected = SecretRotated(
            webhook_id="w1",
            secret_ref="r3",
            previous_ref="r2",
            previous_until=T0,
            dropped_ref="r1",
        )
        endpoint.given(CREATED, self.ROTATED).when(command).then(expected)
        state = endpoint_decider.fold([CREATED, self.ROTATED, expected])
        assert isinstance(state, Endpoint)
        assert state.secret_refs(T0) == ("r3",)

    def test_an_overlap_has_an_end(self, endpoint: EndpointScenario) -> None:
        command = RotateSecret(webhook_id="w1", secret_ref="r2", overlap_seconds=8 * 86_400)
        endpoint.given(CREATED).when(command).then_refused(InvalidCommand, "at most 604800")

    def test_all_of_them_go_with_the_endpoint(self, endpoint: EndpointScenario) -> None:
        expected = WebhookDeleted(webhook_id="w1", secret_refs=("r2", "r1"))
        endpoint.given(CREATED, self.ROTATED).when(DeleteWebhook(webhook_id="w1")).then(expected)


class TestFailing:
    def test_one_failure_is_noted(self) -> None:
        later().given(CREATED).when(FAILED).then(FALTERED)

    def test_a_second_one_within_a_day_starts_the_clock(self) -> None:
        at = T0 + FALTERING
        expected = WebhookFailing(webhook_id="w1", since=at)
        later(days=1).given(CREATED, FALTERED).when(FAILED).then(expected)

    def test_a_failure_now_and_then_does_not(self) -> None:
        at = T0 + timedelta(days=1, seconds=1)
        expected = WebhookFaltered(webhook_id="w1", at=at)
        later(days=1, seconds=1).given(CREATED, FALTERED).when(FAILED).then(expected)

    def test_more_failures_say_nothing_more(self) -> None:
        later(days=4, hours=23).given(CREATED, FALTERED, FAILING_NOW).when(FAILED).then_nothing()

    def test_after_five_days_it_is_disabled(self) -> None:
        expected = WebhookDisabled(webhook_id="w1", reason="failing", failing_since=T0)
        later(days=5).given(CREATED, FALTERED, FAILING_NOW).when(FAILED).then(expected)

    @pytest.mark.parametrize("history", [(FALTERED,), (FALTERED, FAILING_NOW)])
    def test_one_success_stops_the_clock(self, history: tuple[WebhookEvent, ...]) -> None:
        recovered = WebhookRecovered(webhook_id="w1")
        later(days=4).given(CREATED, *history).when(ARRIVED).then(recovered)
        later(days=9).given(CREATED, *history, recovered).when(FAILED).then(
            WebhookFaltered(webhook_id="w1", at=T0 + timedelta(days=9))
        )

    def test_a_receiver_that_is_gone_is_believed_at_once(self) -> None:
        later().given(CREATED).when(GONE).then(OFF)

    def test_a_success_of_a_healthy_one_is_no_news(self) -> None:
        later().given(CREATED).when(ARRIVED).then_nothing()

    @pytest.mark.parametrize("note", [FAILED, ARRIVED, GONE])
    def test_what_comes_when_it_is_off_comes_too_late(self, note: NoteAttempt) -> None:
        later(days=9).given(CREATED, FALTERED, FAILING_NOW, OFF).when(note).then_nothing()

    @given(gaps=st.lists(st.floats(0, 48), max_size=60), wins=st.sets(st.integers(0, 60)))
    def test_it_is_disabled_after_five_days_of_nothing_but_failures_and_never_before(
        self, gaps: list[float], wins: set[int]
    ) -> None:
        state: EndpointState = endpoint_decider.fold([CREATED])
        failing: list[datetime] = []
        now, disabled = T0, False
        for n, hours in enumerate(gaps):
            now += timedelta(hours=hours)
            note = ARRIVED if n in wins else FAILED
            events = endpoint_decider.decide(state, note, metadata_at(now=now))
            state = kept(endpoint_decider, endpoint_decider.fold(events, state))  # type: ignore[arg-type]  # an endpoint's own events
            disabled = disabled or any(isinstance(event, WebhookDisabled) for event in events)
            failing = [] if n in wins else [*failing, now]
            if not disabled:
                continue
            assert long_enough(failing)
            return
        assert not disabled


def long_enough(failing: list[datetime]) -> bool:
    """Whether these failures in a row span five days from a second one within a day."""
    starts = [at for before, at in pairwise(failing) if at - before <= FALTERING]
    return bool(starts) and failing[-1] - starts[0] >= FAILING


class TestReplaying:
    def test_is_asked_for_by_a_range(self, endpoint: EndpointScenario) -> None:
        until = T0 + timedelta(hours=1)
        command = RequestReplay(webhook_id="w1", since=T0, until=until)
        endpoint.given(CREATED).when(command).then(
            ReplayRequested(webhook_id="w1", since=T0, until=until)
        )

    def test_a_range_has_a_beginning_before_its_end(self, endpoint: EndpointScenario) -> None:
        command = RequestReplay(webhook_id="w1", since=T0, until=T0)
        endpoint.given(CREATED).when(command).then_refused(InvalidCommand, "later than from")

    def test_a_range_is_bounded(self, endpoint: EndpointScenario) -> None:
        command = RequestReplay(webhook_id="w1", since=T0, until=T0 + timedelta(days=32))
        endpoint.given(CREATED).when(command).then_refused(InvalidCommand, "31 days")

    def test_a_disabled_one_gets_nothing(self, endpoint: EndpointScenario) -> None:
        command = RequestReplay(webhook_id="w1", since=T0, until=T0 + timedelta(hours=1))
        endpoint.given(CREATED, OFF).when(command).then_refused(Conflict, "switch it on")
