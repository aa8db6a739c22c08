"""The widget in pages of others, in a real browser."""

import asyncio
import re
from collections.abc import Iterator

import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.e2e.browsing import Site, barriers, opened, site
from tests.harness import Tenant

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(600)]

TEXT = (
    "You can return any item within 30 days of delivery, unused and in its original packaging. "
    "Refunds go to the original payment method within five working days."
)
QUESTION = "How long can I return an item?"
REFUSED = ("403", "[minirag]")


@pytest.fixture
def bot(tenant: Tenant) -> str:
    made = tenant.bot(name="Shop help", model="local/extractive")
    source = tenant.source(made, TEXT, name="Returns policy")
    tenant.ingest(source)
    tenant.ready(source)
    return made


@pytest.fixture
def shop(tenant: Tenant) -> Iterator[Site]:
    with site(tenant.url) as made:
        yield made


def public_key(tenant: Tenant, bot: str, *origins: str) -> str:
    body = {"name": "Shop", "bot_profile_id": bot, "allowed_origins": origins}
    answer = tenant.http.post("/v1/widget/keys", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["public_key"])


async def ask(page: Page, question: str = QUESTION) -> None:
    """Ask in the open window, and wait until the answer is there."""
    await page.locator(".widget-input").fill(question)
    await page.keyboard.press("Enter")
    await page.locator("button[aria-pressed]").first.wait_for()


class TestOnAForeignSite:
    async def test_somebody_without_a_mouse_asks_and_reads_the_passage(
        self, browser: Browser, tenant: Tenant, bot: str, shop: Site
    ) -> None:
        shop.script(key=public_key(tenant, bot, shop.origin))
        async with opened(browser) as page:
            await page.goto(shop.origin)
            await page.locator(".widget-bubble").wait_for()
            await page.keyboard.press("Tab")
            await page.keyboard.press("Enter")
            await expect(page.locator("#title")).to_have_text("Shop help")
            await expect(page.locator(".widget-input")).to_be_focused()
            await page.keyboard.type(QUESTION)
            await page.keyboard.press("Enter")
            mark = page.locator(".cite").first
            await mark.focus()
            await page.keyboard.press("Enter")
            await expect(page.locator("blockquote mark")).to_contain_text("within 30 days")
            for _ in range(20):
                await page.keyboard.press("Tab")
            focused = "document.activeElement.tagName"
            assert await page.evaluate(focused) == "MINIRAG-WIDGET"
            await page.keyboard.press("Escape")
            await expect(page.locator("dialog")).to_be_hidden()
            await expect(page.locator(".widget-bubble")).to_be_focused()

    async def test_the_site_keeps_its_style_to_itself(
        self, browser: Browser, tenant: Tenant, bot: str, shop: Site
    ) -> None:
        shop.script(key=public_key(tenant, bot, shop.origin))
        async with opened(browser) as page:
            await page.goto(shop.origin)
            await page.locator(".widget-bubble").click()
            await page.locator(".widget-input").wait_for()
            for part, name, value in (
                ("minirag-widget", "transform", "none"),
                (".widget-bubble", "backgroundColor", "rgb(20, 24, 26)"),
                (".widget-bubble", "width", "56px"),
                ("dialog", "opacity", "1"),
                ("dialog", "backgroundColor", "rgb(255, 255, 255)"),
                ("#title", "textTransform", "none"),
                (".msg-assistant", "color", "rgb(20, 24, 26)"),
            ):
                read = f"node => getComputedStyle(node).{name}"
                found = await page.locator(part).first.evaluate(read)
                assert found == value, (part, name)
            font = "node => getComputedStyle(node).fontFamily"
            assert "Georgia" not in await page.locator(".msg-assistant").first.evaluate(font)

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("width", [1280, 390])
    async def test_nobody_is_kept_out(
        self, browser: Browser, tenant: Tenant, bot: str, shop: Site, scheme: str, width: int
    ) -> None:
        shop.script(key=public_key(tenant, bot, shop.origin), starters=f"{QUESTION}|Hello?")
        size = {"width": width, "height": 800}
        async with opened(browser, color_scheme=scheme, viewport=size) as page:
            await page.goto(shop.origin)
            await page.locator(".widget-bubble").click()
            await page.get_by_role("button", name=QUESTION).click()
            await page.locator(".cite").first.click()
            await page.locator("blockquote mark").wait_for()
            mine = [one for one in await barriers(page) if "A shop" not in one]
            assert mine == []

    async def test_another_site_cannot_use_the_key(
        self, browser: Browser, tenant: Tenant, bot: str, shop: Site
    ) -> None:
        shop.script(key=public_key(tenant, bot, "https://shop.example"))
        async with opened(browser, *REFUSED) as page:
            await page.goto(shop.origin)
            await page.locator(".widget-bubble").click()
            await expect(page.locator(".widget-bubble")).to_be_hidden()

    async def test_pages_made_for_the_original_go_on_working(
        self, browser: Browser, tenant: Tenant, bot: str, shop: Site
    ) -> None:
        body = {"name": "page", "bot_profile_id": bot, "scopes": ["chat"]}
        token = tenant.http.post("/v1/api-tokens", json=body).json()["raw_token"]
        shop.script(bot_id=bot, api_token=token, api_url=tenant.url, title="Ask us")
        async with opened(browser) as page:
            await page.goto(shop.origin)
            await page.locator("minirag-widget .widget-bubble").click()
            await expect(page.locator(".widget-title")).to_have_text("Ask us")
            await ask(page)
            await expect(page.locator(".msg-assistant").last).to_contain_text("30 days")


class TestAConversation:
    async def test_goes_on_behind_a_broken_connection(
        self, browser: Browser, tenant: Tenant, bot: str, shop: Site
    ) -> None:
        shop.script(key=public_key(tenant, bot, shop.origin))
        cut: list[int] = []

        async def half(route: Route) -> None:
            answer = await route.fetch()
            body = await answer.body()
            # In the middle of the first piece of text, and of a character's frame.
            end = body.index(b"event: delta") + 30
            cut.append(end)
            await route.fulfill(response=answer, body=body[:end])

        async with opened(browser) as page:
            await page.route(re.compile(r"/v1/chat$"), half)
            await page.goto(shop.origin)
            await page.locator(".widget-bubble").click()
            await ask(page)
            assert len(cut) == 1
            shown = await page.locator(".msg-assistant .body").last.inner_text()
            kept = await page.evaluate("JSON.parse(Object.values(sessionStorage)[0]).chat")
            (said,) = (
                message["content"]
                for message in tenant.http.get(f"/v1/chat/{kept}/messages").json()
                if message["role"] == "assistant"
            )
            plain = re.sub(r"\W", "", said)
            assert re.sub(r"\W", "", shown) == plain

    async def test_is_still_there_after_the_page_is_left(
        self, browser: Browser, tenant: Tenant, bot: str, shop: Site
    ) -> None:
        shop.script(key=public_key(tenant, bot, shop.origin))
        async with opened(browser) as page:
            await page.goto(shop.origin)
            await page.locator(".widget-bubble").click()
            await ask(page)
            async with page.expect_response(re.compile("/feedback$")) as given:
                await page.get_by_role("button", name="Helpful", exact=True).click()
            assert (await (await given.value).json())["feedback"] == "positive"
            await page.reload()
            await page.locator(".widget-bubble").click()
            await expect(page.locator(".msg-user")).to_contain_text(QUESTION)
            helpful = page.get_by_role("button", name="Helpful", exact=True)
            await expect(helpful).to_have_attribute("aria-pressed", "true")
            await page.locator(".cite").first.click()
            await expect(page.locator("blockquote mark")).to_contain_text("30 days")

    async def test_begins_anew_when_asked(
        self, browser: Browser, tenant: Tenant, bot: str, shop: Site
    ) -> None:
        shop.script(key=public_key(tenant, bot, shop.origin), lang="de", greeting="Moin!")
        async with opened(browser) as page:
            await page.goto(shop.origin)
            await page.locator(".widget-bubble").click()
            await ask(page)
            await page.get_by_role("button", name="Neue Unterhaltung").click()
            await expect(page.locator(".msg")).to_have_count(1)
            await expect(page.locator(".msg")).to_have_text("Moin!")

    async def test_tells_why_a_question_was_refused_and_asks_again(
        self, browser: Browser, tenant: Tenant, bot: str, shop: Site
    ) -> None:
        shop.script(key=public_key(tenant, bot, shop.origin))
        problem = '{"title": "Too many", "detail": "Come back later", "status": 429}'

        async def busy(route: Route) -> None:
            headers = {"Access-Control-Allow-Origin": shop.origin}
            await route.fulfill(status=422, body=problem, headers=headers)

        async with opened(browser, "422") as page:
            await page.route(re.compile(r"/v1/chat$"), busy)
            await page.goto(shop.origin)
            await page.locator(".widget-bubble").click()
            await page.locator(".widget-input").fill(QUESTION)
            await page.keyboard.press("Enter")
            await expect(page.get_by_role("alert")).to_contain_text("Come back later")
            await page.unroute(re.compile(r"/v1/chat$"))
            await page.get_by_role("button", name="Try again").click()
            await expect(page.locator(".msg-assistant").last).to_contain_text("30 days")
            await expect(page.locator(".msg-user")).to_have_count(1)

    async def test_can_be_stopped_before_it_has_begun(
        self, browser: Browser, tenant: Tenant, bot: str, shop: Site
    ) -> None:
        shop.script(key=public_key(tenant, bot, shop.origin))
        asked = asyncio.Event()

        async def never(_route: Route) -> None:
            asked.set()

        async with opened(browser) as page:
            await page.route(re.compile(r"/v1/chat$"), never)
            await page.goto(shop.origin)
            await page.locator(".widget-bubble").click()
            await page.locator(".widget-input").fill(QUESTION)
            await page.keyboard.press("Enter")
            await asked.wait()
            await page.get_by_role("button", name="Stop").click()
            await expect(page.locator(".msg-assistant").last).to_contain_text("Stopped.")
            await page.unroute(re.compile(r"/v1/chat$"))
            await ask(page)
            await expect(page.locator(".msg-assistant").last).to_contain_text("30 days")

    async def test_begins_anew_where_the_chat_is_gone(
        self, browser: Browser, tenant: Tenant, bot: str, shop: Site
    ) -> None:
        shop.script(key=public_key(tenant, bot, shop.origin))
        forget = """() => {
          const [name] = Object.keys(sessionStorage);
          const kept = JSON.parse(sessionStorage[name]);
          sessionStorage[name] = JSON.stringify({ ...kept, chat: crypto.randomUUID() });
        }"""
        async with opened(browser, "404") as page:
            await page.goto(shop.origin)
            await page.locator(".widget-bubble").click()
            await ask(page)
            await page.evaluate(forget)
            await page.reload()
            await page.locator(".widget-bubble").click()
            await expect(page.locator(".msg-user")).to_have_count(0)
            await ask(page)
            await expect(page.locator(".msg-assistant").last).to_contain_text("30 days")
