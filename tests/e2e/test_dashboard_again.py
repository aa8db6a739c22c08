"""What the server turned away for the moment, the dashboard asks for again, in a real browser."""

import asyncio
import re
from collections import Counter

import pytest
from playwright.async_api import Browser, Page, Request, Route, expect

from services.gateway.http import ui
from tests.e2e.browsing import barriers, opened, sign_in
from tests.harness import PASSWORD, Tenant

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(600)]

UNAVAILABLE = "503"
DETAIL = "Too many requests at a time; try again in a moment."
LOADED = re.compile(r"/v1/|/openapi\.json$")
USERS = "**/v1/users"
PAGES = (
    "", "/bots", "/sources", "/chats", "/playground", "/unanswered", "/usage", "/budgets",
    "/webhooks", "/events", "/audit", "/tokens", "/team", "/settings", "/settings?letters=replayed",
)  # fmt: skip
SEEN = """state => {
    Object.defineProperty(document, 'visibilityState', { value: state, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
}"""
PAUSES = """async base => {
    const { pause } = await import(`${base}/lib/again.js`);
    const seconds = (error, tries) => pause(error, tries, 0) / 1000;
    return [
        [0, 1, 2, 9].map(tries => seconds({ status: 503, after: 2 }, tries)),
        [0, 9].map(tries => seconds({ status: 429, after: 300 }, tries)),
        seconds({ status: 503, after: 0 }, 0),
        pause({ status: 503, after: 2 }, 0, 1) / 1000,
        [{ status: 503 }, { status: 503, after: 601 }, { status: 500, after: 1 }, {}]
            .filter(error => pause(error, 0) !== undefined),
    ];
}"""


async def refuse(route: Route, after: str = "1") -> None:
    problem = {"status": 503, "title": "Service Unavailable", "detail": DETAIL}
    await route.fulfill(status=503, json=problem, headers={"Retry-After": after})


async def once_each(page: Page) -> Counter[str]:
    """From now on each path is refused the first time that it is read; returns which were."""
    refused: Counter[str] = Counter()

    async def answer(route: Route) -> None:
        url = route.request.url.split("?")[0]
        if route.request.method != "GET" or refused[url] > 0:
            await route.continue_()
        else:
            refused[url] += 1
            await refuse(route)

    await page.route(LOADED, answer)
    return refused


class TestAPageThatWasTurnedAway:
    @pytest.mark.parametrize("path", PAGES)
    async def test_shows_all_of_it_without_a_click(
        self, browser: Browser, tenant: Tenant, path: str
    ) -> None:
        await asyncio.to_thread(tenant.bot, name="Guide", model="local/extractive")
        async with opened(browser, UNAVAILABLE) as page:
            await page.goto(f"{tenant.url}/dashboard")
            await sign_in(page, tenant.email, PASSWORD)
            refused = await once_each(page)
            await page.goto(f"{tenant.url}/dashboard{path}")
            await expect(page.locator("main h1")).to_be_visible()
            await expect(page.locator("main .problem, main .wait, .stale")).to_have_count(0)
            await expect(page.locator("nav", has_text="Budgets")).to_be_visible()
            assert len(refused) > 1

    async def test_says_so_and_leaves_the_button(self, browser: Browser, tenant: Tenant) -> None:
        async with opened(browser, UNAVAILABLE, locale="de-DE") as page:
            await page.route(USERS, lambda route: refuse(route, "300"))
            await page.goto(f"{tenant.url}/dashboard/team")
            await sign_in(page, tenant.email, PASSWORD)
            problem = page.locator(".problem")
            await expect(problem).to_contain_text("Es wird von selbst noch einmal versucht.")
            await expect(problem).not_to_contain_text("Too many")
            assert await barriers(page, "color-contrast") == []
            await page.unroute(USERS)
            await page.get_by_role("button", name="Erneut versuchen").click()
            await expect(page.locator("tbody")).to_contain_text(tenant.email)

    async def test_is_left_alone_while_nobody_sees_it(
        self, browser: Browser, tenant: Tenant
    ) -> None:
        asked = 0

        async def answer(route: Route) -> None:
            nonlocal asked
            asked += 1
            await refuse(route)

        async with opened(browser, UNAVAILABLE) as page:
            await page.clock.install()
            await page.route(USERS, answer)
            await page.goto(f"{tenant.url}/dashboard/team")
            await sign_in(page, tenant.email, PASSWORD)
            await page.locator(".problem").wait_for()
            await page.evaluate(SEEN, "hidden")
            before = asked
            await page.clock.run_for(600_000)
            assert asked == before
            await page.unroute(USERS)
            await page.evaluate(SEEN, "visible")
            await expect(page.locator("tbody")).to_contain_text(tenant.email)

    async def test_shows_what_was_there_before_until_then(
        self, browser: Browser, tenant: Tenant
    ) -> None:
        bot = await asyncio.to_thread(tenant.bot, name="Guide", model="local/extractive")
        async with opened(browser, UNAVAILABLE) as page:
            await page.goto(f"{tenant.url}/dashboard/bots/{bot}")
            await sign_in(page, tenant.email, PASSWORD)
            await page.get_by_label("Description").fill("Knows the shop.")
            await once_each(page)
            await page.get_by_role("button", name="Save").click()
            await expect(page.locator(".stale")).to_contain_text("may be old")
            await expect(page.locator(".stale")).to_have_count(0)
            await expect(page.get_by_label("Description")).to_have_value("Knows the shop.")


class TestAPageThatWasAnswered:
    async def test_asks_once_and_for_nothing_besides(
        self, browser: Browser, tenant: Tenant
    ) -> None:
        bot = await asyncio.to_thread(tenant.bot, name="Guide", model="local/extractive")
        chat = (await asyncio.to_thread(tenant.ask, bot, "Is anybody there?"))["chat_id"]
        async with opened(browser) as page:
            await page.goto(f"{tenant.url}/dashboard/team")
            await sign_in(page, tenant.email, PASSWORD)
            for path, there in (
                (f"/bots/{bot}?tab=retrieval", "main form"), (f"/chats/{chat}", ".assistant"),
                ("/team", "tbody"),
            ):  # fmt: skip
                asked: Counter[tuple[str, str]] = Counter()

                def note(request: Request, asked: Counter[tuple[str, str]] = asked) -> None:
                    asked[request.method, request.url.removeprefix(tenant.url)] += 1

                page.on("request", note)
                await page.goto(f"{tenant.url}/dashboard{path}")
                await page.locator(there).first.wait_for()
                await page.wait_for_load_state("networkidle")
                page.remove_listener("request", note)
                pages = [url for _, url in asked if url.startswith("/dashboard") and "." not in url]
                assert pages == [f"/dashboard{path}"]
                written = {url: n for (method, url), n in asked.items() if method != "GET"}
                assert written == {"/v1/auth/browser/refresh": 1}


class TestTheButton:
    async def test_asks_for_whatever_failed(self, browser: Browser, tenant: Tenant) -> None:
        await asyncio.to_thread(tenant.bot, name="Guide", model="local/extractive")
        async with opened(browser, "ERR_FAILED") as page:
            await page.route("**/v1/sources", lambda route: route.abort())
            await page.goto(f"{tenant.url}/dashboard/bots")
            await sign_in(page, tenant.email, PASSWORD)
            await page.locator(".problem").wait_for()
            await page.unroute("**/v1/sources")
            await page.get_by_role("button", name="Try again").click()
            await expect(page.locator("tbody")).to_contain_text("Guide")


class TestAPause:
    async def test_grows_and_is_never_less_than_was_told(
        self, browser: Browser, tenant: Tenant
    ) -> None:
        async with opened(browser) as page:
            await page.goto(f"{tenant.url}/dashboard")
            await page.locator("input[name=email]").wait_for()
            base = f"/dashboard/assets/{ui.Files().version}/app"
            assert await page.evaluate(PAUSES, base) == [[2, 4, 8, 60], [300, 300], 1, 2.5, []]
