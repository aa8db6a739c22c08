"""What belongs to a website, by its addresses alone. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urljoin, urlsplit, urlunsplit

from shared.contracts.ingest_website import FoundPage, Via
from shared.kernel.errors import InvalidCommand

MAX_PAGES, MAX_DEPTH = 2000, 10
MIN_DELAY, MAX_DELAY = 0.2, 60.0
"""Seconds between two requests to a site. A site that wants to be asked more rarely is asked so
rarely all the same; it then takes long."""
PATTERNS, PATTERN_CHARS = 50, 200
URL_CHARS = 1000
"""Of an address that is visited; longer ones are passed over."""
DEFAULT_PORTS = {"http": 80, "https": 443}
TRACKING = re.compile(r"utm_\w+|gclid|fbclid|msclkid|mc_cid|mc_eid", re.IGNORECASE)
"""Parameters that tell where a visitor came from, not which page it is."""
ASSET = re.compile(
    r"\.(?:png|jpe?g|gif|webp|avif|svg|ico|bmp|tiff?|css|js|mjs|map|json|xml|rss|atom|woff2?|ttf|eot|"
    r"mp[34]|m4[av]|webm|og[gv]|wav|flac|avi|mov|mkv|zip|gz|bz2|xz|7z|rar|tar|exe|msi|dmg|iso|apk|"
    r"deb|rpm|jar|bin|wasm)$",
    re.IGNORECASE,
)
"""Endings of what is no document."""
SAFE = "/:?#[]@!$&'()*+,;=%~"


@dataclass(frozen=True, slots=True)
class Website:
    """What an owner wants imported."""

    root_url: str
    sitemap_url: str | None = None
    max_pages: int = 50
    max_depth: int = 3
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    respect_robots: bool = True
    delay_seconds: float = 1.0

    @classmethod
    def of(cls, config: Mapping[str, Any], below: str = "") -> "Website":
        """Raise `InvalidCommand` with the field at fault."""

        def fault(name: str, detail: str) -> InvalidCommand:
            return InvalidCommand(detail, field=f"{below}config.{name}")

        def whole(name: str, default: int, least: int, most: int) -> int:
            value = config.get(name, default)
            if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
                raise fault(name, f"{name} must be a whole number from {least} to {most}")
            return value

        def patterns(name: str) -> tuple[str, ...]:
            value = config.get(name) or []
            texts = isinstance(value, list) and all(
                isinstance(one, str) and 0 < len(one) <= PATTERN_CHARS for one in value
            )
            if not texts or len(value) > PATTERNS:
                raise fault(
                    name,
                    f"{name} must be a list of at most {PATTERNS} patterns such as /docs/*",
                )
            return tuple(value)

        root = normalised(config.get("root_url"))
        if root is None:
            raise fault("root_url", "root_url must be an http or https address")
        sitemap = None
        if config.get("sitemap_url") is not None:
            sitemap = normalised(config["sitemap_url"])
            if sitemap is None:
                raise fault("sitemap_url", "sitemap_url must be an http or https address")
        respect = config.get("respect_robots", True)
        if not isinstance(respect, bool):
            raise fault("respect_robots", "respect_robots must be true or false")
        delay = config.get("delay_seconds", 1.0)
        number = isinstance(delay, int | float) and not isinstance(delay, bool)
        if not number or not MIN_DELAY <= delay <= MAX_DELAY:
            raise fault(
                "delay_seconds", f"delay_seconds must be from {MIN_DELAY} to {MAX_DELAY:.0f}"
            )
        return cls(
            root_url=root,
            sitemap_url=sitemap,
            max_pages=whole("max_pages", 50, 1, MAX_PAGES),
            max_depth=whole("max_depth", 3, 0, MAX_DEPTH),
            include=patterns("include"),
            exclude=patterns("exclude"),
            respect_robots=respect,
            delay_seconds=float(delay),
        )

    def holds(self, url: str) -> bool:
        """Whether a normalised address is of this site: the same host, with or without `www.`."""
        return site_of(url) == site_of(self.root_url)

    def objection(self, url: str, depth: int) -> str | None:
        """Why a page of the site is not imported, by its address; None if it is."""
        if depth > self.max_depth:
            return f"more than {self.max_depth} links away from the root"
        if self.include and not _any_matches(self.include, url):
            return "not among what is to be included"
        if _any_matches(self.exclude, url):
            return "excluded"
        return None

    def found(
        self, addresses: Sequence[str], *, base: str, depth: int, via: Via
    ) -> list[FoundPage]:
        """The pages of the site among `addresses`, each once, with what stands against them."""
        pages: dict[str, FoundPage] = {}
        for address in addresses:
            url = normalised(address, base)
            if url is None or url in pages or not self.holds(url) or is_asset(url):
                continue
            pages[url] = FoundPage(url=url, depth=depth, via=via, skip=self.objection(url, depth))
        return list(pages.values())


def normalised(address: object, base: str | None = None) -> str | None:
    """The one spelling of an address; None if it is no http address that can be visited.

    Without fragment, default port and what only tells where a visitor came from.
    """
    if not isinstance(address, str) or len(address) > URL_CHARS:
        return None
    try:
        parts = urlsplit(urljoin(base, address.strip()) if base else address.strip())
        port = parts.port
        host = (parts.hostname or "").encode("idna").decode()
    except ValueError:
        return None
    if parts.scheme not in DEFAULT_PORTS or not host or parts.username is not None:
        return None
    if ":" in host:
        host = f"[{host}]"
    place = host if port in (None, DEFAULT_PORTS[parts.scheme]) else f"{host}:{port}"
    query = parts.query
    if TRACKING.search(query):
        kept = [pair for pair in parse_qsl(query, True) if not TRACKING.fullmatch(pair[0])]
        query = urlencode(kept)
    path = urljoin("/", quote(parts.path, SAFE)) or "/"
    url = urlunsplit((parts.scheme, place, path, quote(query, SAFE), ""))
    return url if len(url) <= URL_CHARS else None


def site_of(url: str) -> str:
    """Host and port, the same for http and https, and with and without `www.`."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return host.removeprefix("www.")


def is_asset(url: str) -> bool:
    return ASSET.search(urlsplit(url).path) is not None


def _any_matches(patterns: Sequence[str], url: str) -> bool:
    """A pattern with a scheme is meant for the whole address, any other for its path and query."""
    parts = urlsplit(url)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return any(fnmatchcase(url if "://" in one else path, one) for one in patterns)
