"""What stands under an answer: the passages that it cites, and not all that it was given."""

import asyncio
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.async_api import Browser, Page, expect

from tests.e2e.browsing import looked_at, opened, sign_in, site
from tests.e2e.test_model_tasks import scripted_model
from tests.e2e.test_widget import ask, public_key
from tests.harness import PASSWORD, Tenant

QUESTION = "How long can I return an item?"
RETURNS = {
    "Returns": "You can return any item within 30 days of delivery.",
    "Boots": "You can return any item of the kind boots within 45 days of delivery.",
    "Gifts": "You can return any item that was a gift within 60 days of delivery.",
}
SAID = "You have some weeks [2]. In `row[1]` of our table you find more."


@dataclass(frozen=True)
class Asked:
    """A bot that was given three passages and cites the second."""

    bot: str
    chat: str
    turn: str
    second: str
    """The title of what it cites."""


@pytest.fixture
def asked(tenant: Tenant) -> Iterator[Asked]:
    with scripted_model(lambda _system, _last: SAID) as base:
        keys = {"api_base": base, "api_key": "k"}
        bot = tenant.bot(name="Guide", model="openai/scripted", credentials=keys)
        sources = [tenant.source(bot, text, name=name) for name, text in RETURNS.items()]
        for source in sources:
            tenant.ingest(source)
        for source in sources:
            tenant.ready(source)
        answer = tenant.ask(bot, QUESTION)
        assert [one["n"] for one in answer["citations"]] == [1, 2, 3]
        second = answer["citations"][1]["title"]
        yield Asked(bot, answer["chat_id"], answer["turn_id"], second)


async def only_the_second(page: Page, asked: Asked) -> None:
    """Under the answer of the conversation that is open."""
    button = page.locator(".msg-assistant .sources")
    await expect(button).to_have_text("1 source")
    await button.click()
    await expect(page.locator(".evidence section")).to_have_count(1)
    await expect(page.locator(".evidence .head b")).to_have_text("2")
    await expect(page.locator(".evidence .head")).to_contain_text(asked.second)
    await expect(page.locator(".cite")).to_have_count(1)


class TestATurn:
    def test_tells_its_answer_and_all_that_it_was_given(self, tenant: Tenant, asked: Asked) -> None:
        answer = tenant.http.get(f"/v1/chat/turns/{asked.turn}")
        assert answer.status_code == 200
        told = answer.json()
        assert told["status"] == "answered"
        assert (told["turn_id"], told["chat_id"]) == (asked.turn, asked.chat)
        assert told["message"]["content"] == SAID
        assert [one["n"] for one in told["citations"]] == [1, 2, 3]
        assert told["grounded"] is True
        assert (told["reason"], told["error"]) == (None, None)

    def test_that_was_refused_or_failed_says_why(self, tenant: Tenant) -> None:
        refusing = tenant.bot(model="local/extractive")
        turn = tenant.ask(refusing, QUESTION)["turn_id"]
        told = tenant.http.get(f"/v1/chat/turns/{turn}").json()
        assert (told["status"], told["citations"]) == ("refused", [])
        assert told["reason"]
        assert told["message"]["refusal"] is True

    def test_that_nobody_asked_is_not_there(self, tenant: Tenant) -> None:
        assert tenant.http.get(f"/v1/chat/turns/{uuid.uuid4()}").status_code == 404


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.timeout(600)
class TestUnderAnAnswer:
    async def test_of_the_widget(self, browser: Browser, tenant: Tenant, asked: Asked) -> None:
        with site(tenant.url) as shop:
            shop.script(key=public_key(tenant, asked.bot, shop.origin))
            async with opened(browser) as page:
                await page.goto(shop.origin)
                await page.locator(".widget-bubble").click()
                await ask(page)
                await only_the_second(page, asked)
                await page.reload()
                await page.locator(".widget-bubble").click()
                await only_the_second(page, asked)

    async def test_of_a_bot_that_is_tried(
        self, browser: Browser, tenant: Tenant, asked: Asked
    ) -> None:
        async with opened(browser) as page:
            await page.goto(f"{tenant.url}/dashboard/bots/{asked.bot}")
            await sign_in(page, tenant.email, PASSWORD)
            await page.get_by_label("Your question").fill(QUESTION)
            await page.keyboard.press("Enter")
            await only_the_second(page, asked)
            await expect(page.locator(".side")).to_contain_text("1 of 3 passages cited")

    async def test_of_a_transcript(self, browser: Browser, tenant: Tenant, asked: Asked) -> None:
        async with opened(browser) as page:
            await page.goto(f"{tenant.url}/dashboard/chats/{asked.chat}")
            await sign_in(page, tenant.email, PASSWORD)
            cited = page.locator(".message.assistant .cited")
            await cited.get_by_text("1 source", exact=True).click()
            lists = cited.locator("ol")
            await expect(lists).to_have_count(2)
            await expect(lists.first.locator("li")).to_have_count(1)
            await expect(lists.first).to_contain_text(f"[2] {asked.second}")
            spare = lists.last.locator("li")
            await expect(spare).to_have_text([re.compile(r"^\[1\]"), re.compile(r"^\[3\]")])
            await lists.first.locator("summary").click()
            text = RETURNS[asked.second]
            await expect(lists.first.locator("blockquote")).to_have_text(text)
            await looked_at(page)
            await asyncio.to_thread(tenant.ask, asked.bot, QUESTION, chat_id=asked.chat)
            await expect(cited).to_have_count(2)
            await expect(lists.first.locator("blockquote")).to_have_text(text)
