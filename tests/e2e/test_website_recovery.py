"""A crawl goes on where it was, whatever is killed: no page twice as a source, none left out."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e import inside
from tests.e2e.sites import Page, Site, html, serving, sitemap
from tests.e2e.test_websites import crawl, listed, website
from tests.harness import Installation, Tenant, eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PAGES = 30


def test_ingest_and_the_broker_killed_during_a_crawl_cost_no_page_and_double_none(
    isolated: Installation, register: Callable[[str], Tenant]
) -> None:
    tenant = register(isolated.url)
    with serving(Site({})) as site:
        paths = [f"/{n}" for n in range(PAGES)]
        site.pages |= {path: html(f"Page {path}", f"It tells of {path}.") for path in paths}
        site.pages |= {
            "/": html("Home", "Welcome.", *paths[:3]),
            "/sitemap.xml": sitemap(site.base, *paths),
            "/robots.txt": Page(b"", "text/plain"),
        }
        source = website(tenant, site, max_pages=100)
        tenant.ingest(source)

        def visited() -> int:
            told: dict[str, Any] = crawl(tenant, source)
            return int(told.get("counts", {}).get("visited", 0))

        def reached(count: int) -> None:
            eventually(lambda: visited() >= count, lambda: isolated.logs()[-9000:])

        for victim, at in (("ingest", 2), ("nats", 10), ("ingest", 18)):
            reached(at)
            isolated.kill(victim)
        eventually(lambda: crawl(tenant, source).get("phase") == "finished", seconds=120)
        eventually(
            lambda: {child["status"] for child in listed(tenant, source)} == {"ready"}, seconds=120
        )
        children = listed(tenant, source)
        assert sorted(child["config"]["url"].removeprefix(site.base) for child in children) == (
            sorted(["/", *paths])
        )
        requests = [path for _, path, _ in site.requests]
        # A kill costs the request that was on its way, and one that has to be told again.
        assert len(requests) <= PAGES + 3 + 2 * 3
    facts = inside.facts(isolated.data_dir, tenant.id)
    for child in children:
        assert facts[f"evt.{tenant.id}.source.{child['id']}", "ingested"] == 1
    assert facts[f"evt.{tenant.id}.crawl.{source}", "page_visited"] == PAGES + 1
    assert facts[f"evt.{tenant.id}.source.{source}", "ingested"] == 1
