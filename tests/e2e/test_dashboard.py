"""The dashboard, in a real browser."""

import asyncio
import re
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, FilePayload, Page, expect

from tests.e2e.browsing import barriers, looked_at, opened, sign_in, site
from tests.harness import PASSWORD, Installation, Tenant, website

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(600)]

SHOP = b"""<!doctype html><html lang="en"><title>Returns</title><main><h1>Returns</h1>
<p>You can return any item within 30 days of delivery, unused and in its original packaging.</p>
<p>Return labels are free inside the European Union. Refunds go to the original payment method
within five working days.</p><h2>Shipping</h2><p>We ship to Germany, Austria and Switzerland.
Delivery takes two to four days. Express delivery costs nine euros.</p></main></html>"""
PAGES = (
    "", "/start", "/import", "/bots", "/sources", "/chats", "/unanswered", "/usage", "/budgets",
    "/webhooks", "/events", "/audit", "/tokens", "/team", "/settings", "/playground",
)  # fmt: skip
GO = "to => { history.pushState(null, '', to); dispatchEvent(new PopStateEvent('popstate')) }"
"""To another page as a link does: the frame stays."""
CHANGES = re.compile("^(Save|Switch off|Add|New|Read it now|Delete|Revoke|Make|Change role|Remove)")
"""Buttons for those who may change things."""
SPITEFUL = "<img src=x onerror=\"document.title='broken'\">"


@asynccontextmanager
async def signed_in(
    browser: Browser, tenant: Tenant, *allowed: str, **context: Any
) -> AsyncIterator[Page]:
    """The overview of a tenant's owner."""
    async with opened(browser, *allowed, **context) as page:
        await page.goto(f"{tenant.url}/dashboard")
        await sign_in(page, tenant.email, PASSWORD)
        yield page


def _filled(tenant: Tenant) -> list[str]:
    """The address of every page and drawer below /dashboard, with something on each."""
    bot = tenant.bot(name="Guide", model="local/extractive")
    source = tenant.source(bot, "You can return any item within 30 days.", name="Returns")
    tenant.ingest(source)
    tenant.ready(source)
    tenant.http.patch(f"/v1/sources/{source}", json={"content": "Within 45 days."})
    tenant.ingest(source)
    tenant.ready(tenant.source(bot, name="Empty"), "pending")
    chat = tenant.ask(bot, "How long can I return an item?")["chat_id"]
    tenant.ask(bot, "Who was the first on the moon?")
    for body in ({"limit": 5}, {"limit": 1, "unit": "tokens", "hard_stop": True}):
        tenant.http.post("/v1/budgets", json=body).raise_for_status()
    with website({"/": ("text/html", SHOP)}) as pages:
        config = {"root_url": f"{pages}/", "delay_seconds": 0.2}
        site = tenant.source(bot, name="Shop", source_type="website", config=config)
        tenant.ingest(site)
        tenant.ready(site)
    tenant.ready(source)
    event = tenant.http.get("/v1/events", headers={"Accept": "application/json"}).json()[0]["id"]
    details = (
        f"/bots/{bot}", f"/bots/{bot}?tab=retrieval&q=return", f"/bots/{bot}?tab=index",
        f"/bots/{bot}?tab=embed", f"/chats/{chat}", f"/sources/{site}",
    )  # fmt: skip
    drawers = (
        f"/sources?open={source}", f"/sources?open={source}&part=revisions",
        f"/sources?open={source}&part=passages", "/sources?add=1", f"/events?open={event}",
    )  # fmt: skip
    return [*PAGES, *details, *drawers]


class TestANewOwner:
    async def test_gets_from_nothing_to_a_bot_on_her_page(
        self, browser: Browser, installation: Installation
    ) -> None:
        url, name = installation.url, f"shop-{uuid.uuid4().hex[:10]}"
        with website({"/": ("text/html", SHOP)}) as pages, site(url) as shop:
            async with opened(browser) as page:
                await page.goto(f"{url}/dashboard")
                await page.get_by_role("button", name="Create a workspace").click()
                await page.get_by_label("Company or project").fill(name)
                await page.get_by_label("Your name").fill("Mira")
                await page.get_by_label("E-mail").fill(f"mira@{name}.example.com")
                await page.get_by_label("Password").fill(PASSWORD)
                await page.get_by_role("button", name="Create the workspace").click()
                await page.get_by_label("Name of the bot").fill("Shop help")
                await page.get_by_label("Address").fill(f"{pages}/")
                await page.get_by_role("button", name="Read it").click()
                await expect(page.locator(".facts")).to_contain_text("Ready to answer")
                await expect(page.locator(".facts")).to_contain_text("answers with 1 passage")
                await page.get_by_label("Your question").fill("How long can I return an item?")
                await page.keyboard.press("Enter")
                await expect(page.locator(".msg-assistant")).to_contain_text("30 days")
                await page.get_by_role("button", name="Helpful", exact=True).click()
                await page.get_by_role("textbox", name="Your website").fill(shop.origin)
                await page.get_by_role("button", name="Make the code").click()
                shop.body = await page.locator(".code code").inner_text()
                await page.get_by_label("Greeting").fill("What would you like to know?")
                await page.get_by_role("button", name="Save").click()
                await expect(page.get_by_text("Saved.")).to_be_visible()
                await page.goto(shop.origin)
                await page.locator(".widget-bubble").click()
                await expect(page.locator(".widget-title")).to_have_text("Shop help")
                await expect(page.locator(".msg").first).to_contain_text("What would you like")
                await page.locator(".widget-input").fill("How long can I return an item?")
                await page.keyboard.press("Enter")
                await expect(page.locator(".msg-assistant").last).to_contain_text("30 days")


class TestAnEmptyWorkspace:
    async def test_shows_every_page_and_what_to_do_first(
        self, browser: Browser, tenant: Tenant
    ) -> None:
        async with signed_in(browser, tenant) as page:
            heading = page.locator("main h1")
            before = await heading.inner_text()
            for path in PAGES[1:]:
                await page.evaluate(GO, f"/dashboard{path}")
                await expect(heading).not_to_have_text(before)
                await expect(page.locator("[aria-busy=true]")).to_have_count(0)
                before = await heading.inner_text()
            await page.get_by_role("link", name="Set up a bot").click()
            await expect(heading).to_have_text("Set up a bot")


class TestAMember:
    async def test_is_offered_nothing_that_would_be_refused(
        self, browser: Browser, tenant: Tenant
    ) -> None:
        bot = tenant.bot(name="Guide", model="local/extractive")
        source = tenant.source(bot, "You can return any item within 30 days.", name="Returns")
        member = tenant.user("member")
        async with opened(browser) as page:
            await page.goto(f"{tenant.url}/dashboard/bots/{bot}")
            await sign_in(page, member.email, PASSWORD)
            for path, there in (
                (f"/bots/{bot}", "minirag-chat"), (f"/sources?open={source}", "dialog .kv"),
                ("/webhooks", ".empty"), ("/tokens", "td code"),
                (f"/team?role={member.id}", "tbody tr:first-child .st"),
            ):  # fmt: skip
                await page.evaluate(GO, f"/dashboard{path}")
                await page.locator(there).wait_for()
                await expect(page.get_by_role("button", name=CHANGES)).to_have_count(0)
            for path in ("/start", "/audit"):
                await page.evaluate(GO, f"/dashboard{path}")
                await expect(page.locator("main h2")).to_have_text("This is for owners and admins")


class TestASession:
    async def test_lasts_beyond_the_page_and_ends_with_signing_out(
        self, browser: Browser, tenant: Tenant
    ) -> None:
        async with signed_in(browser, tenant) as page:
            (cookie,) = await page.context.cookies()
            assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
            assert "token" not in await page.evaluate("JSON.stringify(localStorage)")
            await page.reload()
            await page.get_by_role("button", name="Sign out").click()
            await page.get_by_label("Password").wait_for()
            await page.reload()
            await page.get_by_label("Password").wait_for()
            assert await page.context.cookies() == []

    async def test_is_not_given_for_a_wrong_password(
        self, browser: Browser, tenant: Tenant
    ) -> None:
        async with opened(browser, "401") as page:
            await page.goto(f"{tenant.url}/dashboard/team")
            await page.get_by_label("E-mail").fill(tenant.email)
            await page.get_by_label("Password").fill("not the right one")
            await page.get_by_role("button", name="Sign in", exact=True).click()
            await expect(page.get_by_role("alert")).to_have_text("Invalid email or password")
            await sign_in(page, tenant.email, PASSWORD)
            await expect(page.locator("h1")).to_have_text("Team")

    def test_is_of_no_use_to_another_site(self, tenant: Tenant) -> None:
        body = {"email": tenant.email, "password": PASSWORD, "tenant_slug": tenant.slug}
        with httpx.Client(base_url=tenant.url, timeout=30, trust_env=False) as http:
            made = http.post("/v1/auth/browser/login", json=body)
            assert made.status_code == 200
            assert "refresh_token" not in made.json()
            for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
                assert http.post("/v1/auth/browser/refresh", headers=headers).status_code == 403
                assert http.post("/v1/auth/browser/logout", headers=headers).status_code == 403
            own = {"Origin": tenant.url, "Sec-Fetch-Site": "same-origin"}
            assert http.post("/v1/auth/browser/refresh", headers=own).status_code == 200
            assert http.post("/v1/auth/browser/logout", headers=own).status_code == 200
            assert http.post("/v1/auth/browser/refresh", headers=own).status_code == 204

    def test_of_nobody_is_no_error(self, tenant: Tenant) -> None:
        answer = httpx.post(f"{tenant.url}/v1/auth/browser/refresh", timeout=30, trust_env=False)
        assert answer.status_code == 204


class TestEveryPage:
    @pytest.mark.parametrize(("width", "locale"), [(1360, "en-GB"), (390, "de-DE")])
    async def test_keeps_nobody_out(
        self, browser: Browser, tenant: Tenant, width: int, locale: str
    ) -> None:
        paths = await asyncio.to_thread(_filled, tenant)
        size = {"width": width, "height": 900}
        async with opened(browser, viewport=size, locale=locale) as page:
            await page.goto(f"{tenant.url}/dashboard")
            await page.locator("input[name=email]").wait_for()
            assert await barriers(page) == []
            await sign_in(page, tenant.email, PASSWORD)
            for path in paths:
                await page.evaluate(GO, f"/dashboard{path}")
                await page.locator("main h1").wait_for()
                await expect(page.locator("[aria-busy=true]")).to_have_count(0)
                await page.emulate_media(color_scheme="light")
                assert await barriers(page) == [], path
                await page.emulate_media(color_scheme="dark")
                assert await barriers(page, "color-contrast") == [], (path, "dark")
                wide = "document.documentElement.scrollWidth - innerWidth"
                assert await page.evaluate(wide) <= 0, path

    async def test_is_found_by_its_name(self, browser: Browser, tenant: Tenant) -> None:
        async with signed_in(browser, tenant) as page:
            await page.keyboard.press("Control+k")
            await page.keyboard.type("Tea")
            await page.keyboard.press("Enter")
            await expect(page.locator("h1")).to_have_text("Team")
            await page.go_back()
            await expect(page.locator("h1")).to_contain_text("Hello")

    async def test_shows_what_others_wrote_without_running_it(
        self, browser: Browser, tenant: Tenant
    ) -> None:
        bot = tenant.bot(name=SPITEFUL, model="local/extractive", description=SPITEFUL)
        text = f"Returns take 30 days. {SPITEFUL} [here](javascript:alert(1))"
        source = tenant.source(bot, text, name=SPITEFUL)
        tenant.ingest(source)
        tenant.ready(source)
        chat = tenant.ask(bot, f"How many days do returns take? {SPITEFUL}")["chat_id"]
        async with signed_in(browser, tenant) as page:
            for path in (
                "/bots", f"/bots/{bot}", "/sources", f"/sources?open={source}", f"/chats/{chat}",
            ):  # fmt: skip
                await page.goto(f"{tenant.url}/dashboard{path}")
                await expect(page.get_by_text("onerror").first).to_be_attached()
                assert await page.title() != "broken"
                assert await page.locator("img, a[href^=javascript]").count() == 0


class TestSources:
    async def test_of_every_kind_are_added_watched_and_deleted(
        self, browser: Browser, tenant: Tenant
    ) -> None:
        tenant.bot(name="Guide", model="local/extractive")
        async with signed_in(browser, tenant) as page:
            await page.goto(f"{tenant.url}/dashboard/sources?add=1")
            await page.get_by_text("Text", exact=True).first.click()
            await page.get_by_label("Title").fill("A note")
            await page.locator("textarea[name=text]").fill("We deliver to Austria in two days.")
            await page.locator("dialog").get_by_role("button", name="Add source").click()
            await expect(page.locator(".facts")).to_contain_text("Ready to answer")
            last_read = page.locator("dialog dt", has_text="Last read").locator("+ dd")
            await expect(last_read).not_to_have_text("never")
            await page.keyboard.press("Escape")
            await page.get_by_role("button", name="Add source").click()
            await page.get_by_text("File", exact=True).click()
            file = FilePayload(name="hours.txt", mimeType="text/plain", buffer=b"Open until 18:00.")
            await page.locator("input[type=file]").set_input_files([file])
            await page.locator("dialog").get_by_role("button", name="Add source").click()
            await expect(page.locator(".facts")).to_contain_text("Ready to answer")
            await page.get_by_role("button", name="Delete").click()
            await page.get_by_role("button", name="Delete").click()
            await expect(page.locator("dialog")).to_have_count(0)
            await expect(page.locator("tbody tr")).to_have_count(1)
            await expect(page.locator("tbody tr")).to_contain_text("A note")


class TestTokens:
    async def test_are_shown_once_and_revoked(self, browser: Browser, tenant: Tenant) -> None:
        async with signed_in(browser, tenant) as page:
            await page.goto(f"{tenant.url}/dashboard/tokens")
            await page.get_by_role("button", name="New token").click()
            await page.get_by_label("Name").fill("nightly job")
            await page.get_by_role("button", name="Make it").click()
            shown = await page.locator(".code code").first.inner_text()
            assert tenant.with_(shown).get("/v1/auth/me").status_code == 200
            await page.get_by_role("button", name="I have kept it").click()
            row = page.locator("tr", has_text="nightly job")
            await row.get_by_role("button", name="Revoke").click()
            await row.get_by_role("button", name="Revoke").click()
            await expect(row).to_contain_text("revoked")
            assert tenant.with_(shown).get("/v1/auth/me").status_code == 401


class TestTeam:
    async def test_gives_people_another_role(self, browser: Browser, tenant: Tenant) -> None:
        user = tenant.user("member")
        async with signed_in(browser, tenant) as page:
            await page.goto(f"{tenant.url}/dashboard/team")
            row = page.locator("tr", has_text=user.email)
            await row.get_by_role("button", name="Change role").press("Enter")
            role = page.get_by_role("combobox", name="Role")
            await expect(role).to_be_focused()
            await expect(role).to_have_value("member")
            await looked_at(page)
            await page.keyboard.press("a")
            await page.keyboard.press("Tab")
            await page.keyboard.press("Enter")
            await expect(page.get_by_text("It counts from now on.")).to_be_visible()
            await expect(row.locator("td[data-label=Role]")).to_have_text("admin")
            await expect(page.locator("dialog")).to_have_count(0)
            mine = page.locator("tr", has_text=tenant.email)
            await expect(mine.get_by_role("button")).to_have_count(0)
        assert user.http.get("/v1/auth/me").json()["user"]["role"] == "admin"

    async def test_offers_an_admin_only_what_she_may_do(
        self, browser: Browser, tenant: Tenant
    ) -> None:
        admin, member = tenant.user("admin"), tenant.user("member")
        async with opened(browser, locale="de-DE") as page:
            await page.goto(f"{tenant.url}/dashboard/team?role={member.id}")
            await sign_in(page, admin.email, PASSWORD)
            dialog = page.get_by_role("dialog", name=f"Rolle von {member.email}")
            options = dialog.get_by_role("combobox", name="Rolle").locator("option")
            await expect(options).to_have_text([re.compile("Mitglied: "), re.compile("Admin: ")])
            await page.keyboard.press("Escape")
            await expect(page.locator("tr", has_text=tenant.email)).to_contain_text("Inhaber")
            change = page.get_by_role("button", name="Rolle ändern")
            await expect(change).to_have_count(1)


class TestEvents:
    async def test_are_shown_as_they_happen(self, browser: Browser, tenant: Tenant) -> None:
        bot = tenant.bot(name="Guide", model="local/extractive")
        async with signed_in(browser, tenant) as page:
            await page.get_by_role("navigation").get_by_role("link", name="Events").click()
            await expect(page.locator("tbody tr").last).to_contain_text("bot_profile.created")
            await expect(page.locator(".head")).to_contain_text("live")
            await asyncio.to_thread(tenant.ask, bot, "Is anybody there?")
            await expect(page.locator("tbody")).to_contain_text("chat.question")
            await page.get_by_role("button", name="bot_profile.created").click()
            await expect(page.locator("dialog pre")).to_contain_text(bot)


class TestWebhooks:
    async def test_are_added_tried_and_deleted(self, browser: Browser, tenant: Tenant) -> None:
        async with signed_in(browser, tenant) as page:
            with website({}) as receiver:
                await page.goto(f"{tenant.url}/dashboard/webhooks")
                await page.get_by_role("button", name="Add a webhook").click()
                await page.get_by_label("Address").fill(f"{receiver}/hook")
                await page.get_by_role("button", name="Add", exact=True).click()
                await expect(page.locator("dialog pre")).to_contain_text("whsec_")
                await page.keyboard.press("Escape")
                await page.get_by_role("link", name="/hook").click()
                await page.get_by_role("button", name="Send a test").click()
                await page.get_by_role("button", name="test.ping").click()
                # The receiver is a website, which takes no POST.
                await expect(page.locator("dialog .facts")).to_contain_text("501")
                await page.keyboard.press("Escape")
            await page.get_by_role("button", name="Delete").click()
            await page.get_by_role("button", name="Delete").click()
            await page.get_by_role("link", name="Webhooks").last.click()
            await expect(page.locator(".empty")).to_contain_text("Nobody is told yet")


class TestChats:
    async def test_are_read_rated_and_taken_along(self, browser: Browser, tenant: Tenant) -> None:
        bot = tenant.bot(name="Guide", model="local/extractive")
        source = tenant.source(bot, "You can return any item within 30 days.", name="Returns")
        tenant.ingest(source)
        tenant.ready(source)
        tenant.ask(bot, "How long can I return an item?")
        async with signed_in(browser, tenant) as page:
            await page.goto(f"{tenant.url}/dashboard/chats")
            await page.get_by_role("link", name="How long can I return an item?").click()
            await expect(page.locator(".message.assistant")).to_contain_text("30 days")
            async with page.expect_response(re.compile("/feedback$")):
                await page.get_by_role("button", name="Not helpful").click()
            async with page.expect_download() as taken:
                await page.get_by_role("button", name="CSV").click()
            path = await (await taken.value).path()
            assert "negative" in path.read_text()
