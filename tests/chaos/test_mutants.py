"""The tests that guard the product's promises can fail: each fault put in on purpose is noticed."""

from pathlib import Path

import pytest

from tests.chaos.mutants import MUTANTS, Mutant, mutated, outcome

FAILED = 1
"""What pytest ends with when tests ran and some failed; an error of its own has another number."""


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_it_is_noticed_that(mutant: Mutant, tmp_path: Path) -> None:
    mutated(mutant, tmp_path)
    done = outcome(mutant, tmp_path)
    assert done.returncode == FAILED, done.stdout + done.stderr


def test_a_fault_that_has_no_place_is_told(tmp_path: Path) -> None:
    nowhere = Mutant("none", "shared/kernel/ids.py", "not in there", "", ())
    with pytest.raises(ValueError, match="does not hold this once"):
        mutated(nowhere, tmp_path)
