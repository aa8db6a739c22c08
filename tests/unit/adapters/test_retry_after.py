"""How long others want us to wait."""

from datetime import timedelta
from email.utils import format_datetime

import pytest

from shared.adapters.retry_after import retry_after_seconds
from shared.kernel.clock import utc_now


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("3", 3.0),
        ("0.5", 0.5),
        ("-1", None),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("inf", 999_999_999),
        ("9" * 400, 999_999_999),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
    ],
)
def test_is_taken_in_seconds(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header) == seconds


def test_a_date_is_counted_from_now() -> None:
    found = retry_after_seconds(format_datetime(utc_now() + timedelta(hours=2), usegmt=True))
    assert found is not None
    assert 7000 < found <= 7200
