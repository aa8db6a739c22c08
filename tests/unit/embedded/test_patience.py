"""The supervisor waits for as long as the gateway may take to leave."""

import pytest

from services.gateway.settings import Settings
from shared.embedded.patience import CLOSE_SECONDS, DRAIN, GIVEN, NOTICE, stop_seconds


def test_notice_and_drain_are_waited_for_and_then_a_moment_more() -> None:
    assert stop_seconds({NOTICE: "2.5", DRAIN: "120"}) == 122.5 + CLOSE_SECONDS


@pytest.mark.parametrize("given", [{}, {DRAIN: ""}, {DRAIN: "soon"}, {NOTICE: "nan", DRAIN: "-1"}])
def test_what_is_not_set_is_what_the_gateway_takes_for_it(given: dict[str, str]) -> None:
    fields = Settings.model_fields
    assert stop_seconds(given) == sum(GIVEN.values()) + CLOSE_SECONDS
    assert {
        NOTICE: fields["notice_seconds"].default,
        DRAIN: fields["drain_seconds"].default,
    } == GIVEN
