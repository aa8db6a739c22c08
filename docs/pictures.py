"""`make screenshots`: pictures of every page of the dashboard and of the widget.

Starts an embedded installation on an empty folder, fills it with a small shop's data, and saves
every page, light and dark, for a desk and for a phone, as PNG into `docs/screenshots`. The folder
is git-ignored: pictures are made from the pages, never kept beside them. Options: `--only <part of
a page's name>`, `--out <folder>`.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright

from docs.shop import Shop, shop
from tests.e2e.browsing import CHROMIUM, sign_in
from tests.harness import Installation

OUT = Path(__file__).parent / "screenshots"
WAIT_MS = 60_000


@dataclass(frozen=True, slots=True)
class View:
    """How a page is looked at."""

    name: str
    width: int
    height: int
    scheme: str
    locale: str


VIEWS = (
    View("desktop-light", 1360, 850, "light", "en-GB"),
    View("desktop-dark", 1360, 850, "dark", "en-GB"),
    View("phone-light", 390, 844, "light", "de-DE"),
    View("phone-dark", 390, 844, "dark", "en-GB"),
)


async def settled(page: Page) -> None:
    """Wait until the page shows what it has."""
    await page.locator("main h1").wait_for()
    await page.locator("[aria-busy=true]").first.wait_for(state="detached")
    await page.evaluate("document.fonts.ready.then(() => true)")


async def picture(page: Page, target: Path) -> None:
    await page.screenshot(path=target, animations="disabled", caret="hide")


async def dashboard(browser: Browser, at: Shop, view: View, only: str, out: Path) -> int:
    """Every page of one view; returns how many were taken."""
    context = await browser.new_context(
        viewport={"width": view.width, "height": view.height},
        color_scheme="dark" if view.scheme == "dark" else "light",
        locale=view.locale,
        reduced_motion="reduce",
    )
    try:
        page = await context.new_page()
        page.set_default_timeout(WAIT_MS)
        await page.goto(f"{at.url}/dashboard")
        await page.locator("input[name=email]").wait_for()
        taken = 0
        if only in "signin":
            await picture(page, out / f"signin-{view.name}.png")
            taken += 1
        await sign_in(page, at.email, at.password)
        for name, path in at.pages.items():
            if only not in name:
                continue
            await page.goto(f"{at.url}/dashboard{path}")
            await settled(page)
            await picture(page, out / f"{name}-{view.name}.png")
            taken += 1
        if only in "widget":
            await page.goto(f"{at.url}/demo#key={at.widget_key}")
            await page.locator(".widget-bubble").click()
            await page.locator(".widget-input").fill("How long can I return an item?")
            await page.keyboard.press("Enter")
            await page.locator(".msg-assistant .votes, .msg-assistant button").first.wait_for()
            await picture(page, out / f"widget-{view.name}.png")
            taken += 1
        return taken
    finally:
        await context.close()


async def take(at: Shop, only: str, out: Path, views: Sequence[View] = VIEWS) -> int:
    """All pictures of a shop that runs."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        try:
            return sum([await dashboard(browser, at, view, only, out) for view in views])
        finally:
            await browser.close()


def main() -> None:
    """Take them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="pages whose name holds this")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    if CHROMIUM is None:
        parser.error("needs Chromium: apt-get install chromium")
    given.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="minirag-pictures-") as folder:
        Path(folder).chmod(0o711)
        running = Installation(Path(folder)).start()
        try:
            with shop(running.url) as at:
                taken = asyncio.run(take(at, given.only, given.out))
        finally:
            running.stop()
    sys.stdout.write(f"{taken} pictures in {given.out}\n")


if __name__ == "__main__":
    main()
