"""The first start: a tenant `demo` with a bot that knows the product's own documentation."""

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from pathlib import Path

import orjson

import shared
from shared.cli.client import Api, ApiError, Credentials
from shared.cli.imports import import_all
from shared.embedded.data_dir import CREDENTIALS, DEMO_WIDGET_KEY, write_private

OWNER = "owner@demo.example.com"
PROMPT = (
    "You answer questions about MiniRAG for its users. Be brief and concrete, and cite the "
    "documentation."
)


def guide() -> Path | None:
    """The user documentation: beside the package in a checkout, inside it when installed."""
    package = Path(shared.__file__).parent
    for folder in (package / "guide", package.parent / "docs" / "guide"):
        if folder.is_dir():
            return folder
    return None


async def bootstrap(data_dir: Path, base_url: str, say: Callable[[str], None]) -> None:
    """Make the demo tenant unless its credentials exist. Safe to repeat after a crash."""
    if (data_dir / CREDENTIALS).exists():
        return
    password = secrets.token_urlsafe(18)
    async with Api.open(base_url) as api:
        made = await api.post(
            "/v1/tenants",
            {
                "tenant_name": "Demo",
                "tenant_slug": await _free_slug(data_dir),
                "owner_email": OWNER,
                "owner_password": password,
                "owner_display_name": "Demo owner",
            },
        )
    async with Api.open(base_url, made["api_token"]) as api:
        bot = await api.post(
            "/v1/bot-profiles",
            {
                "name": "MiniRAG guide",
                "description": "Knows the documentation of this very installation.",
                "system_prompt": PROMPT,
                "link_hosts": ["127.0.0.1", "localhost"],
            },
        )
        key = await api.post(
            "/v1/widget/keys",
            {"name": "Demo page", "bot_profile_id": bot["id"], "allowed_origins": []},
        )
    await asyncio.to_thread(write_private, data_dir / DEMO_WIDGET_KEY, key["public_key"].encode())
    body = {
        "tenant_id": made["tenant"]["id"],
        "token": made["api_token"],
        "bot_profile_id": bot["id"],
        "owner_email": OWNER,
        "owner_password": password,
    }
    await asyncio.to_thread(write_private, data_dir / CREDENTIALS, orjson.dumps(body))
    say(f"tenant {made['tenant']['slug']} made; its token is in {data_dir / CREDENTIALS}")
    folder = guide()
    if folder is None:
        say("no documentation found to ingest")
        return
    say(f"the demo bot reads the documentation in {folder}")
    with contextlib.suppress(ApiError):
        await import_all(base_url, Credentials(body["token"], bot["id"]), str(folder), say=say)


async def _free_slug(data_dir: Path) -> str:
    """`demo`, unless a start that was cut short has taken it without leaving its token."""
    marker = data_dir / ".demo-attempt"
    if await asyncio.to_thread(marker.exists):
        return f"demo-{secrets.token_hex(3)}"
    await asyncio.to_thread(marker.touch)
    return "demo"
