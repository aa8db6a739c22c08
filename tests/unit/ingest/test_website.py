"""What belongs to a website, by its addresses alone."""

from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given, strategies as st

from services.ingest.domain.website import (
    MAX_DEPTH,
    MAX_PAGES,
    URL_CHARS,
    Website,
    is_asset,
    normalised,
    site_of,
)
from shared.contracts.ingest_website import FoundPage
from shared.kernel.errors import InvalidCommand

ROOT = "https://docs.example/guide/"
SITE = Website(ROOT)


class TestTheOneSpellingOfAnAddress:
    @pytest.mark.parametrize(
        ("address", "spelling"),
        [
            ("https://docs.example", "https://docs.example/"),
            ("HTTPS://Docs.Example:443/A", "https://docs.example/A"),
            ("http://docs.example:8080/", "http://docs.example:8080/"),
            ("a/../b/./c#part", f"{ROOT}b/c"),
            ("/x?b=2&a=1", "https://docs.example/x?b=2&a=1"),
            ("?utm_source=mail&id=7&gclid=1", f"{ROOT}?id=7"),
            ("/x?utm_source=mail", "https://docs.example/x"),
            ("//other.example/x", "https://other.example/x"),
            ("/ä b", "https://docs.example/%C3%A4%20b"),
            ("/%C3%A4", "https://docs.example/%C3%A4"),
            ("https://bücher.example/", "https://xn--bcher-kva.example/"),
            ("http://[::1]:80/", "http://[::1]/"),
            ("  /x\n", "https://docs.example/x"),
            ("/../../x", "https://docs.example/x"),
        ],
    )
    def test_is_told(self, address: str, spelling: str) -> None:
        assert normalised(address, ROOT) == spelling
        assert normalised(spelling) == spelling

    @pytest.mark.parametrize(
        "address",
        [
            "mailto:a@example.com",
            "javascript:void(0)",
            "tel:+49",
            "ftp://docs.example/",
            "https://user:secret@docs.example/",
            "https://docs.example:port/",
            "https://[bad/",
            "https://" + "x" * 70 + ".example/",
            "/" + "x" * URL_CHARS,
            None,
            7,
        ],
    )
    def test_is_none_of_what_cannot_be_visited(self, address: object) -> None:
        assert normalised(address, ROOT) is None

    def test_needs_a_host(self) -> None:
        assert normalised("https://") is None
        assert normalised("guide") is None

    @given(st.text(max_size=60))
    def test_is_stable_whatever_stands_in_a_page(self, address: str) -> None:
        once = normalised(address, ROOT)
        if once is not None:
            assert normalised(once) == once
            assert urlsplit(once).fragment == ""
            assert once.isascii()
            assert urljoin(ROOT, once) == once


class TestASite:
    @pytest.mark.parametrize(
        ("url", "belongs"),
        [
            ("https://docs.example/other", True),
            ("http://docs.example/", True),
            ("https://www.docs.example/", True),
            ("https://blog.docs.example/", False),
            ("https://docs.example:8443/", False),
            ("https://docs.example.evil/", False),
        ],
    )
    def test_is_one_host(self, url: str, belongs: bool) -> None:
        assert SITE.holds(url) is belongs

    def test_has_one_name_for_its_pace(self) -> None:
        assert site_of("http://www.docs.example/a") == site_of("https://docs.example/b")

    @pytest.mark.parametrize(
        ("path", "reason"),
        [
            ("/guide/a", None),
            ("/guide/old/a", "excluded"),
            ("/guide/a?print=1", "excluded"),
            ("/shop/a", "not among what is to be included"),
        ],
    )
    def test_says_what_stands_against_a_page(self, path: str, reason: str | None) -> None:
        site = Website(
            ROOT, include=("/guide/*",), exclude=("*/old/*", "https://docs.example/*?print=*")
        )
        assert site.objection(f"https://docs.example{path}", 1) == reason

    def test_ends_where_its_depth_does(self) -> None:
        assert SITE.objection(ROOT, 3) is None
        assert SITE.objection(ROOT, 4) == "more than 3 links away from the root"

    def test_finds_its_pages_among_links_each_once(self) -> None:
        links = ["a", "a#x", "./a", "https://other.example/", "/logo.png", "mailto:x", "/b"]
        assert SITE.found(links, base=ROOT, depth=2, via="link") == [
            FoundPage(url=f"{ROOT}a", depth=2, via="link"),
            FoundPage(url="https://docs.example/b", depth=2, via="link"),
        ]

    def test_knows_what_is_no_document(self) -> None:
        assert is_asset("https://docs.example/a/Logo.PNG?v=2")
        assert not is_asset("https://docs.example/manual.pdf")
        assert not is_asset("https://docs.example/a.png/about")


class TestAConfig:
    def test_has_defaults(self) -> None:
        site = Website.of({"root_url": "https://Docs.example"})
        assert site == Website("https://docs.example/")
        assert (site.max_pages, site.max_depth, site.respect_robots) == (50, 3, True)
        assert site.delay_seconds == 1.0

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("root_url", "docs.example"),
            ("root_url", None),
            ("sitemap_url", "file:///etc/passwd"),
            ("max_pages", 0),
            ("max_pages", MAX_PAGES + 1),
            ("max_pages", True),
            ("max_pages", 2.5),
            ("max_depth", -1),
            ("max_depth", MAX_DEPTH + 1),
            ("include", "/docs/*"),
            ("include", [1]),
            ("exclude", [""]),
            ("exclude", ["x" * 201]),
            ("exclude", ["x"] * 51),
            ("respect_robots", "no"),
            ("delay_seconds", 0.1),
            ("delay_seconds", 61),
            ("delay_seconds", "1"),
            ("delay_seconds", float("nan")),
        ],
    )
    def test_names_the_field_at_fault(self, name: str, value: Any) -> None:
        with pytest.raises(InvalidCommand) as caught:
            Website.of({"root_url": ROOT, name: value}, "children.1.")
        assert caught.value.field == f"children.1.config.{name}"
