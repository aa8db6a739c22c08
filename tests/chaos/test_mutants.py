"""The tests that guard the product's promises can fail: each fault put in on purpose is noticed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.mutants import MUTANTS, Mutant, Mutating, mutated

FAILED = 1
"""What pytest ends with when tests ran and some failed; an error of its own has another number."""


@pytest.fixture(scope="module")
def mutating() -> Iterator[Mutating]:
    running = Mutating()
    yield running
    running.close()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_it_is_noticed_that(mutating: Mutating, mutant: Mutant, tmp_path: Path) -> None:
    code, said = mutating.outcome(mutant, tmp_path)
    assert code == FAILED, said


def test_a_fault_that_has_no_place_is_told() -> None:
    nowhere = Mutant("none", "shared/kernel/ids.py", "not in there", "", ())
    with pytest.raises(ValueError, match="does not hold this once"):
        mutated(nowhere)
