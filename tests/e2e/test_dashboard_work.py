"""What is done in the dashboard day by day, in a real browser."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, Page, expect

from services.gateway.http import ui
from tests.e2e import inside
from tests.e2e.browsing import LONG_LISTS, looked_at, opened, sign_in
from tests.harness import PASSWORD, Installation, Tenant, eventually, website

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(600)]

RETURNS = "You can return any item within 30 days. Labels are free in the European Union."


@asynccontextmanager
async def working(
    browser: Browser, tenant: Tenant, path: str, *allowed: str
) -> AsyncIterator[Page]:
    """A page of the dashboard, of a tenant's owner."""
    async with opened(browser, *allowed) as page:
        await page.goto(f"{tenant.url}/dashboard{path}")
        await sign_in(page, tenant.email, PASSWORD)
        yield page


@pytest.fixture
def bot(tenant: Tenant) -> str:
    return tenant.bot(name="Guide", model="local/extractive")


@pytest.fixture
def source(tenant: Tenant, bot: str) -> str:
    made = tenant.source(bot, RETURNS, name="Returns")
    tenant.ingest(made)
    tenant.ready(made)
    return made


class TestAWebsite:
    async def test_is_looked_at_imported_and_shown_page_by_page(
        self, browser: Browser, tenant: Tenant, bot: str
    ) -> None:
        text = "<html><body><main><h1>{0}</h1><p>All that we know about {0}.</p>{1}</main></body>"
        links = '<a href="/boots">boots</a> <a href="/secret">x</a> <a href="/gone">y</a>'
        pages = {
            "/": ("text/html", text.format("the shop", links).encode()),
            "/boots": ("text/html", text.format("boots", "").encode()),
            "/secret": ("text/html", text.format("secrets", "").encode()),
        }
        with website(pages) as site:
            async with working(browser, tenant, f"/import?bot={bot}") as page:
                await page.get_by_label("Address of the website").fill(site)
                await page.get_by_text("More settings").click()
                await page.get_by_label("No addresses like").fill("/secret")
                await page.get_by_label("Seconds between two pages").fill("0.2")
                await page.get_by_role("button", name="Look what is there").click()
                await expect(page.locator("h2")).to_have_text("3 pages would be read")
                await page.get_by_role("button", name="Start the import").click()
                await expect(page.locator(".crawl")).to_contain_text("import finished")
                await expect(page.locator(".crawl")).to_contain_text("3 of 4 pages")
                for outcome, path in (("imported", "/boots"), ("skipped", "/secret")):
                    await page.get_by_role("button", name=re.compile(f"^{outcome}")).click()
                    await expect(page.locator("tbody")).to_contain_text(path)
                await page.get_by_role("button", name=re.compile("^failed")).click()
                await expect(page.locator("tbody tr")).to_have_count(1)
                await expect(page.locator("tbody tr")).to_contain_text("404")


class TestASource:
    async def test_goes_back_to_what_it_was(
        self, browser: Browser, tenant: Tenant, source: str
    ) -> None:
        longer = {"content": f"{RETURNS}\n\nGift cards cannot be returned."}
        tenant.http.patch(f"/v1/sources/{source}", json=longer).raise_for_status()
        tenant.ingest(source)
        async with working(browser, tenant, f"/sources?open={source}&part=revisions") as page:
            revisions = page.locator(".revisions li")
            await expect(revisions.filter(has_text="answers")).to_contain_text("Revision 2")
            await page.get_by_role("button", name="What changed").click()
            await expect(page.locator(".diff .plus", has_text="Gift cards")).to_have_count(1)
            await page.get_by_role("button", name="Undo the last change").click()
            await page.get_by_role("button", name="Undo the last change").click()
            back = revisions.filter(has_text="answers")
            await expect(back).to_contain_text("as revision 1 was")
            await page.locator("dialog").get_by_role("button", name="Passages").click()
            await expect(page.locator(".passages")).to_contain_text("30 days")
            await expect(page.locator(".passages")).not_to_contain_text("Gift cards")


class TestABot:
    async def test_tells_what_it_finds_and_why(
        self, browser: Browser, tenant: Tenant, bot: str, source: str
    ) -> None:
        assert source
        async with working(browser, tenant, f"/bots/{bot}?tab=retrieval&q=return+an+item") as page:
            await expect(page.locator(".verdict")).to_have_text("it would answer")
            first = page.locator(".hits li").first
            await expect(first).to_contain_text("given to the model as [1]")
            await expect(first.locator("mark").first).to_have_text("return")
            await page.get_by_label("Question").fill("Who was the first on the moon?")
            await page.get_by_role("button", name="Look", exact=True).click()
            await expect(page.locator(".verdict")).not_to_have_text("it would answer")

    async def test_is_cut_otherwise_once_the_price_is_known(
        self, browser: Browser, tenant: Tenant, bot: str, source: str
    ) -> None:
        assert source
        async with working(browser, tenant, f"/bots/{bot}?tab=index") as page:
            await page.get_by_label("Characters of a passage, at most").fill("400")
            await page.get_by_role("button", name="What would it cost?").click()
            await expect(page.locator(".estimate")).to_contain_text("costs nothing")
            await page.get_by_role("button", name="Make the index anew").click()
            await page.get_by_role("button", name="Make the index anew").click()
            await expect(page.locator("dl.kv")).to_contain_text("400 characters")
            await expect(page.get_by_text("index active")).to_be_visible()

    async def test_is_tried_with_what_is_not_saved(
        self, browser: Browser, tenant: Tenant, bot: str, source: str
    ) -> None:
        assert source
        async with working(browser, tenant, f"/bots/{bot}") as page:
            await page.get_by_text("When it should not answer").click()
            await page.get_by_label("Evidence that an answer needs").fill("1")
            await page.get_by_label("What it says when it does not know").fill("Ask the captain.")
            await expect(page.locator(".draft")).to_contain_text("Evidence that an answer needs")
            await page.get_by_label("Your question").fill("How long can I return an item?")
            await page.keyboard.press("Enter")
            await expect(page.locator(".msg-assistant")).to_contain_text("Ask the captain.")
            await expect(page.locator(".side .tag")).to_have_text("unsaved draft")
            await page.get_by_role("button", name="Discard").click()
            await expect(page.locator(".draft p")).to_have_count(0)
            await page.get_by_label("Your question").fill("How long can I return an item?")
            await page.keyboard.press("Enter")
            await expect(page.locator(".msg-assistant").last).to_contain_text("30 days")
            await expect(page.locator(".side .tag")).to_have_count(0)
        assert tenant.http.get(f"/v1/bot-profiles/{bot}").json()["floor"] is None

    async def test_keeps_what_is_set_for_it(
        self, browser: Browser, tenant: Tenant, bot: str
    ) -> None:
        async with working(browser, tenant, f"/bots/{bot}") as page:
            await page.get_by_text("When it should not answer").click()
            await page.get_by_label("Hosts that answers may link to").fill("*.example.com")
            await page.get_by_label("Give an answer again").check()
            await page.get_by_role("button", name="Save").click()
            await expect(page.get_by_text("Saved. The next answer uses it.")).to_be_visible()
        kept = tenant.http.get(f"/v1/bot-profiles/{bot}").json()
        assert kept["link_hosts"] == ["*.example.com"]
        assert kept["cache_answers"] is True
        assert kept["floor"] is None


class TestSettings:
    async def test_tell_whether_a_key_works_and_how_long_chats_are_kept(
        self, browser: Browser, tenant: Tenant, bot: str
    ) -> None:
        tenant.ask(bot, "Is anybody there?")
        async with working(browser, tenant, "/settings") as page:
            keys = page.locator("section", has_text="Language models and keys")
            await keys.get_by_label("Model").fill("gpt-4o-mini")
            await keys.get_by_label("API key").fill("sk-none")
            await keys.get_by_label("API address").fill("http://127.0.0.1:9/v1")
            await keys.get_by_role("button", name="Test model and key").first.click()
            told = keys.locator(".outcome", has_text="gpt-4o-mini")
            await expect(told).to_contain_text("did not answer")
            await keys.locator("li").get_by_role("button", name="Test model and key").click()
            await expect(keys.locator("li .outcome")).to_contain_text("It works.")
            kept = page.locator(".kept", has_text="Erase chats so many days")
            await kept.get_by_label("Erase chats so many days").fill("30")
            await kept.get_by_role("button", name="What would that erase?").click()
            await expect(kept).to_contain_text("0 chats")
            await kept.get_by_role("button", name="Save").click()
            await kept.get_by_role("button", name="Save").click()
            await expect(kept).to_contain_text("erased 30 days after")
            await expect(page.get_by_text("Nothing was given up.")).to_be_visible()
            for label, days in (("Keep entries", "365"), ("Keep deliveries", "30")):
                kept = page.locator(".kept", has_text=label)
                await kept.get_by_label(label).fill(days)
                await kept.get_by_role("button", name="Save").click()
                await kept.get_by_role("button", name="Save").click()
                await expect(kept).to_contain_text(f"kept for {days} days")
        answer = tenant.http.get("/v1/tenants/me/retention")
        assert answer.json() == {"chats_days": 30, "audit_days": 365, "deliveries_days": 30}

    async def test_have_what_was_given_up_done_once_more_or_let_go(
        self, browser: Browser, installation: Installation, tenant: Tenant
    ) -> None:
        for _ in range(2):
            await asyncio.to_thread(inside.plant, installation.data_dir, tenant.id)
        listed = "/v1/system/dead-letters"
        await asyncio.to_thread(eventually, lambda: len(tenant.http.get(listed).json()) == 2)
        before = {one["id"] for one in tenant.http.get(listed).json()}
        async with working(browser, tenant, "/settings") as page:
            letters = page.locator(".letters li")
            await expect(letters).to_have_count(2)
            await letters.first.get_by_role("button", name="Discard").click()
            await looked_at(page)
            await letters.first.get_by_role("button", name="Discard").click()
            await expect(letters).to_have_count(1)
            await letters.get_by_role("button", name="Do it once more").click()
            await letters.get_by_role("button", name="Do it once more").click()

            def others() -> bool:
                """Nobody knows that command still: it is given up as another letter."""
                return not before & {one["id"] for one in tenant.http.get(listed).json()}

            await asyncio.to_thread(eventually, others)
            await asyncio.to_thread(eventually, lambda: tenant.http.get(listed).json())
            await page.reload()
            await letters.get_by_role("button", name="Discard").click()
            await letters.get_by_role("button", name="Discard").click()
            await expect(page.get_by_text("Nothing was given up.")).to_be_visible()
            state = page.locator(".letters-state select")
            await state.select_option("replayed")
            await expect(letters).to_have_count(1)
            await expect(letters).to_contain_text(f"ordered by {tenant.email}")
            await state.select_option("discarded")
            await expect(letters).to_have_count(2)
            await expect(letters.last).to_contain_text(f"by {tenant.email}")
            await expect(letters.get_by_role("button")).to_have_count(0)
            await looked_at(page)
            await page.reload()
            await expect(state).to_have_value("discarded")


class TestWhatIsOld:
    async def test_stays_to_be_seen_and_says_so(
        self, browser: Browser, tenant: Tenant, source: str
    ) -> None:
        assert source
        async with working(browser, tenant, "/sources", "ERR_FAILED") as page:
            await expect(page.locator("tbody tr")).to_have_count(1)
            await page.route("**/v1/sources", lambda route: route.abort())
            await expect(page.locator(".stale")).to_contain_text("may be old")
            await expect(page.locator("tbody tr")).to_have_count(1)
            await page.unroute("**/v1/sources")
            await page.get_by_role("button", name="Try again").click()
            await expect(page.locator(".stale")).to_have_count(0)
            await page.get_by_label("Filter sources").fill("nothing like it")
            await page.get_by_role("button", name="Show all").click()
            await expect(page.locator("tbody tr")).to_have_count(1)


class TestMoney:
    async def test_is_limited_by_a_budget(self, browser: Browser, tenant: Tenant) -> None:
        async with working(browser, tenant, "/budgets") as page:
            await page.get_by_role("button", name="New budget").click()
            await page.get_by_label("Name").fill("Everything")
            await page.get_by_label("Limit").fill("25")
            await page.get_by_label("Refuse questions").check()
            await page.get_by_role("button", name="Save").click()
            await expect(page.locator(".budget")).to_contain_text("of $25.00 a month")
            await expect(page.locator(".budget .tag")).to_have_text("stops")
            await page.get_by_role("button", name="Delete").click()
            await page.get_by_role("button", name="Delete").click()
            await expect(page.locator(".empty")).to_contain_text("No budget yet")


class TestWhatHappened:
    async def test_is_found_in_the_audit_log_and_taken_along(
        self, browser: Browser, tenant: Tenant, bot: str
    ) -> None:
        asked = {"action": "bot_profile.created"}
        eventually(lambda: tenant.http.get("/v1/audit-log", params=asked).json())
        async with working(browser, tenant, "/audit") as page:
            what = page.get_by_role("combobox", name="What", exact=True)
            await what.select_option("bot_profile.created")
            await expect(page.locator("tbody tr")).to_have_count(1)
            await page.locator("tbody tr button").click()
            await expect(page.locator("dialog")).to_contain_text(bot)
            await page.keyboard.press("Escape")
            async with page.expect_download() as taken:
                await page.get_by_role("button", name="CSV").click()
            lines = (await (await taken.value).path()).read_text().splitlines()
            assert [line for line in lines[1:] if "bot_profile.created" not in line] == []
            assert len(lines) == 2

    async def test_is_seen_as_it_was_then(
        self, browser: Browser, tenant: Tenant, bot: str, source: str
    ) -> None:
        assert bot
        async with working(browser, tenant, "/events") as page:
            row = page.locator("tr", has_text=source[:8]).filter(has_text="source.ingested")
            await row.get_by_role("button", name="source.ingested").click()
            travel = page.locator(".travel")
            await expect(travel.locator("ins").first).to_be_visible()
            await expect(travel).to_contain_text("chunk_count")
            await travel.get_by_role("button", name="Before").click()
            await expect(travel).not_to_contain_text("chunk_count")
            caused = page.locator("dialog .facts")
            await expect(caused).to_contain_text("source.ingestion_started")
            await expect(caused.locator("[aria-current]")).to_contain_text("source.ingested")
            await expect(travel).to_contain_text(source)

    async def test_shows_gaps(
        self, browser: Browser, tenant: Tenant, bot: str, source: str
    ) -> None:
        assert source
        tenant.ask(bot, "Who was the first on the moon?")
        async with working(browser, tenant, "/unanswered") as page:
            await expect(page.locator("tbody tr")).to_contain_text("Who was the first on the moon?")
            await page.get_by_role("link", name="Look why").click()
            await expect(page.locator(".verdict")).to_be_visible()


class TestLongLists:
    async def test_draw_what_can_be_seen(self, browser: Browser, tenant: Tenant) -> None:
        async with opened(browser) as page:
            await page.goto(f"{tenant.url}/dashboard")
            await page.locator("input[name=email]").wait_for()
            await page.evaluate(LONG_LISTS, f"/dashboard/assets/{ui.Files().version}/app")
            table, grid = page.locator("#rows"), page.locator("#pages")
            await expect(table.locator("table")).to_have_attribute("aria-rowcount", "10001")
            for box, last in ((table, "row 9999"), (grid, "/page/999")):
                assert await box.locator("tbody tr").count() < 100
                await box.locator(".many").evaluate("box => box.scrollTo(0, box.scrollHeight)")
                await expect(box.locator("tbody")).to_contain_text(last)
                assert await box.locator("tbody tr").count() < 100
            assert await grid.locator("svg *").count() < 20
            await table.get_by_role("button", name="Number").click()
            await table.get_by_role("button", name="Number").click()
            await expect(table.locator("tbody tr:not(.gap)").first).to_contain_text("row 9999")
