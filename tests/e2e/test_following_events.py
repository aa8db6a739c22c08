"""`minirag events` in the terminal, and streams through restarts."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.e2e.test_events import frames, page
from tests.e2e.test_webhooks import TEXT
from tests.harness import Installation, Tenant, eventually

MINIRAG = (sys.executable, "-m", "shared.cli.app")


@pytest.fixture
def demo(installation: Installation) -> Iterator[tuple[httpx.Client, str]]:
    """A client of the demo tenant, and its bot."""
    found = json.loads((installation.data_dir / "demo.json").read_text())
    headers = {"Authorization": f"Bearer {found['token']}"}
    with httpx.Client(
        base_url=installation.url, headers=headers, timeout=60, trust_env=False
    ) as http:
        yield http, found["bot_profile_id"]


def create(http: httpx.Client, bot: str, name: str) -> str:
    body = {"bot_profile_id": bot, "name": name, "source_type": "text", "content": TEXT}
    answer = http.post("/v1/sources", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def test_events_are_shown_a_line_each(
    installation: Installation, demo: tuple[httpx.Client, str]
) -> None:
    source = create(*demo, "shown in the terminal")
    done = installation.cli("events", "--type", "source.created")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert all(" source.created " in line for line in lines)
    assert source in lines[-1]
    assert "shown in the terminal" in lines[-1]
    demo[0].delete(f"/v1/sources/{source}")


def test_events_are_followed(installation: Installation, demo: tuple[httpx.Client, str]) -> None:
    data_dir = str(installation.data_dir)
    with subprocess.Popen(
        [*MINIRAG, "events", "--follow", "--type", "source.deleted", "--data-dir", data_dir],
        stdout=subprocess.PIPE,
        text=True,
    ) as following:
        said: list[str] = []
        assert following.stdout is not None
        reader = threading.Thread(target=said.extend, args=(following.stdout,), daemon=True)
        reader.start()

        def told() -> bool:
            demo[0].delete(f"/v1/sources/{create(*demo, 'followed')}")
            return bool(said)

        eventually(told)
        following.terminate()
    assert " source.deleted " in said[0]


def test_a_type_that_is_unknown_is_told_in_a_line(installation: Installation) -> None:
    done = installation.cli("events", "--follow", "--type", "nothing.known")
    assert done.returncode != 0
    assert done.stderr.startswith("minirag: ")
    assert "Invalid event type: nothing.known" in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_stream_goes_on_when_the_broker_was_killed(
    isolated: Installation, register: Callable[[str], Tenant]
) -> None:
    tenant = register(isolated.url)
    bot = tenant.bot()
    with tenant.http.stream("GET", "/v1/events", params={"type": "source.created"}) as answer:
        told = frames(answer)
        assert next(told)[1] == "ready"
        first = tenant.source(bot, TEXT)
        assert next(told)[2]["aggregate_id"] == first
        isolated.revived("nats", isolated.kill("nats"))
        second = tenant.source(bot, TEXT)
        assert next(told)[2]["aggregate_id"] == second
    assert [one["aggregate_id"] for one in page(tenant, type="source.created")] == [first, second]
