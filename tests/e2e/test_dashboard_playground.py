"""The playground in the dashboard, in a real browser: from what was asked to what is published."""

import asyncio
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from tests.e2e.browsing import looked_at, opened, sign_in
from tests.e2e.test_dashboard_work import RETURNS, working
from tests.e2e.test_reindexing import settled
from tests.harness import PASSWORD, Tenant, eventually

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(600)]

ASKED = "How long can I return an item?"
LATER = "An item that you return can also be exchanged within 60 days, as long as it has its box."


@pytest.fixture
def bot(tenant: Tenant) -> str:
    made = tenant.bot(name="Guide", model="local/extractive")
    source = tenant.source(made, RETURNS, name="Returns")
    tenant.ingest(source)
    tenant.ready(source)
    return made


async def test_a_variant_is_proven_published_and_taken_back(
    browser: Browser, tenant: Tenant, bot: str
) -> None:
    async with working(browser, tenant, f"/playground?bot={bot}", "409") as page:
        await _with_suite(page)
        dialog = page.locator("dialog")
        versions = page.locator("section", has_text="Versions").locator("tbody tr")
        await page.get_by_label("Gate of the bot").check()
        await expect(versions).to_have_count(2)
        second = page.locator(".variant").nth(1)
        await second.get_by_label("Title").fill("Never answers")
        await second.get_by_label("Floor").fill("1")
        await page.get_by_role("button", name="What would it cost?").click()
        await expect(page.locator(".estimate")).to_contain_text("2 answers, 0 calls of a model")
        await page.get_by_role("button", name="Ask all").click()
        verdict = page.locator(".verdict")
        await expect(verdict).to_contain_text("Variant A (“As published”) wins.")
        rows = page.locator(".sums tbody tr")
        await expect(rows).to_have_count(2)
        await expect(rows.nth(1)).to_contain_text("-1.000, with 95 % between -1.000 and -1.000")
        await page.locator(".compared summary").click()
        answers = page.locator(".answer")
        await expect(answers.nth(0)).to_contain_text("30 days")
        await expect(answers.nth(1).locator("ins").first).to_be_visible()
        await looked_at(page)

        await rows.nth(1).get_by_role("button", name="Publish").click()
        await expect(dialog).to_contain_text("The gate demands a run of the suite “Returns”")
        await dialog.get_by_role("button", name="Publish").click()
        await expect(dialog.get_by_role("alert")).to_contain_text("significantly worse")
        await looked_at(page)
        await page.keyboard.press("Escape")
        await expect(versions).to_have_count(2)

        await second.get_by_label("Title").fill("Fewer passages")
        await second.get_by_label("Floor").fill("")
        await second.get_by_label("Passages").fill("3")
        await second.get_by_label("Characters of a passage, at most").fill("150")
        await page.get_by_role("button", name="What would it cost?").click()
        await expect(page.locator(".estimate")).to_contain_text("passages to embed")
        await page.get_by_role("button", name="Ask all").click()
        await expect(rows.nth(1)).to_contain_text("Fewer passages")
        await expect(verdict).to_contain_text("Nothing is proven")
        await rows.nth(1).get_by_role("button", name="Publish").click()
        await _tells_of_the_index(page)
        await dialog.get_by_label("Reason").fill("Shorter to read")
        await dialog.get_by_role("button", name="Publish").click()
        await expect(versions.first).to_contain_text("Shorter to read")
        await expect(versions.first).to_contain_text("variant B of a run")
        await expect(versions.first).to_contain_text("answers")
        assert _has(tenant, bot, "top_k", "chunk_size", "chunk_overlap") == (3, 150, None)

        await versions.nth(1).get_by_role("button", name="Go back to it").click()
        await versions.nth(1).get_by_role("button", name="Go back to it").click()
        await expect(versions.first).to_contain_text("as version 2 was")
    assert _has(tenant, bot, "top_k", "chunk_size", "version") == (None, None, 4)


async def test_what_was_asked_becomes_a_question_of_a_suite(
    browser: Browser, tenant: Tenant, bot: str
) -> None:
    liked = tenant.ask(bot, ASKED)["chat_id"]
    disliked = tenant.ask(bot, "Are labels free in the European Union?")["chat_id"]
    tenant.ask(bot, "Who was the first on the moon?")
    await asyncio.to_thread(eventually, lambda: tenant.http.get("/v1/stats/unanswered").json())
    async with working(browser, tenant, f"/chats/{liked}") as page:
        dialog = await _taken(page)
        await expect(dialog.locator("blockquote")).to_have_text(ASKED)
        await expect(dialog.get_by_label("Expected answer")).to_have_value(RETURNS.split(" L")[0])
        await dialog.get_by_label("Title of the suite").fill("From chats")
        await looked_at(page)
        await _added(page)

        await page.goto(f"{tenant.url}/dashboard/chats/{disliked}")
        await page.get_by_role("button", name="Not helpful").click()
        await expect(page.locator(".message.assistant")).to_contain_text("whether a change helps")
        dialog = await _taken(page)
        await expect(dialog.get_by_label("Suite")).to_contain_text("From chats")
        await expect(dialog.get_by_label("Expected answer")).to_have_value("")
        await _added(page)

        await page.goto(f"{tenant.url}/dashboard/unanswered")
        dialog = await _taken(page)
        await dialog.get_by_label("Say that it does not know").check()
        await expect(dialog.get_by_label("Expected answer")).to_have_count(0)
        await _added(page)
    suites = f"/v1/bot-profiles/{bot}/suites"
    (suite,) = tenant.http.get(suites).json()
    found = tenant.http.get(f"{suites}/{suite['id']}/questions").json()
    assert [(one["refused"], bool(one["expected_answer"])) for one in found] == [
        (False, True),
        (False, False),
        (True, False),
    ]
    assert found[0]["chat_id"] == liked


async def test_a_past_turn_is_asked_once_more_and_laid_beside_what_it_was(
    browser: Browser, tenant: Tenant, bot: str
) -> None:
    asked = tenant.ask(bot, ASKED)["chat_id"]
    source = tenant.source(bot, LATER, name="Exchange")
    tenant.ingest(source)
    tenant.ready(source)
    # The passage of then is a chunk of another index now, with the same text.
    tenant.http.patch(f"/v1/bot-profiles/{bot}", json={"chunk_size": 2000}).raise_for_status()
    await asyncio.to_thread(settled, tenant, bot, 1)
    async with working(browser, tenant, f"/chats/{asked}") as page:
        await page.get_by_role("button", name="Replay").click()
        dialog = page.get_by_role("dialog", name="Replay")
        verdict, answers = dialog.get_by_role("status"), dialog.locator(".answer")
        await expect(answers).to_have_count(1)
        await dialog.get_by_label("Those it was given then").check()
        await dialog.get_by_role("button", name="Ask again").click()
        await expect(verdict).to_contain_text("The same answer, word by word.")
        await expect(verdict).to_contain_text("Passages: 1 the same, 0 only now, 0 only then.")
        await dialog.get_by_label("Those that are found today").check()
        await dialog.get_by_label("Instructions").fill("Answer briefly.")
        await dialog.get_by_label("Instructions").press("Shift+Enter")
        await expect(verdict).to_contain_text("Another answer.")
        await expect(verdict).to_contain_text("Passages: 1 the same, 1 only now, 0 only then.")
        await expect(answers.nth(1).locator("ins").first).to_be_visible()
        fresh = answers.nth(1).locator(".only")
        await expect(fresh).to_contain_text("only here")
        await fresh.locator("summary").press("Enter")
        await expect(fresh.locator("blockquote")).to_have_text(LATER)
        await looked_at(page)

        await dialog.get_by_role("button", name="Add to a suite").click()
        adding = page.get_by_role("dialog", name="Add to a suite")
        await adding.get_by_label("Title of the suite").fill("From replays")
        await adding.get_by_role("button", name="Add", exact=True).click()
        await expect(adding).to_have_count(0)
        await dialog.get_by_role("button", name="Open in the playground").click()
        second = page.locator(".variant").nth(1)
        await expect(second.get_by_label("Instructions")).to_have_value("Answer briefly.")
        await page.goto(f"{tenant.url}/dashboard/chats")
        listed = page.locator("tbody tr")
        await expect(listed).to_have_count(3)
        replay = listed.filter(has=page.get_by_text("replay", exact=True))
        await expect(replay).to_have_count(2)
        await replay.first.get_by_role("link").click()
        await page.get_by_role("link", name="the chat that it replays").click()
        await expect(page).to_have_url(f"{tenant.url}/dashboard/chats/{asked}")
    chat = tenant.http.get(f"/v1/chat/{asked}").json()
    assert chat["message_count"] == 2, "the visitor's chat stays as it is"
    member = tenant.user("member")
    async with opened(browser) as page:
        await page.goto(f"{tenant.url}/dashboard/chats/{asked}")
        await sign_in(page, member.email, PASSWORD)
        await expect(page.get_by_role("button", name="Helpful", exact=True)).to_be_visible()
        await expect(page.get_by_role("button", name="Replay")).to_have_count(0)


async def _with_suite(page: Page) -> None:
    """A suite with one question."""
    dialog = page.locator("dialog")
    await page.get_by_role("button", name="New suite").click()
    await dialog.get_by_label("Title").fill("Returns")
    await dialog.get_by_role("button", name="Save").click()
    await page.get_by_role("button", name="Add a question").click()
    await dialog.get_by_label("Question", exact=True).fill(ASKED)
    await dialog.get_by_label("It must say").fill("30 days")
    await dialog.get_by_role("button", name="Save").click()
    await expect(page.locator("summary", has_text="1 question")).to_be_visible()
    await expect(page.get_by_role("button", name="Add a question")).to_be_visible()


async def _tells_of_the_index(page: Page) -> None:
    """The row of a variant with other passages, and the dialog that publishes it."""
    row, dialog = page.locator(".sums tbody tr").nth(1), page.locator("dialog")
    await expect(row).to_contain_text("Characters of a passage, at most: 150")
    await expect(dialog.locator(".changes")).to_contain_text("Characters of a passage")
    await expect(dialog.locator(".changes")).to_contain_text("as set by the operator")
    await expect(dialog).to_contain_text("from the old index until the other one is complete")


async def _taken(page: Page) -> Any:
    """The dialog that asks what is expected of a question."""
    await page.get_by_role("button", name="Add to a suite").click()
    await page.locator("dialog form").wait_for()
    return page.locator("dialog")


async def _added(page: Page) -> None:
    await page.locator("dialog").get_by_role("button", name="Add", exact=True).click()
    await expect(page.locator("dialog")).to_have_count(0)


def _has(tenant: Tenant, bot: str, *fields: str) -> tuple[Any, ...]:
    found = _bot(tenant, bot)
    return tuple(found[name] for name in fields)


def _bot(tenant: Tenant, bot: str) -> dict[str, Any]:
    found: dict[str, Any] = tenant.http.get(f"/v1/bot-profiles/{bot}").json()
    return found
