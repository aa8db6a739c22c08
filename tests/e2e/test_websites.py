"""Whole websites: which of their pages are imported, why the others are not, and how they go on."""

import time
from typing import Any

import pytest

from tests.e2e.sites import DELAY, Page, Site, html, serving, sitemap
from tests.e2e.test_sources import get, refused
from tests.harness import Tenant, eventually

CANONICAL = '<link rel="canonical" href="%s">'
NOINDEX = '<meta name="robots" content="noindex">'

pytestmark = pytest.mark.timeout(600)


def website(tenant: Tenant, site: Site, bot: str | None = None, **config: Any) -> str:
    """A source for the whole site."""
    return tenant.source(
        bot or tenant.bot(),
        source_type="website",
        config={"root_url": f"{site.base}/", "delay_seconds": DELAY, **config},
    )


def crawl(tenant: Tenant, source: str) -> dict[str, Any]:
    found: dict[str, Any] = tenant.http.get(f"/v1/sources/{source}/crawl").json()
    return found


def imported(tenant: Tenant, source: str, status: str = "ready") -> dict[str, Any]:
    """Have it imported; wait until that is over."""
    before = get(tenant, source)["last_refreshed_at"]
    tenant.ingest(source)

    def look() -> dict[str, Any] | None:
        found = get(tenant, source)
        over = found["last_refreshed_at"] != before or status == "error"
        return found if over and found["status"] == status else None

    def explain() -> str:
        return f"{get(tenant, source)} {tenant.http.get(f'/v1/sources/{source}/pages').text}"

    found: dict[str, Any] = eventually(look, explain, seconds=120)
    return found


def outcomes(tenant: Tenant, site: Site, source: str) -> dict[str, tuple[str, str | None]]:
    """Outcome and reason of each page, by its path."""
    listed = tenant.http.get(f"/v1/sources/{source}/pages").json()
    return {
        page["url"].removeprefix(site.base): (
            page["outcome"],
            page["reason"] and page["reason"].replace(site.base, ""),
        )
        for page in listed
    }


def everything() -> Site:
    """A small site with all that a large one has."""
    site = Site({})
    site.pages |= {
        "/": html(
            "Home", "Welcome to the bicycle shop.", "/guarantee", "/old", "/loop-a", "#top",
            "/a?utm_source=x", "/private/x", "/drafts/y", "/gone", "/broken", "/logo.png",
            "/picture", "https://elsewhere.example/", "mailto:a@example.com", "/secret", "/empty",
            "/deep1", "/print", "/one-of-two",
        ),
        "/one-of-two": html("One", "This one names the other.", head=CANONICAL % "/two-of-two"),
        "/two-of-two": html("Two", "This one names the first.", head=CANONICAL % "/one-of-two"),
        "/guarantee": html("Guarantee", "The guarantee on the frame lasts seven years."),
        "/print": html("Guarantee", "To print.", head=CANONICAL % "/guarantee"),
        "/copy": html("Guarantee", "The guarantee on the frame lasts seven years."),
        "/old": Page(status=301, location="/new"),
        "/new": html("New", "The new catalogue lists nine bicycles."),
        "/loop-a": Page(status=302, location="/loop-b"),
        "/loop-b": Page(status=302, location="/loop-a"),
        "/a": html("A", "Tandems are repaired on Tuesdays.", "/a#part"),
        "/private/x": html("Private", "Not for robots."),
        "/drafts/y": html("Draft", "Not for the import."),
        "/broken": Page(b"oh no", "text/plain", 500),
        "/picture": Page(b"\x89PNG", "image/png"),
        "/secret": html("Secret", "Not to be indexed.", head=NOINDEX),
        "/empty": Page(b"<html><body><script>1</script></body></html>"),
        "/deep1": html("Deep 1", "One deep.", "/deep2"),
        "/deep2": html("Deep 2", "Two deep.", "/deep3"),
        "/deep3": html("Deep 3", "Three deep."),
        "/manual.txt": Page(b"The pump is behind the saddle.", "text/plain"),
    }  # fmt: skip
    return site


def described(site: Site) -> None:
    """Its robots.txt and sitemaps, which name its address."""
    site.pages |= {
        "/robots.txt": Page(
            f"User-agent: *\nDisallow: /private/\nSitemap: {site.base}/maps.xml\n".encode(),
            "text/plain",
        ),
        "/maps.xml": sitemap(site.base, "/map.xml.gz", index=True),
        "/map.xml.gz": sitemap(site.base, "/copy", "/manual.txt", "/a", packed=True),
    }


def test_the_right_pages_are_imported_and_the_others_have_their_reasons(tenant: Tenant) -> None:
    with serving(everything()) as site:
        described(site)
        bot = tenant.bot()
        source = website(tenant, site, bot, exclude=["/drafts/*"], max_depth=2)
        began = time.monotonic()
        found = imported(tenant, source)
        pages = outcomes(tenant, site, source)
        good = {path for path, (outcome, _) in pages.items() if outcome == "imported"}
        assert good == {
            *("/", "/copy", "/manual.txt", "/a", "/new", "/deep1", "/deep2", "/two-of-two")
        }
        assert {path: what for path, what in pages.items() if path not in good} == {
            "/guarantee": ("duplicate", "holds the same text as /copy"),
            "/print": ("duplicate", "the same as /guarantee"),
            "/one-of-two": ("duplicate", "the same as /two-of-two"),
            "/old": ("redirected", "leads to /new"),
            "/loop-a": ("redirected", "leads to /loop-b"),
            "/loop-b": ("redirected", "leads to /loop-a"),
            "/private/x": ("skipped", "robots.txt does not allow it"),
            "/drafts/y": ("skipped", "excluded"),
            "/gone": ("failed", "The server answered 404 Not Found"),
            "/broken": ("unreachable", "The server answered 500 Internal Server Error"),
            "/picture": ("skipped", "it is no document (image/png)"),
            "/secret": ("skipped", "the page asks not to be indexed"),
            "/empty": ("skipped", "there is no text on it"),
            "/deep3": ("skipped", "more than 2 links away from the root"),
        }
        assert found["children_count"] == found["document_count"] == len(good)
        told = crawl(tenant, source)
        assert (told["phase"], told["reason"]) == ("finished", None)
        assert told["counts"]["imported"] == len(good)
        assert told["counts"]["found"] == len(pages)
        assert site.mean_pause(began) > DELAY * 0.9
        events = tenant.http.get(
            "/v1/events",
            params={"type": "source.page_visited", "limit": 100},
            headers={"Accept": "application/json"},
        ).json()
        assert len(events) == told["counts"]["visited"]
        assert events[-1]["data"]["visited"] == len(events)
        for never in ("/private/x", "/drafts/y", "/deep3", "/logo.png"):
            assert site.asked(never) == []
        assert {path: len(site.asked(path)) for path in ("/", "/a", "/loop-a", "/loop-b")} == (
            dict.fromkeys(("/", "/a", "/loop-a", "/loop-b"), 1)
        )
    answer = tenant.ask(bot, "How long is the guarantee on the frame?")
    assert "seven years" in answer["message"]["content"]


def test_a_refresh_asks_for_each_page_once_and_embeds_nothing_that_is_unchanged(
    tenant: Tenant,
) -> None:
    with serving(Site({})) as site:
        site.pages |= {
            "/": html("Home", "Welcome.", "/one", "/two", "/three", "/broken"),
            "/one": html("One", "The first page tells of pumps."),
            "/two": html("Two", "The second page tells of saddles.", "/four"),
            "/three": html("Three", "The third page tells of bells."),
            "/four": html("Four", "The fourth page tells of chains."),
            "/broken": html("Broken", "It will be."),
        }
        for path in ("/one", "/two"):
            site.pages[path].etag = f'"{path}"'
        bot = tenant.bot()
        source = website(tenant, site, bot)
        assert imported(tenant, source)["children_count"] == 6
        children = {child["name"]: child for child in listed(tenant, source)}

        site.requests.clear()
        site.pages["/"] = html("Home", "Welcome.", "/one", "/two", "/broken")
        del site.pages["/three"]
        site.pages["/four"] = html("Four", "The fourth page tells of gears by now.")
        site.pages["/broken"] = Page(b"", "text/plain", 503)
        found = imported(tenant, source)
        assert outcomes(tenant, site, source) == {
            "/": ("imported", None),
            "/one": ("unchanged", None),
            "/two": ("unchanged", None),
            "/three": ("imported", None),
            "/four": ("imported", None),
            "/broken": ("unreachable", "The server answered 503 Service Unavailable"),
        }
        assert site.asked("/one") == site.asked("/two") == [304]
        assert site.asked("/three") == []  # nobody names it any more
        after = {child["name"]: child for child in listed(tenant, source)}
        assert after.keys() == children.keys()  # something was unreachable: nothing is retired
        assert {name: after[name]["id"] for name in after} == {
            name: children[name]["id"] for name in children
        }
        assert prepared(tenant, after["One"]["id"]) == 1
        assert prepared(tenant, after["Four"]["id"]) == 2

        site.pages["/broken"] = Page(b"", "text/plain", 410)
        found = imported(tenant, source)
        assert {child["name"] for child in listed(tenant, source)} == {"Home", "One", "Two", "Four"}
        assert outcomes(tenant, site, source)["/three"] == ("retired", None)
        assert crawl(tenant, source)["counts"]["retired"] == 2
        assert found["children_count"] == 4
    assert not tenant.ask(bot, "What tells of bells?")["sources"]


def listed(tenant: Tenant, source: str) -> list[dict[str, Any]]:
    answer = tenant.http.get(f"/v1/sources/{source}/children")
    found: list[dict[str, Any]] = answer.raise_for_status().json()
    return found


def prepared(tenant: Tenant, source: str) -> int:
    """How often it was chunked and embedded."""
    entries = tenant.http.get(f"/v1/sources/{source}/timeline").json()
    return sum(entry["event"] == "source.prepared" for entry in entries)


def chain(count: int) -> Site:
    """Pages each of which leads to the next."""
    pages = {f"/{n}": html(f"Page {n}", f"It is number {n}.", f"/{n + 1}") for n in range(count)}
    return Site(pages | {"/": html("Home", "Welcome.", "/0")})


def test_what_is_changed_about_a_website_is_changed_about_its_pages(tenant: Tenant) -> None:
    def pages(name: str) -> set[Any]:
        return {child[name] for child in listed(tenant, source)}

    with serving(chain(2)) as site:
        bot = tenant.bot()
        source = website(tenant, site, bot)
        imported(tenant, source)
        path = f"/v1/sources/{source}"
        assert tenant.http.patch(path, json={"authority": "mandatory"}).status_code == 200
        eventually(lambda: pages("authority") == {"mandatory"})
        assert tenant.http.patch(path, json={"is_active": False}).status_code == 200
        eventually(lambda: not listed(tenant, source))
        eventually(lambda: not tenant.ask(bot, "What number is it?")["sources"])
        assert tenant.http.patch(path, json={"is_active": True}).status_code == 200
        eventually(lambda: len(listed(tenant, source)) == 3)
    eventually(lambda: tenant.ask(bot, "What number is it?")["sources"])


def test_an_import_is_paused_goes_on_and_is_cancelled(tenant: Tenant) -> None:
    def order(name: str) -> dict[str, Any]:
        answer = tenant.http.post(f"/v1/sources/{source}/{name}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def visited() -> int:
        count: int = crawl(tenant, source)["counts"]["visited"]
        return count

    with serving(chain(500)) as site:
        # So many that nobody is too late to pause it.
        site.pages["/sitemap.xml"] = sitemap(site.base, *(f"/{n}" for n in range(500)))
        source = website(tenant, site, max_pages=500)
        refused(tenant.http.post(f"/v1/sources/{source}/pause"), 409, "No import is on its way")
        assert crawl(tenant, source)["phase"] is None
        tenant.ingest(source)
        eventually(lambda: visited() >= 2)
        assert order("pause")["phase"] == "paused"
        assert get(tenant, source)["status"] == "processing"
        resting = visited()
        assert order("resume")["phase"] == "running"
        eventually(lambda: visited() > resting + 1)
        told = order("cancel")
        assert told["phase"] == "cancelled"
        refused(tenant.http.post(f"/v1/sources/{source}/resume"), 409, "No import is on its way")
        found = eventually(lambda: _if_ready(tenant, source))
        assert found["document_count"] == told["counts"]["imported"] >= 3


def _if_ready(tenant: Tenant, source: str) -> dict[str, Any] | None:
    found = get(tenant, source)
    return found if found["status"] == "ready" else None


def test_no_more_pages_are_imported_than_wanted_and_only_those_included(tenant: Tenant) -> None:
    with serving(Site({})) as site:
        site.pages |= {
            "/": html("Home", "Welcome.", *(f"/docs/{n}" for n in range(9)), "/shop/1"),
            **{f"/docs/{n}": html(f"Doc {n}", f"Document number {n}.") for n in range(9)},
            "/shop/1": html("Shop", "Buy."),
        }
        source = website(tenant, site, max_pages=4, include=["/docs/*"])
        assert imported(tenant, source)["children_count"] == 4
        pages = outcomes(tenant, site, source)
        assert pages["/"] == pages["/shop/1"] == ("skipped", "not among what is to be included")
        assert [pages[f"/docs/{n}"][0] for n in range(9)] == ["imported"] * 4 + ["pending"] * 5


def test_a_site_that_is_closed_or_away_is_an_error_that_says_why(tenant: Tenant) -> None:
    closed = Page(b"User-agent: MiniRAG\nDisallow: /\n", "text/plain")
    with serving(Site({"/robots.txt": closed, "/": html("Home", "Welcome.")})) as site:
        source = website(tenant, site)
        found = imported(tenant, source, "error")
        assert found["error_message"] == (
            "The root may not be fetched: robots.txt does not allow it"
        )
        assert site.asked("/") == []
        ignoring = website(tenant, site, respect_robots=False)
        assert imported(tenant, ignoring)["children_count"] == 1
    with serving(Site({"/robots.txt": Page(status=500)})) as site:
        found = imported(tenant, website(tenant, site), "error")
        assert "robots.txt cannot be read" in found["error_message"]
    with serving(Site({"/": Page(status=301, location="https://elsewhere.example/")})) as site:
        found = imported(tenant, website(tenant, site), "error")
        assert "leads to another site: https://elsewhere.example/" in found["error_message"]


def test_a_preview_shows_what_would_be_imported_and_stores_nothing(tenant: Tenant) -> None:
    with serving(everything()) as site:
        described(site)
        config = {"root_url": f"{site.base}/", "delay_seconds": DELAY, "exclude": ["/drafts/*"]}
        answer = tenant.http.post("/v1/sources/preview", json={"config": config})
        assert answer.status_code == 200, answer.text
        found = answer.json()
        pages = {page["url"].removeprefix(site.base): page for page in found["pages"]}
        assert pages["/"]["via"] == "root"
        assert pages["/copy"] == {
            "url": f"{site.base}/copy",
            "depth": 1,
            "via": "sitemap",
            "included": True,
            "reason": None,
        }
        assert pages["/private/x"]["reason"] == "robots.txt does not allow it"
        assert pages["/drafts/y"]["reason"] == "excluded"
        assert found["included"] == sum(page["included"] for page in found["pages"])
        assert found["sitemaps"] == [f"{site.base}/maps.xml", f"{site.base}/map.xml.gz"]
        assert len(site.requests) == 4
    assert tenant.http.get("/v1/sources").json() == []


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({}, "config.root_url"),
        ({"root_url": "ftp://x.example/"}, "config.root_url"),
        ({"root_url": "http://x.example/", "max_pages": 0}, "config.max_pages"),
        ({"root_url": "http://x.example/", "max_depth": "3"}, "config.max_depth"),
        ({"root_url": "http://x.example/", "include": "docs"}, "config.include"),
        ({"root_url": "http://x.example/", "delay_seconds": 0}, "config.delay_seconds"),
        ({"root_url": "http://x.example/", "respect_robots": 1}, "config.respect_robots"),
        ({"root_url": "http://x.example/", "sitemap_url": 1}, "config.sitemap_url"),
    ],
)
def test_a_config_that_means_nothing_is_refused_with_its_field(
    tenant: Tenant, config: dict[str, Any], field: str
) -> None:
    body = {"bot_profile_id": tenant.bot(), "name": "x", "source_type": "website", "config": config}
    assert refused(tenant.http.post("/v1/sources", json=body), 422)["field"] == field
    preview = tenant.http.post("/v1/sources/preview", json={"config": config})
    assert refused(preview, 422)["field"] == field
