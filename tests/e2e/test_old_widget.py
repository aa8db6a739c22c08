"""A page that was made for the original's widget is answered in its protocol.

The page here is our own. It does what that widget does and no more: one kind of request, frames
taken apart at empty lines, three names of events, text shown as text, sources at the end.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.async_api import Browser, Page

from tests.e2e.browsing import Site, opened, site
from tests.harness import Tenant
from tests.loopback import QuietHandler, loopback

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(300)]

TEXT = "You can return any item within 30 days of delivery, unused and in its original packaging."
QUESTION = "How long can I return an item?"
SPEAK = r"""async ({ api, token, bot, question, chat }) => {
    const shown = { text: '', pieces: 0, sources: [], chat, failure: null };
    try {
        const body = { bot_profile_id: bot, message: question, stream: true };
        if (chat) body.chat_id = chat;
        const response = await fetch(`${api}/v1/chat`, {
            method: 'POST',
            headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` },
            body: JSON.stringify(body),
        });
        if (!response.ok) throw new Error((await response.json()).detail);
        const reader = response.body.getReader();
        const decoder = new TextDecoder();
        let rest = '';
        for (let part = await reader.read(); !part.done; part = await reader.read()) {
            rest += decoder.decode(part.value, { stream: true });
            const blocks = rest.split('\n\n');
            rest = blocks.pop();
            for (const block of blocks) {
                let name = '', data = '';
                for (const line of block.split('\n')) {
                    if (line.startsWith('event: ')) name = line.slice(7);
                    if (line.startsWith('data: ')) data = line.slice(6);
                }
                try {
                    const told = JSON.parse(data);
                    if (name === 'delta') { shown.text += told.content; shown.pieces += 1; }
                    if (name === 'sources') shown.sources = told.sources;
                    if (name === 'done') shown.chat = told.chat_id;
                    if (name === 'error') throw new Error(told.detail || 'Stream error');
                } catch (error) {
                    // Whatever else goes wrong with a frame is passed over.
                    if (error.message === 'Stream error') throw error;
                }
            }
        }
    } catch (error) {
        shown.failure = `Sorry, something went wrong: ${error.message}`;
    }
    return shown;
}"""


@pytest.fixture
def shop(tenant: Tenant) -> Iterator[Site]:
    with site(tenant.url) as made:
        yield made


@pytest.fixture
def bot(tenant: Tenant) -> str:
    made = tenant.bot(name="Shop help", model="local/extractive")
    source = tenant.source(made, TEXT, name="Returns policy")
    tenant.ingest(source)
    tenant.ready(source)
    return made


def spoken(tenant: Tenant, bot: str, **fields: Any) -> dict[str, Any]:
    """What the page needs to ask a bot."""
    body = {"name": "page", "bot_profile_id": bot, "scopes": ["chat"]}
    token = tenant.http.post("/v1/api-tokens", json=body).json()["raw_token"]
    return {"api": tenant.url, "token": token, "bot": bot, "question": QUESTION, **fields}


async def speak(page: Page, asked: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = await page.evaluate(SPEAK, asked)
    return found


async def test_it_streams_shows_sources_and_goes_on(
    browser: Browser, tenant: Tenant, bot: str, shop: Site
) -> None:
    asked = spoken(tenant, bot)
    async with opened(browser) as page:
        await page.goto(shop.origin)
        first = await speak(page, asked)
        assert (first["failure"], "30 days" in first["text"]) == (None, True)
        assert first["pieces"] >= 1
        (source,) = first["sources"]
        assert "30 days" in source["content"]
        assert 0 < source["score"] <= 1
        second = await speak(page, {**asked, "chat": first["chat"]})
        assert second["chat"] == first["chat"]
    said = tenant.http.get(f"/v1/chat/{first['chat']}/messages").json()
    assert [message["role"] for message in said] == ["user", "assistant"] * 2


async def test_it_shows_errors_before_a_stream_and_in_it(
    browser: Browser, tenant: Tenant, bot: str, shop: Site
) -> None:
    class Refusing(QuietHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(401)
            self.send_header("Content-Length", "0")
            self.end_headers()

    with loopback(Refusing) as base:
        credentials = {"api_key": "k", "api_base": base}
        patch = {"model": "openai/some", "credentials": credentials}
        tenant.http.patch(f"/v1/bot-profiles/{bot}", json=patch).raise_for_status()
        asked = spoken(tenant, bot)
        async with opened(browser, "403", "404") as page:
            await page.goto(shop.origin)
            failed = await speak(page, asked)
            assert failed["failure"] == "Sorry, something went wrong: Stream error"
            other = await speak(page, {**asked, "bot": tenant.bot()})
            assert other["failure"].startswith("Sorry, something went wrong: ")
            assert "[object" not in other["failure"]
        # Everybody else is told what it was.
        (name, data) = tenant.stream(bot, QUESTION)[-1]
        assert (name, data["code"]) == ("error", "llm_auth")
        assert "Stream error" not in data["detail"]
