"""What every unit test may use. No server of the product runs here."""

from collections.abc import Iterator

import pytest
from blockbuster import blockbuster_ctx
from hypothesis import HealthCheck, settings

from shared.contracts.base import Metadata
from tests.unit.samples import metadata as make_metadata

settings.register_profile(
    "unit",
    deadline=None,
    max_examples=60,
    # What takes long on a busy machine is no fault.
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("unit")


@pytest.fixture
def metadata() -> Metadata:
    return make_metadata()


@pytest.fixture(autouse=True)
def no_blocking_calls() -> Iterator[None]:
    """Fails a test whose event loop the product's own code blocks."""
    with blockbuster_ctx(scanned_modules=["services", "shared"]):
        yield
