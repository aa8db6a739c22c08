"""Reads robots.txt, sitemaps and pages of strangers in worker processes."""

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator, Sequence

from typing_extensions import override

from services.ingest.ports import Pages, PageScan, Robots, Sitemap, Unreadable
from shared.adapters.egress import MEGABYTE, USER_AGENT
from shared.adapters.worker_pool import TookTooLong, WorkerPool

SECONDS = 20.0
ROBOTS_BYTES = 500_000
"""What is read of a robots.txt; RFC 9309 wants at least so much."""
SITEMAP_BYTES = 50 * MEGABYTE
"""Unpacked; the protocol's own limit (https://www.sitemaps.org/protocol.html)."""
HTML_BYTES = 5 * MEGABYTE
LINKS = 2000
"""Of one page."""
HTML = ("text/html", "application/xhtml+xml")
DOCUMENTS = (
    "text/",
    "application/pdf",
    "application/json",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
)
UNSEEN = ("script", "style", "noscript", "template", "svg", "title")
"""Not `head`: where a page leaves `<body>` out, the parser puts what it does not know in there."""
GZIP = b"\x1f\x8b"


class PooledPages(Pages):
    """The `Pages` port over a worker pool."""

    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool

    @override
    async def robots(self, data: bytes, urls: Sequence[str]) -> Robots:
        try:
            return await self._pool.run(read_robots, SECONDS, data, list(urls))
        except TookTooLong as error:
            raise Unreadable(f"Reading robots.txt {error}") from error

    @override
    async def sitemap(self, data: bytes, limit: int) -> Sitemap:
        try:
            return await self._pool.run(read_sitemap, SECONDS, data, limit)
        except (ValueError, MemoryError) as error:
            raise Unreadable(f"The sitemap cannot be read: {error}") from error
        except TookTooLong as error:
            raise Unreadable(f"Reading the sitemap {error}") from error

    @override
    async def scan(self, data: bytes, media_type: str, url: str) -> PageScan:
        try:
            return await self._pool.run(scan_page, SECONDS, data, media_type, url)
        except (ValueError, MemoryError) as error:
            raise Unreadable(str(error) or "it needs too much memory") from error
        except TookTooLong as error:
            raise Unreadable(f"Reading the page {error}") from error


def read_robots(data: bytes, urls: Sequence[str]) -> Robots:
    """What robots.txt says to us about `urls` (RFC 9309)."""
    from protego import Protego  # noqa: PLC0415  in workers only

    rules = Protego.parse(data[:ROBOTS_BYTES].decode("utf-8", "replace"))
    return Robots(
        delay_seconds=rules.crawl_delay(USER_AGENT),
        sitemaps=tuple(rules.sitemaps),
        allowed=tuple(rules.can_fetch(url, USER_AGENT) for url in urls),
    )


def read_sitemap(data: bytes, limit: int) -> Sitemap:
    """Addresses of a sitemap, an index of sitemaps or a list of lines, packed or not.

    A file that breaks off gives what it holds up to there. Raises `ValueError`.
    """
    content = unpacked(data) if data.startswith(GZIP) else data
    if not content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        lines = content.decode("utf-8", "replace").split("\n")
        found = [line.strip() for line in lines if line.strip().startswith("http")]
        return Sitemap(tuple(found[:limit]), ())
    pages: list[str] = []
    nested: list[str] = []
    for within, address in _locations(content):
        (nested if within == "sitemap" else pages).append(address)
        if len(pages) + len(nested) >= limit:
            break
    return Sitemap(tuple(pages), tuple(nested))


def _locations(content: bytes) -> Iterator[tuple[str, str]]:
    """The element around each `loc`, and its text. Entities are not resolved, so none explodes."""
    from lxml import etree  # noqa: PLC0415  in workers only

    elements = etree.iterparse(
        io.BytesIO(content),
        events=("end",),
        tag="{*}loc",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        recover=True,
    )
    try:
        for _, element in elements:
            parent = element.getparent()
            if parent is None or not element.text:
                continue
            yield etree.QName(parent).localname, element.text.strip()
            element.clear()
            while parent.getprevious() is not None:
                del parent.getparent()[0]
    except etree.XMLSyntaxError as error:
        raise ValueError("it is not XML") from error


def unpacked(data: bytes) -> bytes:
    """Raises `ValueError` for what is damaged, or larger than a sitemap may be."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
            content = packed.read(SITEMAP_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError("the compressed file is damaged") from error
    if len(content) > SITEMAP_BYTES:
        raise ValueError(f"it has more than {SITEMAP_BYTES // MEGABYTE} MB")
    return content


def scan_page(data: bytes, media_type: str, url: str) -> PageScan:
    """What a page says of itself. Raises `ValueError` for what is no document."""
    kind, _, parameters = media_type.partition(";")
    kind = kind.strip().lower()
    if kind not in HTML:
        if not kind.startswith(DOCUMENTS):
            raise ValueError(f"it is no document ({kind or 'of unknown type'})")
        digest = hashlib.sha256(data).hexdigest() if data.strip() else None
        return PageScan(None, (), url, None, indexable=True, content_hash=digest)
    from lxml import etree, html  # noqa: PLC0415  in workers only

    name = parameters.partition("charset=")[2].partition(";")[0].strip(" \"'") or None
    try:
        tree = html.document_fromstring(data[:HTML_BYTES], _parser(name))
    except (etree.ParserError, etree.XMLSyntaxError, ValueError):
        return PageScan(None, (), url, None, indexable=True, content_hash=None)
    rules = {
        rule.strip().lower()
        for meta in tree.iterfind(".//meta[@name]")
        if meta.get("name", "").lower() in ("robots", "minirag")
        for rule in meta.get("content", "").split(",")
    }
    follow = not rules & {"nofollow", "none"}
    title = " ".join((tree.findtext(".//title") or "").split())
    canonical = next(
        (
            link.get("href")
            for link in tree.iterfind(".//link[@rel][@href]")
            if "canonical" in link.get("rel", "").lower().split()
        ),
        None,
    )
    links = tuple(_links(tree)) if follow else ()
    base = next((one.get("href") for one in tree.iterfind(".//base[@href]")), url)
    for element in list(tree.iter(*UNSEEN)):
        element.drop_tree()
    seen = " ".join(" ".join(tree.itertext()).split())
    return PageScan(
        title=title[:200] or None,
        links=links,
        base=base,
        canonical=canonical,
        indexable=not rules & {"noindex", "none"},
        content_hash=hashlib.sha256(seen.encode("utf-8", "replace")).hexdigest() if seen else None,
    )


def _parser(encoding: str | None) -> object:
    from lxml import html  # noqa: PLC0415  in workers only

    try:
        return html.HTMLParser(encoding=encoding, remove_comments=True, remove_pis=True)
    except LookupError:
        return html.HTMLParser(remove_comments=True, remove_pis=True)


def _links(tree: object) -> list[str]:
    found: dict[str, None] = {}
    for element in tree.iter("a", "area"):  # type: ignore[attr-defined]  # lxml has no types
        address = element.get("href")
        if not address or "nofollow" in (element.get("rel") or "").lower().split():
            continue
        found[address] = None
        if len(found) >= LINKS:
            break
    return list(found)
