"""What robots.txt, sitemaps and pages of strangers are read as, and that none of them does harm."""

import gzip
import hashlib
from collections.abc import AsyncIterator

import pytest

from services.ingest.adapters import pages
from services.ingest.adapters.pages import (
    PooledPages,
    read_robots,
    read_sitemap,
    scan_page,
    unpacked,
)
from services.ingest.ports import Robots, Sitemap, Unreadable
from shared.adapters.worker_pool import WorkerPool

NS = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
URL = "https://docs.example/a"
ROBOTS = b"""
User-agent: *
Disallow: /

User-agent: MiniRAG
Crawl-delay: 7
Disallow: /private/
Allow: /private/open
Disallow: /*.php$
Sitemap: https://docs.example/map.xml
Sitemap: https://docs.example/more.xml
"""


class TestRobots:
    def test_is_read_for_our_name(self) -> None:
        paths = ("/", "/private/a", "/private/open", "/x.php", "/x.php?y")
        found = read_robots(ROBOTS, [f"https://docs.example{path}" for path in paths])
        assert found == Robots(
            7.0,
            ("https://docs.example/map.xml", "https://docs.example/more.xml"),
            (True, False, True, False, True),
        )

    @pytest.mark.parametrize("data", [b"", b"<html>not found</html>", b"\xff\xfe\x00", b"a:" * 999])
    def test_anything_else_allows_everything(self, data: bytes) -> None:
        assert read_robots(data, [URL]) == Robots(None, (), (True,))


class TestSitemaps:
    def test_name_pages(self) -> None:
        data = f"<urlset {NS}><url><loc> {URL}\n</loc><lastmod>x</lastmod></url><url/></urlset>"
        assert read_sitemap(data.encode(), 10) == Sitemap((URL,), ())
        assert read_sitemap(gzip.compress(data.encode()), 10) == Sitemap((URL,), ())

    def test_name_further_sitemaps(self) -> None:
        data = f"<sitemapindex {NS}><sitemap><loc>{URL}</loc></sitemap></sitemapindex>"
        assert read_sitemap(data.encode(), 10) == Sitemap((), (URL,))

    def test_may_be_lines(self) -> None:
        assert read_sitemap(f"{URL}\nnothing\n{URL}/b".encode(), 10) == Sitemap(
            (URL, f"{URL}/b"), ()
        )

    def test_are_read_up_to_the_limit_and_to_where_they_break_off(self) -> None:
        entries = "".join(f"<url><loc>{URL}/{n}</loc></url>" for n in range(50))
        whole = f"<urlset {NS}>{entries}</urlset>".encode()
        assert len(read_sitemap(whole, 7).pages) == 7
        assert 10 < len(read_sitemap(whole[: len(whole) // 2], 99).pages) < 50
        assert len(read_sitemap(whole, 99).pages) == 50

    def test_a_bomb_of_entities_does_not_explode(self) -> None:
        nested = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
        bomb = (
            f'<!DOCTYPE x [<!ENTITY e0 "x">{nested}]><urlset><url><loc>&e11;</loc></url></urlset>'
        )
        try:
            found = read_sitemap(bomb.encode(), 10)
        except ValueError:
            return
        assert sum(map(len, found.pages)) < 1000

    def test_no_file_of_ours_is_read_into_one(self) -> None:
        data = (
            '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>'
            "<urlset><url><loc>&f;</loc></url></urlset>"
        )
        try:
            found = read_sitemap(data.encode(), 10)
        except ValueError:
            return
        assert "root:" not in "".join(found.pages)

    def test_a_bomb_of_zeros_and_a_damaged_file_are_refused(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pages, "SITEMAP_BYTES", 1000)
        with pytest.raises(ValueError, match="more than"):
            unpacked(gzip.compress(b"\0" * 5000))
        with pytest.raises(ValueError, match="damaged"):
            read_sitemap(gzip.compress(b"<urlset/>" * 100)[:-20], 10)


class TestAPage:
    def test_tells_its_title_links_and_canonical_address(self) -> None:
        data = b"""<html><head><title> A
            page </title><base href="/b/"><link rel="Canonical" href="c"></head><body>
            <a href="one">1</a><a href="one">again</a><area href="two"><a>none</a>
            <a rel="ugc nofollow" href="three">3</a><!-- <a href="four">4</a> --></body></html>"""
        found = scan_page(data, "text/html", URL)
        assert (found.title, found.links, found.base) == ("A page", ("one", "two"), "/b/")
        assert (found.canonical, found.indexable) == ("c", True)

    @pytest.mark.parametrize(
        ("content", "indexable", "links"),
        [
            ("noindex", False, ("x",)),
            ("NOFOLLOW", True, ()),
            ("noindex, nofollow", False, ()),
            ("none", False, ()),
            ("all", True, ("x",)),
        ],
    )
    def test_says_whether_it_may_be_indexed_and_followed(
        self, content: str, indexable: bool, links: tuple[str, ...]
    ) -> None:
        data = f'<meta name="Robots" content="{content}"><body><a href="x">x</a></body>'
        found = scan_page(data.encode(), "text/html", URL)
        assert (found.indexable, found.links) == (indexable, links)

    def test_is_known_by_what_can_be_seen(self) -> None:
        def seen(body: str) -> str | None:
            page = f"<html><head><title>{len(body)}</title></head><body>{body}</body></html>"
            return scan_page(page.encode(), "text/html; charset=utf-8", URL).content_hash

        text = seen("<p>Two  words</p>")
        assert text == hashlib.sha256(b"Two words").hexdigest()
        assert seen("<div>Two\n words<script>1</script><!-- x --></div><style>p{}</style>") == text
        assert seen("<p>Other words</p>") != text
        assert seen("<script>1</script> \n") is None

    def test_has_text_also_where_it_leaves_its_body_out(self) -> None:
        page = b"<!doctype html><html lang=en><title>T</title><main><h1>T</h1><p>Text.</p></main>"
        found = scan_page(page, "text/html", URL)
        assert found.content_hash == hashlib.sha256(b"T Text.").hexdigest()

    @pytest.mark.parametrize(
        ("data", "media_type"),
        [
            ("<body>schön</body>".encode("latin-1"), "text/html; charset=ISO-8859-1"),
            ("<body>schön</body>".encode(), 'text/html; charset="utf-8"; x=y'),
            ('<meta charset="latin-1"><body>schön</body>'.encode("latin-1"), "text/html"),
        ],
    )
    def test_is_decoded_as_it_says(self, data: bytes, media_type: str) -> None:
        digest = hashlib.sha256("schön".encode()).hexdigest()
        assert scan_page(data, media_type, URL).content_hash == digest

    @pytest.mark.parametrize("data", [b"", b"\0\0", b"<!-- -->", b"<" * 10_000, b"\xff\xfe<\0"])
    def test_that_is_none_holds_nothing(self, data: bytes) -> None:
        found = scan_page(data, "text/html; charset=nonsense", URL)
        assert found.links == ()

    def test_of_great_depth_is_read(self) -> None:
        deep = b"<div>" * 20_000 + b"<a href='x'>x</a>"
        assert scan_page(deep, "text/html", URL).base == URL

    def test_of_another_kind_is_what_it_is(self) -> None:
        found = scan_page(b"text", "text/plain", URL)
        assert found.content_hash == hashlib.sha256(b"text").hexdigest()
        assert scan_page(b" \n", "text/plain", URL).content_hash is None
        for media_type in ("image/png", "application/zip", ""):
            with pytest.raises(ValueError, match="no document"):
                scan_page(b"x", media_type, URL)


class TestInWorkers:
    @pytest.fixture
    async def pooled(self) -> AsyncIterator[PooledPages]:
        pool = WorkerPool(1, idle_seconds=60)
        yield PooledPages(pool)
        await pool.aclose()

    async def test_results_and_refusals_come_back(self, pooled: PooledPages) -> None:
        assert (await pooled.robots(ROBOTS, [URL])).delay_seconds == 7.0
        assert await pooled.sitemap(URL.encode(), 1) == Sitemap((URL,), ())
        with pytest.raises(Unreadable, match="damaged"):
            await pooled.sitemap(b"\x1f\x8bxxxxxxx", 1)
        with pytest.raises(Unreadable, match="no document"):
            await pooled.scan(b"", "image/png", URL)
