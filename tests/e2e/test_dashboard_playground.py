"""The playground in the dashboard, in a real browser."""

import pytest
from playwright.async_api import Browser, expect

from tests.e2e.test_dashboard_work import RETURNS, working
from tests.harness import Tenant

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(300)]


async def test_two_variants_are_tried_and_the_better_one_is_told(
    browser: Browser, tenant: Tenant
) -> None:
    bot = tenant.bot(name="Guide", model="local/extractive")
    source = tenant.source(bot, RETURNS, name="Returns")
    tenant.ingest(source)
    tenant.ready(source)
    async with working(browser, tenant, f"/playground?bot={bot}") as page:
        await page.get_by_role("button", name="New suite").click()
        await page.locator("dialog").get_by_label("Title").fill("Returns")
        await page.locator("dialog").get_by_role("button", name="Save").click()
        await page.get_by_role("button", name="Add a question").click()
        dialog = page.locator("dialog")
        await dialog.get_by_label("Question", exact=True).fill("How long can I return an item?")
        await dialog.get_by_label("It must say").fill("30 days")
        await dialog.get_by_role("button", name="Save").click()
        await expect(page.locator("summary", has_text="1 question")).to_be_visible()
        second = page.locator(".variant").nth(1)
        await second.get_by_label("Title").fill("Never answers")
        await second.get_by_label("Floor").fill("1")
        await page.get_by_role("button", name="What would it cost?").click()
        await expect(page.locator(".estimate")).to_contain_text("2 answers, 0 calls of a model")
        await page.get_by_role("button", name="Ask all").click()
        await expect(page.locator(".verdict")).to_contain_text("A As published wins.")
        rows = page.locator(".sums tbody tr")
        await expect(rows).to_have_count(2)
        await expect(rows.nth(1)).to_contain_text("-1.000, with 95 % between -1.000 and -1.000")
        await page.locator(".compared summary").click()
        answers = page.locator(".answer")
        await expect(answers.nth(0)).to_contain_text("30 days")
        await expect(answers.nth(1).locator("ins").first).to_be_visible()
