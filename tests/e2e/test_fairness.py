"""Many tenants at once: whoever floods the queue waits alone."""

from shared.runtime.lanes import SHARE
from tests.e2e.serving import held_page
from tests.harness import Tenant, eventually

FLOOD = 300


class TestAFlood:
    def test_of_one_tenant_does_not_delay_the_only_source_of_another(
        self, tenant: Tenant, other_tenant: Tenant
    ) -> None:
        """The site of the many answers only after the one is ready: none of them can be first."""
        with held_page() as (url, _release):
            parent = _family(tenant, url)
            answer = tenant.http.post(f"/v1/sources/{parent}/ingest-children")
            assert answer.json()["enqueued"] == FLOOD
            eventually(lambda: _with_status(tenant, parent, "processing") >= SHARE)
            only = other_tenant.source(other_tenant.bot(), "The guarantee lasts seven years.")
            other_tenant.ingest(only)
            other_tenant.ready(only)
            assert _with_status(tenant, parent, "ready") == 0
            assert tenant.http.delete(f"/v1/sources/{parent}").status_code in (202, 204)


def _family(tenant: Tenant, url: str) -> str:
    children = [
        {"name": f"Page {n}", "source_type": "url", "config": {"url": f"{url}?{n}"}}
        for n in range(FLOOD)
    ]
    body = {"bot_profile_id": tenant.bot(), "name": "Many", "children": children}
    answer = tenant.http.post("/v1/sources/batch", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["parent"]["id"])


def _with_status(tenant: Tenant, parent: str, status: str) -> int:
    children = tenant.http.get(f"/v1/sources/{parent}/children").json()
    return sum(child["status"] == status for child in children)
