"""What the widget makes of text that strangers wrote, in a real browser."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, Page

from tests.e2e.browsing import opened
from tests.harness import Installation

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(600)]

SPITEFUL = (
    "<script>alert(1)</script>",
    '<img src=x onerror="alert(1)">',
    "<svg onload=alert(1)>",
    '<iframe srcdoc="<script>alert(1)</script>"></iframe>',
    '<a href="javascript:alert(1)">x</a>',
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](java\nscript:alert(1))",
    "[x](\tjavascript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[x](vbscript:msgbox(1))",
    "[x](blob:https://evil.example/1)",
    "[x](file:///etc/passwd)",
    "![x](https://evil.example/x.png?q=secret)",
    "![x](javascript:alert(1))",
    "![x][1]\n\n[1]: https://evil.example/x.png",
    "[x][1]\n\n[1]: javascript:alert(1)",
    "<javascript:alert(1)>",
    "<https://evil.example/>",
    '"><script>alert(1)</script>',
    "</p><form action=https://evil.example><input name=q></form>",
    "<style>@import 'https://evil.example/x.css'</style>",
    '<link rel=stylesheet href="https://evil.example/x.css">',
    "<base href=https://evil.example/>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<details open ontoggle=alert(1)>x</details>",
    (
        "<math><mtext><table><mglyph><style><!--</style>"
        "<img title='--&gt;&lt;img src=x onerror=alert(1)&gt;'>"
    ),
    "`<img src=x onerror=alert(1)>`",
    "```html\n<script>alert(1)</script>\n```",
    "| a |\n|---|\n| <img src=x onerror=alert(1)> |",
    "- <video><source onerror=alert(1)></video>",
    "> <object data=javascript:alert(1)></object>",
    '[x](https://example.com "onclick=alert(1)")',
    "[<img src=x onerror=alert(1)>](https://example.com)",
    "# <a name=x href=javascript:alert(1)>x</a>",
)
ALLOWED = {
    "div", "p", "span", "a", "ul", "ol", "li", "strong", "em",
    "del", "code", "pre", "blockquote", "br", "hr", "table", "thead", "tbody",
    "tr", "th", "td", "h3", "h4", "h5", "h6", "button",
}  # fmt: skip
RENDER = """async ([text, pieces]) => {
  const { markdown } = await import('/dashboard/assets/0/widget/markdown.js');
  const target = document.createElement('div');
  document.body.append(target);
  const button = n => Object.assign(document.createElement('button'), { textContent: n });
  const paint = markdown(target, { cite: button });
  for (let i = 1; i <= pieces; i++) paint(text.slice(0, Math.round(text.length * i / pieces)));
  const nodes = [...target.querySelectorAll('*')].map(node => ({
    tag: node.localName,
    attributes: Object.fromEntries([...node.attributes].map(a => [a.name, a.value])),
  }));
  return { nodes, text: target.textContent, html: target.outerHTML };
}"""
CITED = """async text => {
  const { numbers } = await import('/dashboard/assets/0/widget/cited.js');
  return [...numbers(text)].sort((a, b) => a - b);
}"""
READ = """async pieces => {
  const { frames } = await import('/dashboard/assets/0/widget/sse.js');
  const bytes = pieces.map(piece => Uint8Array.from(piece));
  const fill = it => (bytes.forEach(b => it.enqueue(b)), it.close());
  const stream = new ReadableStream({ start: fill });
  const found = [];
  for await (const frame of frames(new Response(stream))) found.push(frame);
  return found;
}"""


@pytest.fixture
async def page(browser: Browser, installation: Installation) -> AsyncIterator[Page]:
    async with opened(browser) as made:
        await made.goto(f"{installation.url}/demo")
        yield made


async def render(page: Page, text: str, pieces: int = 1) -> Any:
    return await page.evaluate(RENDER, [text, pieces])


async def test_nothing_that_is_written_in_an_answer_runs_or_fetches(page: Page) -> None:
    elsewhere: list[str] = []
    page.on("request", lambda request: elsewhere.append(request.url))
    page.on("dialog", lambda dialog: elsewhere.append(dialog.message))
    for text in SPITEFUL:
        shown = await render(page, text)
        for node in shown["nodes"]:
            assert node["tag"] in ALLOWED, (text, node)
            for name, value in node["attributes"].items():
                assert not name.startswith("on"), (text, node)
                assert name != "src", (text, node)
                if name == "href":
                    assert re.match(r"(?:https?:|mailto:|tel:)", value), (text, node)
                    assert "noopener" in node["attributes"]["rel"]
    assert [url for url in elsewhere if "/dashboard/assets/" not in url] == []


async def test_what_streams_in_looks_in_the_end_like_what_came_at_once(page: Page) -> None:
    text = (
        "First **bold** [1] and *soft*.\n\n1. one\n2. two\n   - deeper\n\n| a | b |\n|---|--:|\n"
        "| 1 | 2 |\n\n```js\nlet a = 1 < 2;\n```\n\n> quoted [2]\n\n"
        "Last line with `code` & <b>.\n\n"
    ) * 4
    whole = await render(page, text)
    assert (await render(page, text, pieces=97))["html"] == whole["html"]
    assert {"strong", "ol", "table", "pre", "blockquote", "button"} <= {
        node["tag"] for node in whole["nodes"]
    }


@pytest.mark.parametrize(
    ("text", "cited"),
    [
        ("Within 30 days [2][1], and once more [2].", [1, 2]),
        ("**Boots [3]**\n\n- one [1]\n- two [12]\n\n| a |\n|---|\n| b [4] |", [1, 3, 4, 12]),
        ("`row[1]` and ``a `b` [2]`` are code, [3] is not.", [3]),
        ("```js\nrow[1]\n```\n\nSee [2].", [2]),
        ("See [2].\n\n```js\nrow[1]", [2]),
        ("It costs 5` a piece [1].\n\nThat one 6` [2].", [1, 2]),
        ("[1](https://example.com) is a link, [2] is not.", [2]),
        ("[a] [1234] []", []),
    ],
)
async def test_what_is_counted_as_cited_is_what_can_be_pressed(
    page: Page, text: str, cited: list[int]
) -> None:
    shown = await render(page, text)
    pressed = {int(n) for n in re.findall(r"<button>(\d+)</button>", shown["html"])}
    assert await page.evaluate(CITED, text) == sorted(pressed) == cited


async def test_events_are_read_wherever_the_network_cuts_them(page: Page) -> None:
    first = 'id: 1\nevent: delta\ndata: {"content": "Grüße 🚲"}\n\n: nothing\n\n'
    said = first + "event: done\r\ndata: {}\r\n\r\n"
    raw = said.encode()
    for size in (1, 2, 3, 7, len(raw)):
        pieces = [list(raw[at : at + size]) for at in range(0, len(raw), size)]
        found = await page.evaluate(READ, pieces)
        assert [(one["event"], one.get("id")) for one in found] == [("delta", "1"), ("done", None)]
        assert found[0]["data"] == {"content": "Grüße 🚲"}
