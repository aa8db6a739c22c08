"""What is kept is found out anew before its time is over, by one of those who ask."""

from hypothesis import given, strategies as st

from shared.kernel.renewal import LATEST, SOONEST, Renewal

SECONDS = st.floats(0.001, 1e5)


@given(now=st.floats(0, 1e6), seconds=SECONDS)
def test_it_is_wanted_late_in_its_time_and_not_at_once(now: float, seconds: float) -> None:
    renewal = Renewal.within(now, seconds)
    assert not renewal.is_wanted(now + 0.9 * SOONEST * seconds)
    assert renewal.is_wanted(now + (LATEST + 1) / 2 * seconds)


def test_one_looks_for_it() -> None:
    renewal = Renewal(at=5)
    assert renewal.is_wanted(5)
    renewal.begun = True
    assert not renewal.is_wanted(6)


def test_what_was_kept_together_is_not_wanted_together() -> None:
    assert len({Renewal.within(0, 10).at for _ in range(100)}) > 90
