"""Many tenants at once: whoever floods the queue waits alone, and is told so at the door."""

import uuid
from collections.abc import Iterator

import httpx
import pytest

from shared.runtime.lanes import SHARE
from tests.e2e.conftest import QUEUED_SOURCES
from tests.e2e.serving import held_page
from tests.e2e.test_sources import UNKNOWN_BOT
from tests.harness import PENDING, Tenant, eventually, told

FLOOD = 300
assert FLOOD > QUEUED_SOURCES


class Flood:
    """A tenant whose many sources wait for a site that does not answer."""

    def __init__(self, tenant: Tenant, url: str) -> None:
        self.tenant, self.bot = tenant, tenant.bot()
        self.idle = tenant.source(self.bot, "Nobody has ingested this.")
        children = [
            {"name": f"Page {n}", "source_type": "url", "config": {"url": f"{url}?{n}"}}
            for n in range(FLOOD)
        ]
        many = {"bot_profile_id": self.bot, "name": "Many", "children": children}
        self.parent = str(told(tenant.http, "/v1/sources/batch", many)["parent"]["id"])
        answer = self.post(f"{self.parent}/ingest-children")
        assert answer.json()["enqueued"] == FLOOD

    def post(self, path: str, **body: object) -> httpx.Response:
        return self.tenant.http.post(
            f"/v1/sources/{path}", json={**body, "bot_profile_id": self.bot}
        )

    def create(self, **fields: object) -> httpx.Response:
        body = {"bot_profile_id": self.bot, "name": "x", "source_type": "text", **fields}
        return self.tenant.http.post("/v1/sources", json=body)

    def children(self, status: str) -> list[str]:
        children = self.tenant.http.get(f"/v1/sources/{self.parent}/children").json()
        return [child["id"] for child in children if child["status"] == status]


@pytest.fixture
def flood(tenant: Tenant) -> Iterator[Flood]:
    with held_page() as (url, _release):
        made = Flood(tenant, url)
        eventually(lambda: len(made.children("processing")) == SHARE)
        yield made
        # Else they would be in the way of the tests that follow.
        assert tenant.http.delete(f"/v1/sources/{made.parent}").status_code in (202, 204)


class TestAFlood:
    @pytest.mark.timeout(600)
    def test_of_one_tenant_holds_nobody_else_and_ends_at_the_door(
        self, flood: Flood, other_tenant: Tenant
    ) -> None:
        """The site of the many answers only after the one is ready: none of them can be first."""
        only = other_tenant.source(other_tenant.bot(), "The guarantee lasts seven years.")
        other_tenant.ingest(only)
        other_tenant.ready(only)
        assert flood.children("ready") == []

        _told_to_wait(eventually(lambda: _if_refused(flood.create())))
        _told_to_wait(
            flood.post("batch", name="y", children=[{"name": "z", "source_type": "text"}])
        )
        _told_to_wait(flood.post(f"{flood.idle}/ingest"))
        _told_to_wait(flood.post(f"{flood.parent}/ingest-children"))
        file = {"file": ("a.txt", b"A text.")}
        form = {"bot_profile_id": flood.bot}
        _told_to_wait(flood.tenant.http.post("/v1/sources/upload", files=file, data=form))

        # What else is wrong is told first, and what waits already may be asked for again.
        assert flood.create(bot_profile_id=UNKNOWN_BOT).status_code == 422
        assert flood.create(parent_id=str(uuid.uuid4())).status_code == 404
        assert flood.post(f"{uuid.uuid4()}/ingest").status_code == 404
        assert flood.post(f"{flood.children('processing')[0]}/ingest").status_code == 409
        assert flood.post(f"{flood.children('pending')[0]}/ingest").status_code == 202


def _if_refused(answer: httpx.Response) -> httpx.Response | None:
    """None as long as not all of the many are in the queue."""
    return None if answer.status_code in (201, PENDING) else answer


def _told_to_wait(answer: httpx.Response) -> None:
    assert answer.status_code == 429, answer.text
    assert answer.json()["type"] == "urn:minirag:problem:backlog-full"
    assert int(answer.headers["Retry-After"]) > 0
