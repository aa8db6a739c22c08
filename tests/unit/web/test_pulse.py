"""Whether a thread that has too much to do is seen, and is told from one that waits."""

from shared.web.pulse import LONGEST, SPAN, Pulse


class Times:
    """Time that passes, and how much of it the thread works."""

    def __init__(self) -> None:
        self.now = self.used = 0.0

    def pass_by(self, seconds: float, share: float) -> None:
        self.now += seconds
        self.used += share * seconds

    def pulse(self) -> Pulse:
        return Pulse(lambda: self.now, lambda: self.used)


def test_a_thread_that_works_all_the_time_has_too_much_to_do_until_it_waits() -> None:
    times = Times()
    pulse = times.pulse()
    told = []
    for share in (0.5, 1.0, 0.95, 0.5, 0.1):
        times.pass_by(2 * SPAN, share)
        told.append(pulse.races())
    assert told == [False, True, True, False, False]


def test_a_moment_of_work_is_not_too_much() -> None:
    times = Times()
    pulse = times.pulse()
    times.pass_by(SPAN / 2, 1.0)
    assert not pulse.races()
    times.pass_by(SPAN, 0.3)
    assert not pulse.races()


def test_what_was_long_ago_tells_nothing() -> None:
    times = Times()
    pulse = times.pulse()
    times.pass_by(2 * LONGEST, 1.0)
    assert not pulse.races()
