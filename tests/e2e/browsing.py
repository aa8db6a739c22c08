"""A real browser, and pages of others that hold the widget."""

import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, ConsoleMessage, Page, expect
from typing_extensions import override

from services.gateway.http import ui

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
AXE = ui.FOLDER / ".tests" / "axe-core" / "axe.min.js"
WAIT_MS = 120_000
HOSTILE = (
    "*{font-family:Georgia,serif!important;color:#5a2d0c!important;text-transform:uppercase"
    "!important}body>*{transform:rotate(9deg)!important}button{background:hotpink!important;"
    "border:5px dashed red!important;width:100%!important}"
    "dialog,div{display:block!important;opacity:.2!important}"
    "svg{display:none!important}:root{--primary:red;--bg:red;--text:red}"
)
"""What a site's stylesheet might say."""
LONG_LISTS = """async base => {
    const [{ html, render }, { Table }, { PageGrid }] = await Promise.all(
        ['lib/kit', 'parts/table', 'parts/page_grid'].map(one => import(`${base}/${one}.js`)));
    const columns = [
        { key: 'name', label: 'Name' }, { key: 'n', label: 'Number', num: true },
        { key: 'act', label: '', cell: row => html`<button class="btn">Open ${row.n}</button>` }];
    const rows = Array.from({ length: 10_000 }, (_, n) => ({ id: n, n, name: `row ${n}` }));
    const outcomes = ['imported', 'unchanged', 'skipped', 'failed', 'pending'];
    const pages = Array.from({ length: 1000 }, (_, n) => (
        { url: `https://example.com/page/${n}`, outcome: outcomes[n % 5], depth: 1, via: 'link' }));
    document.body.replaceChildren();
    for (const [id, view] of [
        ['rows', html`<${Table} rows=${rows} columns=${columns} caption="Rows"/>`],
        ['pages', html`<${PageGrid} pages=${pages}/>`]]) {
        const box = document.createElement('main');
        box.id = id;
        document.body.append(box);
        render(view, box);
    }
}"""
"""Draws ten thousand rows into `#rows` and a website of a thousand pages into `#pages`, with the
parts of the dashboard. Gets the address of its files.
"""


expect.set_options(timeout=WAIT_MS)


@asynccontextmanager
async def opened(browser: Browser, *allowed: str, **context: Any) -> AsyncIterator[Page]:
    """A page in a fresh profile. Whatever it complains about fails the test, unless a complaint
    holds one of the `allowed` words.
    """
    said: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            said.append(message.text)

    profile = await browser.new_context(
        **{"locale": "en-GB", "reduced_motion": "reduce", **context}
    )
    try:
        page = await profile.new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("console", note)
        page.on("pageerror", lambda error: said.append(str(error)))
        yield page
        complaints = [one for one in said if not any(word in one for word in allowed)]
        assert not complaints, complaints
    finally:
        await profile.close()


async def barriers(page: Page, rule: str | None = None) -> list[str]:
    """What axe finds that keeps people out (WCAG 2.0 to 2.2, A and AA, and best practices), or
    what it finds by one rule alone.
    """
    if not await page.evaluate("Boolean(window.axe)"):
        await page.evaluate(AXE.read_text())
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    only = {"type": "rule", "values": [rule]} if rule else {"type": "tag", "values": tags}
    found = await page.evaluate(
        "only => axe.run({runOnly: only, resultTypes: ['violations']})", only
    )
    return [
        f"{one['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


async def looked_at(page: Page) -> None:
    """As it stands, wide and narrow, light and dark: nobody is kept out, and nothing sticks out."""
    size = page.viewport_size
    for width in (1360, 390):
        await page.set_viewport_size({"width": width, "height": 900})
        await page.emulate_media(color_scheme="light")
        assert await barriers(page) == [], width
        await page.emulate_media(color_scheme="dark")
        assert await barriers(page, "color-contrast") == [], (width, "dark")
        assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, width
    await page.emulate_media(color_scheme="light")
    if size is not None:
        await page.set_viewport_size(size)


async def sign_in(page: Page, email: str, password: str) -> None:
    """From the page that asks for it to the dashboard, in whatever language."""
    await page.locator("input[name=email]").fill(email)
    await page.locator("input[name=password]").fill(password)
    await page.keyboard.press("Enter")
    await page.get_by_role("navigation").wait_for()


class Site:
    """Somebody's website, with a stylesheet and a Content-Security-Policy of its own."""

    def __init__(self, server: ThreadingHTTPServer, gateway: str) -> None:
        self.origin = f"http://127.0.0.1:{server.server_address[1]}"
        self.gateway = gateway
        self.body = ""

    @property
    def policy(self) -> str:
        """As strict as it can be with the widget."""
        return (
            f"default-src 'self'; script-src {self.gateway}; style-src 'self'; img-src data:; "
            f"connect-src {self.gateway}; require-trusted-types-for 'script'"
        )

    def script(self, **data: str) -> None:
        """Put the widget into the page, by the settings of its script tag."""
        attributes = "".join(f' data-{name.replace("_", "-")}="{v}"' for name, v in data.items())
        self.body = (
            f'<script src="{self.gateway}/dashboard/widget/minirag-widget.js"{attributes} async>'
            "</script>"
        )


@contextmanager
def site(gateway: str) -> Iterator[Site]:
    """A site on another origin than the gateway's."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page, style = self.path == "/", self.path == "/site.css"
            self.send_response(200 if page or style else 404)
            self.send_header("Content-Type", "text/css" if style else "text/html; charset=utf-8")
            if page:
                self.send_header("Content-Security-Policy", made.policy)
            self.end_headers()
            text = (
                '<!doctype html><html lang="en"><head><title>A shop</title>'
                '<link rel="stylesheet" href="/site.css"><link rel="icon" href="data:,"></head>'
                f"<body><main><h1>A shop</h1><p>Welcome.</p></main>{made.body}</body></html>"
            )
            self.wfile.write(HOSTILE.encode() if style else text.encode() if page else b"")

        @override
        def log_message(self, *_args: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Site(server, gateway)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()


def has_libraries() -> bool:
    """Whether npm has fetched what the pages are made of."""
    return (ui.FOLDER / ui.VENDOR).is_dir() and Path(AXE).is_file()
