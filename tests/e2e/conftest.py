"""One installation for all tests that leave it as they found it."""

import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

from tests.e2e import browsing
from tests.e2e.collecting import Collector, collecting
from tests.harness import SPARING, Installation, Tenant, eventually, reachable

QUEUED_SOURCES = 250
"""Sources of one tenant that may wait before it is told to come back later."""
PAGE_SECONDS = 4
"""A page of a website that takes longer is too slow for `isolated`."""


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    """Where `installation` sends spans."""
    with collecting() as running:
        yield running


@pytest.fixture(scope="session")
def installation(
    tmp_path_factory: pytest.TempPathFactory, collector: Collector
) -> Iterator[Installation]:
    # Webhooks are tried again after 0.1, 6 and 36 seconds.
    env = {
        **SPARING,
        "MINIRAG_WEBHOOK_PACE": "0.02",
        "MINIRAG_QUEUED_SOURCES_PER_TENANT": str(QUEUED_SOURCES),
        "MINIRAG_PROBE_PORT": "0",
        # Traces those requests only that ask for it, by a `traceparent` that is sampled.
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_TRACES_SAMPLER": "parentbased_always_off",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
    }
    running = Installation(reachable(tmp_path_factory, "shared"), env=env).start()
    yield running
    assert running.stop() == 0, "".join(running.output)


@pytest.fixture(scope="session")
def _isolated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    env = {
        **SPARING,
        "MINIRAG_WEBHOOK_PACE": "0.02",
        "MINIRAG_PROBE_PORT": "0",
        "MINIRAG_CRAWL_PAGE_SECONDS": str(PAGE_SECONDS),
    }
    folder = reachable(tmp_path_factory, "isolated")
    running = Installation(folder, "--isolated", env=env, demo=False).start()
    yield running
    assert running.stop() == 0, "".join(running.output)


@pytest.fixture
def isolated(_isolated: Installation) -> Iterator[Installation]:
    """Every service in a process of its own, for tests that kill them one by one."""
    eventually(_isolated.all_well, _isolated.logs)
    yield _isolated
    eventually(_isolated.all_well, _isolated.logs)


@pytest.fixture
def register() -> Iterator[Callable[[str], Tenant]]:
    """Makes tenants at an address."""
    made: list[Tenant] = []

    def make(url: str) -> Tenant:
        made.append(Tenant(url, f"t-{uuid.uuid4().hex[:12]}"))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def tenant(installation: Installation, register: Callable[[str], Tenant]) -> Tenant:
    return register(installation.url)


@pytest.fixture
def other_tenant(installation: Installation, register: Callable[[str], Tenant]) -> Tenant:
    return register(installation.url)


@pytest.fixture
def address() -> str:
    """An address of its own, which no other test uses up."""
    a, b, c = (1 + n % 250 for n in uuid.uuid4().bytes[:3])
    return f"127.{a}.{b}.{c}"


@pytest.fixture
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reachable(tmp_path_factory, "own")


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    if browsing.CHROMIUM is None or not browsing.has_libraries():
        pytest.skip("needs Chromium, and the libraries that `make install` fetches")
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(
            executable_path=browsing.CHROMIUM,
            # A container lets nobody make the namespaces of Chromium's own sandbox.
            args=["--no-sandbox", "--disable-dev-shm-usage"],
        )
        yield running
        await running.close()
