"""Failed invariants show what they compared."""

import pytest

pytest.register_assert_rewrite("tests.chaos.invariants")
