"""`python -m bench.scrolling`: how long a browser is busy at a time while long lists are scrolled.

Draws ten thousand rows and a website of a thousand pages with the parts of the dashboard, scrolls
both from top to bottom, and prints the longest task twice: by the clock, as the browser's
PerformanceObserver tells it (Long Tasks API, W3C: tasks of 50 ms and more), and by what the page's
main thread really computed, from the browser's trace. On a busy machine only the second is the
page's own. Only files are served; nothing of MiniRAG runs.
"""

import asyncio
import socket
import sys
from collections.abc import Iterable
from typing import Any

import orjson
import uvicorn
from playwright.async_api import Browser, Page, async_playwright
from starlette.applications import Starlette

from services.gateway.http import ui
from tests.e2e.browsing import CHROMIUM, LONG_LISTS

STEPS = 60
OBSERVE = """() => {
    window.longest = 0;
    window.most = 0;
    new PerformanceObserver(list => {
        for (const task of list.getEntries()) window.longest = Math.max(longest, task.duration);
    }).observe({ type: 'longtask', buffered: false });
}"""
SCROLL = """async ([id, steps]) => {
    const box = document.querySelector(`#${id} .many`);
    const far = box.scrollHeight - box.clientHeight;
    for (let i = 0; i <= steps; i++) {
        box.scrollTop = far * i / steps;
        await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
        window.most = Math.max(most, box.querySelectorAll('tr').length);
    }
}"""


async def scrolled(browser: Browser, page: Page, lists: str) -> tuple[float, float, int]:
    """The longest task in ms by the clock (0: none took 50) and by the thread's own time, and the
    most rows that were drawn at a time.
    """
    await page.evaluate(OBSERVE)
    await browser.start_tracing(page=page, categories=["toplevel", "__metadata"])
    await page.evaluate(SCROLL, [lists, STEPS])
    trace = await browser.stop_tracing()
    longest, most = await page.evaluate("[longest, most]")
    return float(longest), longest_own(orjson.loads(trace)["traceEvents"]), int(most)


def longest_own(events: Iterable[dict[str, Any]]) -> float:
    """Of the tasks of pages' main threads in a trace, the longest in ms of the thread's time."""
    told = list(events)
    main = {
        (event["pid"], event["tid"])
        for event in told
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    took = [
        event["tdur"] / 1000
        for event in told
        if (event["pid"], event["tid"]) in main and event.get("tdur") is not None
    ]
    return max(took, default=0.0)


async def run() -> None:
    """Measure both."""
    files = ui.Files()
    app = Starlette(routes=ui.routes(ui.no_demo, files))
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
        serving = asyncio.create_task(server.serve([door]))
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
            )
            page = await browser.new_page()
            await page.goto(f"http://127.0.0.1:{door.getsockname()[1]}/dashboard/tokens")
            await page.evaluate(LONG_LISTS, f"/dashboard/assets/{files.version}/app")
            for name in ("rows", "pages"):
                longest, own, most = await scrolled(browser, page, name)
                sys.stdout.write(
                    f"{name}: longest task {longest:.0f} ms, {own:.0f} of them its own, "
                    f"{most} rows drawn\n"
                )
            await browser.close()
        server.should_exit = True
        await serving


if __name__ == "__main__":
    asyncio.run(run())
