"""The dashboard, the widget and the demo page: files of `services/gateway/ui`, held in memory.

They are what a browser runs, as they stand: there is no build. Their addresses carry a hash of
all of them, so that a browser may keep each for ever and still sees a new version at once.
"""

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

FOLDER = Path(__file__).resolve().parents[1] / "ui"
VENDOR = "vendor"
MEDIA_TYPES: Mapping[str, str] = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}
"""What may be served, by the end of its name."""
COMPRESSED = frozenset({".woff2"})
"""Packing these again gains nothing."""
SERVED = ("app", "demo", "widget", VENDOR)
VERSION = "__VERSION__"
LOADER = "widget/minirag-widget.js"
FOR_EVER = "public, max-age=31536000, immutable"
SOON = "public, max-age=300"
FOR_OTHER_SITES: Mapping[str, str] = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
"""The widget's parts are modules, which a browser fetches by the rules of CORS."""
INLINE = re.compile(r'<script type="importmap">(.*?)</script>', re.DOTALL)
NOT_FETCHED = """<!doctype html><html lang="en"><meta charset="utf-8"><title>MiniRAG</title>
<h1>The dashboard is not installed yet</h1>
<p>Its libraries are fetched by <code>make install</code>. The API works without them.</p></html>
"""


DemoKey = Callable[[], Awaitable[str | None]]
"""Names the public key of the demo bot, or None when there is none."""


async def no_demo() -> str | None:
    """For an installation without a demo bot."""
    return None


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, plain and packed."""

    media_type: str
    plain: bytes
    packed: bytes | None

    def answer(self, request: Request, headers: Mapping[str, str]) -> Response:
        """The file, packed for whoever can unpack it."""
        sent = {**headers, "Vary": "Accept-Encoding"}
        body = self.plain
        if self.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
            sent["Content-Encoding"] = "gzip"
            body = self.packed
        return Response(body, headers=sent, media_type=self.media_type)


class Files:
    """All files of the user interface, read once."""

    def __init__(self, folder: Path = FOLDER) -> None:
        found = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for top in SERVED
            for path in sorted((folder / top).rglob("*"))
            if path.is_file() and path.suffix in MEDIA_TYPES
        }
        self.complete = any(name.startswith(f"{VENDOR}/") for name in found)
        digest = hashlib.sha256()
        for name, body in found.items():
            digest.update(f"{name} {len(body)} ".encode() + body)
        self.version = digest.hexdigest()[:16]
        self._assets = {name: _asset(name, body) for name, body in found.items()}

    def get(self, name: str) -> Asset | None:
        return self._assets.get(name)

    def text(self, name: str) -> str:
        """A page or script that names the version."""
        return self._assets[name].plain.decode().replace(VERSION, self.version)

    def names(self) -> Iterator[str]:
        yield from self._assets


def _asset(name: str, body: bytes) -> Asset:
    suffix = Path(name).suffix
    packed = None if suffix in COMPRESSED else gzip.compress(body, mtime=0)
    return Asset(MEDIA_TYPES[suffix], body, packed)


def policy(page: str) -> str:
    """The Content-Security-Policy of a page: nothing from elsewhere, and no text becomes code.

    Of what stands in the page itself only the import map runs, by its hash (CSP level 3, 8.4).
    """
    hashes = "".join(
        f" 'sha256-{base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()}'"
        for inline in INLINE.findall(page)
    )
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self'{hashes}",
            "style-src 'self'",
            "img-src 'self' data:",
            "font-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def routes(demo_key: DemoKey, ui: Files) -> list[BaseRoute]:
    """Everything below /dashboard, and /demo. They show what is public; the API asks who calls."""
    pages = {name: _page(ui, f"{name}/index.html") for name in ("app", "demo")}
    loader = _asset(LOADER, ui.text(LOADER).encode())

    async def dashboard(request: Request) -> Response:
        return pages["app"](request)

    async def demo(request: Request) -> Response:
        return pages["demo"](request)

    async def demo_settings(_request: Request) -> Response:
        return Response(
            json.dumps({"key": await demo_key()}),
            media_type="application/json",
            headers={"Cache-Control": "no-store"},
        )

    async def widget(request: Request) -> Response:
        return loader.answer(request, {"Cache-Control": SOON, **FOR_OTHER_SITES})

    async def asset(request: Request) -> Response:
        found = ui.get(request.path_params["name"])
        if found is None:
            return Response("Not Found", 404, media_type="text/plain")
        # While replicas are replaced, a page of the other version may come here.
        current = request.path_params["version"] == ui.version
        kept = FOR_EVER if current else "no-store"
        return found.answer(request, {"Cache-Control": kept, **FOR_OTHER_SITES})

    return [
        Route("/dashboard/widget/minirag-widget.js", widget),
        Route("/dashboard/assets/{version}/{name:path}", asset),
        Route("/demo/settings.json", demo_settings),
        Route("/demo", demo),
        Route("/dashboard", dashboard),
        Route("/dashboard/{page:path}", dashboard),
    ]


def _page(ui: Files, name: str) -> Callable[[Request], Response]:
    text = ui.text(name) if ui.complete else NOT_FETCHED
    page = _asset(name, text.encode())
    headers = {"Cache-Control": "no-cache", "Content-Security-Policy": policy(text)}
    return lambda request: page.answer(request, headers)
