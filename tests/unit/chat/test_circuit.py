"""A provider that keeps failing is left alone for a while."""

from services.chat.domain.circuit import FAILURES, OPEN_SECONDS, Circuit


def test_some_failures_are_borne() -> None:
    it = Circuit()
    for _ in range(FAILURES - 1):
        it.failed(now=10)
    assert it.wait(now=10) == 0


def test_too_many_in_a_row_are_not() -> None:
    it = Circuit()
    for _ in range(FAILURES):
        it.failed(now=10)
    assert it.wait(now=10) == OPEN_SECONDS
    assert it.wait(now=10 + OPEN_SECONDS) == 0
    it.failed(now=50)
    assert it.wait(now=50) == OPEN_SECONDS


def test_an_answer_between_makes_up_for_them() -> None:
    it = Circuit()
    for _ in range(FAILURES - 1):
        it.failed(now=10)
    it.answered()
    it.failed(now=11)
    assert it.wait(now=11) == 0
