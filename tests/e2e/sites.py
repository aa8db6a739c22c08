"""Websites on loopback with everything that a crawl can meet; they remember who asked for what."""

import gzip
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.loopback import QuietHandler, loopback

DELAY = 0.2
"""Seconds between two requests that a source may ask for at least."""


@dataclass
class Page:
    """One answer."""

    body: bytes = b""
    media_type: str = "text/html; charset=utf-8"
    status: int = 200
    location: str | None = None
    etag: str | None = None
    length: int | None = None
    """What it says its length is, if that is not true."""
    waits: threading.Event | None = None
    """It is answered once this is set."""


@dataclass
class Site:
    """Answers by path; change them while it runs."""

    pages: dict[str, Page]
    base: str = ""
    requests: list[tuple[float, str, int]] = field(default_factory=list)
    """When, which path, and with which status it was answered."""

    def asked(self, path: str) -> list[int]:
        """The statuses of the answers to requests for `path`."""
        return [status for _, asked, status in self.requests if asked == path]

    def most_within(self, seconds: float) -> int:
        """The most requests that came within so many seconds."""
        times = sorted(at for at, *_ in self.requests)
        return max(bisect_left(times, at + seconds) - n for n, at in enumerate(times))

    def mean_pause(self, began: float) -> float:
        """Between two requests, in seconds; `began` is a moment before the first of them.

        Counted from the first, or one by one, they say little: a busy machine hears one request
        late and the next in time.
        """
        return (max(at for at, *_ in self.requests) - began) / (len(self.requests) - 1)


def html(title: str, text: str, *links: str, head: str = "") -> Page:
    anchors = "".join(f'<a href="{link}">{link}</a> ' for link in links)
    return Page(
        f"<html><head><title>{title}</title>{head}</head>"
        f"<body><nav>{anchors}</nav><main><h1>{title}</h1><p>{text}</p></main></body></html>".encode()
    )


def sitemap(base: str, *paths: str, index: bool = False, packed: bool = False) -> Page:
    outer, inner = ("sitemapindex", "sitemap") if index else ("urlset", "url")
    entries = "".join(f"<{inner}><loc>{base}{path}</loc></{inner}>" for path in paths)
    body = (
        f'<?xml version="1.0"?><{outer} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
        f"{entries}</{outer}>"
    ).encode()
    return Page(gzip.compress(body) if packed else body, "application/xml")


@contextmanager
def serving(site: Site) -> Iterator[Site]:
    lock = threading.Lock()

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            at, parts = time.monotonic(), urlsplit(self.path)
            path = f"{parts.path}?{parts.query}" if parts.query else parts.path
            page = site.pages.get(path, Page(b"no such page", "text/plain", 404))
            same = page.etag is not None and self.headers["If-None-Match"] == page.etag
            status = 304 if same else page.status
            with lock:
                site.requests.append((at, path, status))
            if page.waits is not None:
                page.waits.wait(60)
            self.send_response(status)
            if page.location is not None:
                self.send_header("Location", page.location)
            if page.etag is not None:
                self.send_header("ETag", page.etag)
            body = b"" if same else page.body
            self.send_header("Content-Type", page.media_type)
            length = len(body) if page.length is None else page.length
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(body)

    with loopback(Handler) as site.base:
        try:
            yield site
        finally:
            for page in site.pages.values():
                if page.waits is not None:
                    page.waits.set()
