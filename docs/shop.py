"""A small shop's workspace, as the pictures of the documentation show it."""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.harness import PASSWORD, Tenant, eventually, website

TEXTS: Mapping[str, str] = {
    "Returns and refunds": (
        "You can return any item within 30 days of delivery, unused and in its original packaging. "
        "Return labels are free inside the European Union. Refunds go to the original payment "
        "method within five working days after the parcel has arrived."
    ),
    "Shipping": (
        "We ship to Germany, Austria and Switzerland. Delivery takes two to four days. Express "
        "delivery costs nine euros and arrives on the next working day before noon."
    ),
    "Warranty": (
        "All jackets carry a warranty of three years against faults of material and seams. Zips "
        "are repaired free of charge for the life of the garment."
    ),
    "Washing and care": (
        "Wash rain jackets at 30 degrees without softener, then dry them at a low heat for twenty "
        "minutes: the warmth brings the water repellence back."
    ),
}
QUESTIONS = (
    ("How long can I return an item?", "positive"),
    ("What does express delivery cost?", "positive"),
    ("Do you ship to Switzerland?", None),
    ("How do I wash a rain jacket?", "positive"),
    ("Who repairs a broken zip?", "negative"),
    ("Do you rent out tents?", None),
    ("Is there a shop in Hamburg?", None),
)
ASKED = (
    ("How long can I return an item?", "Returns and refunds"),
    ("How long is the warranty on a jacket?", "Warranty"),
    ("When does express delivery arrive?", "Shipping"),
    ("How warm do I wash a rain jacket?", "Washing and care"),
    ("Do you rent out tents?", None),
)
"""Questions of a test suite, and the source that holds the answer, if one does."""
GUIDE = """Our guide to {path} tells what to look for before you buy. Try them in the shop, wet and
dry, with the gloves that you will wear later, and ask for the weight as it is packed.
Keep {path} dry between two tours. Hang them up in the shade, never on a radiator, and brush the
salt of the sea off with cold water before it eats the seams.
After {n} years of regular use {path} should be looked at by us. We replace what is worn, and tell
you honestly when another pair is the better choice."""
PATHS = ("tents", "jackets", "boots", "stoves", "maps", "ropes", "lamps", "packs", "gloves")


def _html(title: str, body: str) -> tuple[str, bytes]:
    page = (
        f'<!doctype html><html lang="en"><title>{title}</title>'
        f"<body><main><h1>{title}</h1>{body}</main></body></html>"
    )
    return "text/html; charset=utf-8", page.encode()


def _site() -> dict[str, tuple[str, bytes]]:
    links = "".join(f'<p><a href="/guide/{path}">All about {path}</a></p>' for path in PATHS)
    pages = {
        "/": _html(
            "Harbour Outfitters", f"<p>Gear for wet weather.</p>{links}<a href='/gone'>x</a>"
        )
    }
    for n, path in enumerate(PATHS):
        text = f"<p>{GUIDE.format(path=path, n=n + 3)}</p>"
        pages[f"/guide/{path}"] = _html(f"All about {path}", text)
    return pages


@dataclass
class Shop:
    """An installation with something in it."""

    url: str
    email: str
    password: str
    widget_key: str
    pages: Mapping[str, str]
    """Addresses below /dashboard, by the name of the picture."""


@contextmanager
def shop(url: str) -> Iterator[Shop]:
    """Fill an installation, and take its tenant's clients back at the end."""
    tenant = Tenant(url, f"harbour-{secrets.token_hex(3)}")
    try:
        with website(_site()) as site:
            yield _fill(tenant, site)
    finally:
        tenant.close()


def _fill(tenant: Tenant, site: str) -> Shop:
    http = tenant.http
    http.patch("/v1/tenants/me", json={"name": "Harbour Outfitters"}).raise_for_status()
    bot = tenant.bot(
        name="Shop help",
        description="Answers what customers ask before and after they buy.",
        model="local/extractive",
        system_prompt="Answer briefly and in a friendly tone.",
    )
    tenant.bot(name="Field guide", description="Knows the guides.", model="local/extractive")
    sources = {name: tenant.source(bot, text, name=name) for name, text in TEXTS.items()}
    for source in sources.values():
        tenant.ingest(source)
    broken = tenant.source(
        bot, name="Opening hours", source_type="url", config={"url": "http://127.0.0.1:9/hours"}
    )
    tenant.ingest(broken)
    imported = tenant.source(
        bot,
        name="Guides of the shop",
        source_type="website",
        config={"root_url": f"{site}/", "delay_seconds": 0.2},
    )
    tenant.ingest(imported)
    for source in sources.values():
        tenant.ready(source)
    returns = sources["Returns and refunds"]
    longer = (
        TEXTS["Returns and refunds"].replace("30 days", "45 days")
        + " Gift cards cannot be returned."
    )
    http.patch(f"/v1/sources/{returns}", json={"content": longer}).raise_for_status()
    tenant.ingest(returns)
    eventually(lambda: len(http.get(f"/v1/sources/{returns}/revisions").json()) > 1)
    tenant.ready(returns)
    chats = []
    for question, feedback in QUESTIONS:
        turn = tenant.ask(bot, question)
        chats.append(turn["chat_id"])
        if feedback:
            messages = http.get(f"/v1/chat/{turn['chat_id']}/messages").json()
            answer = next(one["id"] for one in messages if one["role"] == "assistant")
            path = f"/v1/chat/{turn['chat_id']}/messages/{answer}/feedback"
            http.patch(path, json={"feedback": feedback}).raise_for_status()
    run = _tried(tenant, bot)
    key = http.post(
        "/v1/widget/keys",
        json={
            "name": "Shop",
            "bot_profile_id": bot,
            "allowed_origins": ["https://shop.example.com"],
        },
    )
    http.post(
        "/v1/budgets", json={"name": "All bots", "limit": 20, "unit": "usd", "hard_stop": True}
    ).raise_for_status()
    http.post(
        "/v1/budgets",
        json={"name": "Shop help", "bot_profile_id": bot, "unit": "tokens", "limit": 900},
    ).raise_for_status()
    http.post(
        "/v1/api-tokens", json={"name": "Nightly report", "scopes": ["read"]}
    ).raise_for_status()
    hook = http.post(
        "/v1/webhooks",
        json={
            "url": f"{site}/hook",
            "events": ["source.failed", "chat.message"],
            "description": "Stock",
        },
    ).json()["id"]
    http.post(f"/v1/webhooks/{hook}/test")
    tenant.user("admin")
    tenant.user("member")
    _until_imported(tenant, imported)
    tenant.ready(broken, "error")
    return Shop(
        url=tenant.url,
        email=tenant.email,
        password=PASSWORD,
        widget_key=key.json()["public_key"],
        pages={
            "overview": "",
            "start": "/start",
            "bots": "/bots",
            "bot": f"/bots/{bot}",
            "bot-retrieval": f"/bots/{bot}?tab=retrieval&q=How+long+can+I+return+an+item%3F",
            "bot-index": f"/bots/{bot}?tab=index",
            "bot-embed": f"/bots/{bot}?tab=embed",
            "sources": "/sources",
            "source": f"/sources?open={returns}",
            "source-revisions": f"/sources?open={returns}&part=revisions",
            "source-add": "/sources?add=1",
            "website": f"/sources/{imported}",
            "import": "/import",
            "chats": "/chats",
            "chat": f"/chats/{chats[0]}",
            "playground": f"/playground?bot={bot}&run={run}",
            "unanswered": "/unanswered",
            "usage": "/usage",
            "budgets": "/budgets",
            "webhooks": "/webhooks",
            "webhook": f"/webhooks/{hook}",
            "events": "/events",
            "audit": "/audit",
            "tokens": "/tokens",
            "team": "/team",
            "settings": "/settings",
        },
    )


def _tried(tenant: Tenant, bot: str) -> str:
    """Two variants of a bot, tried over what customers asked and then published; the run's id."""
    http = tenant.http
    base = f"/v1/bot-profiles/{bot}"
    suite = http.post(f"{base}/suites", json={"title": "What customers ask"}).json()["id"]
    for question, source in ASKED:
        expected = {"expected_sources": [source]} if source else {"refused": True}
        http.post(
            f"{base}/suites/{suite}/questions", json={"question": question, **expected}
        ).raise_for_status()
    plan = {
        "suite_id": suite,
        "variants": [{"title": "As it is"}, {"title": "Bolder", "floor": 0.05, "top_k": 3}],
        "stream": False,
    }
    run: str = http.post(f"{base}/playground/run", json=plan).json()["id"]
    path = f"{base}/playground/runs/{run}"
    eventually(lambda: http.get(path).json()["status"] == "ended")
    http.patch(base, json={"gate_suite_id": suite}).raise_for_status()
    return run


def _until_imported(tenant: Tenant, source: str) -> None:
    """The site answers only as long as this waits."""

    def look() -> dict[str, Any]:
        return dict(tenant.http.get(f"/v1/sources/{source}/crawl").json())

    eventually(lambda: look()["phase"] not in (None, "running"), lambda: str(look()), seconds=180)
