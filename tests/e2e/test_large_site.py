"""A site of 500 addresses with everything that goes wrong on the web, imported over a crash."""

import threading
from collections import Counter
from collections.abc import Callable, Mapping

import pytest

from tests.e2e import inside
from tests.e2e.conftest import PAGE_SECONDS
from tests.e2e.sites import Page, Site, html, serving, sitemap
from tests.e2e.test_websites import CANONICAL, NOINDEX, crawl, listed, outcomes, website
from tests.harness import Installation, Tenant, eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

CRAWL_DELAY = 0.25
"""Seconds that robots.txt asks for; more than the source says."""
WINDOW_SECONDS = 10.0
ARTICLES, PRINTS, MIRRORS, OLD = 30, 4, 3, 3
PRIVATE, DRAFTS, DEEP = 220, 200, 30
LIMIT = 10 * 1024 * 1024
"""Bytes that a page may take on its way."""
Outcomes = Mapping[str, tuple[str, str | None]]


def article(n: int) -> Page:
    return html(f"Article {n}", f"Article number {n} tells of bell {n} and of nothing else.")


def large(late: threading.Event) -> tuple[Site, Outcomes]:
    """The site, and what is to become of each of its addresses. `late` lets the slow page go."""
    pages = {f"/articles/{n}": article(n) for n in range(ARTICLES)}
    wanted: dict[str, tuple[str, str | None]] = dict.fromkeys(pages, ("imported", None))

    def add(path: str, page: Page, outcome: str, reason: str | None) -> None:
        pages[path], wanted[path] = page, (outcome, reason)

    for n in range(PRINTS):
        head = CANONICAL % f"/articles/{n}"
        add(
            f"/print/{n}",
            html(f"Print {n}", f"To print: {n}.", head=head),
            "duplicate",
            f"the same as /articles/{n}",
        )
    for n in range(MIRRORS):
        add(f"/mirror/{n}", article(n), "duplicate", f"holds the same text as /articles/{n}")
    for n in range(OLD):
        to = f"/articles/{n}"
        add(f"/old/{n}", Page(status=301, location=to), "redirected", f"leads to {to}")
    for a, b in (("/loop/a", "/loop/b"), ("/loop/b", "/loop/a")):
        add(a, Page(status=302, location=b), "redirected", f"leads to {b}")
    add("/self", Page(status=302, location="/self"), "failed", "leads to itself")
    away = "https://elsewhere.example/"
    add("/away", Page(status=302, location=away), "redirected", f"leads to another site: {away}")
    for n in range(2):
        add(
            f"/broken/{n}",
            Page(b"oh no", "text/plain", 500),
            "unreachable",
            "The server answered 500 Internal Server Error",
        )
        add(f"/gone/{n}", Page(status=410), "failed", "The server answered 410 Gone")
        add(
            f"/picture/{n}",
            Page(b"\x89PNG", "image/png"),
            "skipped",
            "it is no document (image/png)",
        )
        add(
            f"/secret/{n}",
            html("Secret", f"Not to be indexed: {n}.", head=NOINDEX),
            "skipped",
            "the page asks not to be indexed",
        )
        add(
            f"/empty/{n}",
            Page(b"<html><body><script>1</script></body></html>"),
            "skipped",
            "there is no text on it",
        )
    add(
        "/slow",
        Page(b"late", waits=late),
        "unreachable",
        f"The server did not finish within {PAGE_SECONDS} seconds",
    )
    add("/cut", Page(b"<p>half of", length=900), "unreachable", None)
    add("/huge", Page(bytes(LIMIT + 1)), "failed", None)
    for n in range(PRIVATE):
        add(f"/private/{n}", html("", "Private."), "skipped", "robots.txt does not allow it")
    for n in range(DRAFTS):
        add(f"/drafts/{n}", html("", "Draft."), "skipped", "excluded")
    add("/", html("Home", "Welcome to the shop for bells.", *wanted), "imported", None)
    links = [f"/deep/{n}" for n in range(DEEP)]
    for path in links:
        add(path, html("", "Deep."), "skipped", "more than 1 links away from the root")
    add("/hub", html("Hub", "All that is deep.", *links), "imported", None)
    return Site(pages), wanted


def describe(site: Site, wanted: Outcomes) -> None:
    """An index of sitemaps, of which one is packed and one is gone, and rules for robots."""
    paths = [path for path in wanted if not path.startswith("/deep/")]
    half = len(paths) // 2
    site.pages |= {
        "/robots.txt": Page(
            f"User-agent: *\nCrawl-delay: {CRAWL_DELAY}\nDisallow: /private/\n"
            f"Sitemap: {site.base}/maps.xml\n".encode(),
            "text/plain",
        ),
        "/maps.xml": sitemap(site.base, "/1.xml.gz", "/2.xml", "/3.xml", index=True),
        "/1.xml.gz": sitemap(site.base, *paths[:half], packed=True),
        "/2.xml": sitemap(site.base, *paths[half:], *paths[:9]),
    }


def visited(tenant: Tenant, source: str) -> int:
    """How many pages were; 0 as long as nobody answers."""
    counts: dict[str, int] = crawl(tenant, source).get("counts", {})
    return counts.get("visited", 0)


def test_a_large_site_is_imported_at_its_pace_and_over_a_crash(
    isolated: Installation, register: Callable[[str], Tenant]
) -> None:
    late = threading.Event()
    site, wanted = large(late)
    assert len(wanted) >= 500
    tenant = register(isolated.url)
    with serving(site):
        describe(site, wanted)
        source = website(tenant, site, exclude=["/drafts/*"], max_pages=500, max_depth=1)
        tenant.ingest(source)
        eventually(lambda: visited(tenant, source) >= 25, isolated.logs, 600)
        isolated.kill("ingest")
        eventually(lambda: crawl(tenant, source).get("phase") == "finished", isolated.logs, 600)
        late.set()
        found = outcomes(tenant, site, source)
        good = {path for path, (outcome, _) in wanted.items() if outcome == "imported"}
        assert {path: outcome for path, (outcome, _) in found.items()} == {
            path: outcome for path, (outcome, _) in wanted.items()
        }
        told = {path: reason for path, (_, reason) in wanted.items() if reason}
        assert {path: found[path][1] for path in told} == told
        assert "closed connection" in (found["/cut"][1] or "")
        assert "sends more than 10 MB" in (found["/huge"][1] or "")
        counts = crawl(tenant, source)["counts"]
        assert (counts["found"], counts["imported"]) == (len(wanted), len(good))
        eventually(
            lambda: {one["status"] for one in listed(tenant, source)} == {"ready"},
            isolated.logs,
            600,
        )
        children = listed(tenant, source)
        addresses = [child["config"]["url"].removeprefix(site.base) for child in children]
        assert sorted(addresses) == sorted(good)

        requests = Counter(path for _, path, _ in site.requests)
        closed = ("/private/", "/drafts/", "/deep/")
        assert not [path for path in requests if path.startswith(closed)]
        assert requests["/robots.txt"] == requests["/maps.xml"] == 1
        retried = {"/broken/0", "/broken/1", "/slow", "/cut"}
        # A crash costs the page that was on its way, and the one that was not told yet.
        again = sum(count - 1 - (path in retried) for path, count in requests.items())
        assert again <= 2 * len(retried)
        most = site.most_within(WINDOW_SECONDS)
        assert most <= WINDOW_SECONDS / CRAWL_DELAY * 1.5
    facts = inside.facts(isolated.data_dir, tenant.id)
    assert facts[f"evt.{tenant.id}.crawl.{source}", "page_visited"] == counts["visited"]
    for child in children:
        assert facts[f"evt.{tenant.id}.source.{child['id']}", "ingested"] == 1
