"""Subscribers from outside on the broker itself: what they hear, and all that they may not."""

import asyncio
import json
from typing import Any

import pytest

from tests.e2e.test_events import page
from tests.e2e.test_webhooks import TEXT
from tests.harness import Installation, Tenant
from tests.subscribing import is_let_in, subscriber

SUBSCRIBE = (
    "public.{other}.>", "public.>", "public.*.>", "public.*.source.created", ">", "*.{own}.>",
    "evt.{own}.>", "live.{own}.>", "live.>", "cmd.{own}.>", "out.{own}.>", "tok.{own}.*", "job.>",
    "tick.>", "dlq.>", "ask.>", "_INBOX.>", "$KV.vault.>", "$JS.>", "$JS.API.>", "$JS.ACK.>",
    "$SYS.>", "$SYS.REQ.USER.AUTH",
)  # fmt: skip
PUBLISH = (
    "public.{own}.source.created", "public.{other}.source.created", "evt.{own}.source.s1.created",
    "live.{own}.source.s1.created", "cmd.{own}.source.s1.delete", "out.{own}.c1", "tok.{own}.t1",
    "job.{own}.source.s1.ingest", "ask.gateway.rebuild", "_INBOX.x", "$KV.vault.{own}.key.x",
    "$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.INFO.EVENTS",
    "$JS.API.STREAM.CREATE.MINE", "$JS.API.STREAM.PURGE.EVENTS", "$JS.API.STREAM.DELETE.EVENTS",
    "$JS.API.STREAM.MSG.GET.EVENTS", "$JS.API.DIRECT.GET.EVENTS",
    "$JS.API.DIRECT.GET.EVENTS.evt.{own}.>", "$JS.API.CONSUMER.NAMES.EVENTS",
    "$JS.API.CONSUMER.CREATE.EVENTS.mine.evt.{own}.>",
    "$JS.API.CONSUMER.CREATE.EVENTS.gateway-subscribers",
    "$JS.API.CONSUMER.DURABLE.CREATE.EVENTS.mine",
    "$JS.API.CONSUMER.MSG.NEXT.EVENTS.gateway-subscribers",
    "$JS.API.CONSUMER.DELETE.EVENTS.gateway-subscribers",
    "$JS.ACK.EVENTS.gateway-subscribers.1.1.1.1.1", "$SYS.REQ.SERVER.PING", "$SYS.REQ.USER.AUTH",
)  # fmt: skip


@pytest.fixture
def broker(installation: Installation) -> str:
    """Where subscribers connect."""
    ports = json.loads((installation.data_dir / "run.json").read_text())["ports"]
    return f"nats://127.0.0.1:{ports['nats']}"


def token(tenant: Tenant, **fields: Any) -> tuple[str, str]:
    """Id and text of a new token."""
    answer = tenant.http.post("/v1/api-tokens", json={"name": "Subscriber", **fields})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    return made["id"], made["raw_token"]


def without_cursor(event: dict[str, Any]) -> dict[str, Any]:
    """Each time an event is told its cursor is sealed anew."""
    return {name: value for name, value in event.items() if name != "cursor"}


async def test_a_subscriber_hears_what_the_feed_tells(broker: str, tenant: Tenant) -> None:
    _, secret = token(tenant, scopes=["events"])
    async with subscriber(broker, secret) as one:
        await one.subscribe(f"public.{tenant.id}.>")
        bot = await asyncio.to_thread(tenant.bot)
        source = await asyncio.to_thread(tenant.source, bot, TEXT)
        heard = [await one.hears(), await one.hears()]
    assert [subject for subject, _ in heard] == [
        f"public.{tenant.id}.bot_profile.created",
        f"public.{tenant.id}.source.created",
    ]
    told = await asyncio.to_thread(page, tenant)
    assert [without_cursor(event) for _, event in heard] == [without_cursor(one) for one in told]
    assert told[1]["aggregate_id"] == source


async def test_what_a_subscriber_missed_is_behind_the_last_cursor(
    broker: str, tenant: Tenant
) -> None:
    _, secret = token(tenant, scopes=["events"])
    async with subscriber(broker, secret) as one:
        await one.subscribe(f"public.{tenant.id}.bot_profile.*")
        bot = await asyncio.to_thread(tenant.bot)
        _, last = await one.hears()
    source = await asyncio.to_thread(tenant.source, bot, TEXT)
    missed = await asyncio.to_thread(page, tenant, cursor=last["cursor"])
    assert [event["aggregate_id"] for event in missed] == [source]


async def test_a_subscriber_hears_nothing_of_another_tenant(
    broker: str, tenant: Tenant, other_tenant: Tenant
) -> None:
    async with subscriber(broker, tenant.token) as one:
        await one.subscribe(f"public.{tenant.id}.>")
        await asyncio.to_thread(other_tenant.bot)
        bot = await asyncio.to_thread(tenant.bot)
        _, event = await one.hears()
        assert event["aggregate_id"] == bot
        assert one.heard.empty()


async def test_a_subscriber_may_subscribe_to_nothing_else(
    broker: str, tenant: Tenant, other_tenant: Tenant
) -> None:
    async with subscriber(broker, tenant.token) as one:
        for template in SUBSCRIBE:
            subject = template.format(own=tenant.id, other=other_tenant.id)
            await one.client.subscribe(subject)
            assert f'subscription to "{subject}"'.lower() in (await one.refused()).lower()


async def test_a_subscriber_may_publish_nothing_and_use_no_jetstream(
    broker: str, tenant: Tenant, other_tenant: Tenant
) -> None:
    async with subscriber(broker, tenant.token) as one:
        for template in PUBLISH:
            subject = template.format(own=tenant.id, other=other_tenant.id)
            await one.client.publish(subject, b"{}", reply=f"public.{tenant.id}.reply")
            assert f'publish to "{subject}"'.lower() in (await one.refused()).lower()


@pytest.mark.parametrize(
    ("fields", "welcome"),
    [
        ({"scopes": ["events"]}, True),
        ({"scopes": ["read"]}, True),
        ({"scopes": ["chat"]}, False),
        ({"scopes": ["write", "admin"]}, False),
        ({"scopes": ["read"], "bot": True}, False),
    ],
)
async def test_who_may_read_the_feed_is_let_in(
    broker: str, tenant: Tenant, fields: dict[str, Any], welcome: bool
) -> None:
    wanted = {name: value for name, value in fields.items() if name != "bot"}
    if "bot" in fields:
        wanted["bot_profile_id"] = await asyncio.to_thread(tenant.bot)
    _, secret = await asyncio.to_thread(lambda: token(tenant, **wanted))
    assert await is_let_in(broker, secret) is welcome


async def test_no_other_credential_is_let_in(broker: str, tenant: Tenant) -> None:
    session = (await asyncio.to_thread(tenant.login))["access_token"]
    for credential in ("", "nrag_live_wrong", f"{tenant.token}x", session):
        assert not await is_let_in(broker, credential)


async def test_a_token_for_events_opens_no_other_route(tenant: Tenant) -> None:
    _, secret = token(tenant, scopes=["events"])
    http = tenant.with_(secret)
    assert http.get("/v1/events", headers={"Accept": "application/json"}).status_code == 200
    for path in ("/v1/sources", "/v1/bot-profiles", "/v1/chat", "/v1/api-tokens"):
        assert http.get(path).status_code == 403


async def test_a_revoked_token_is_cut_and_not_let_in_again(broker: str, tenant: Tenant) -> None:
    ident, secret = token(tenant, scopes=["events"])
    async with subscriber(broker, secret) as one, subscriber(broker, tenant.token) as other:
        await asyncio.to_thread(tenant.http.delete, f"/v1/api-tokens/{ident}")
        await one.is_cut()
        assert not await is_let_in(broker, secret)
        await other.subscribe(f"public.{tenant.id}.>")
        assert not other.cut.is_set()


async def test_the_tokens_of_a_user_who_is_shut_out_are_cut(broker: str, tenant: Tenant) -> None:
    user = await asyncio.to_thread(tenant.user, "admin")
    answer = await asyncio.to_thread(user.http.post, "/v1/api-tokens", json={"name": "Mine"})
    secret = answer.json()["raw_token"]
    async with subscriber(broker, secret) as one:
        await asyncio.to_thread(tenant.http.delete, f"/v1/users/{user.id}")
        await one.is_cut()
    assert not await is_let_in(broker, secret)


async def test_the_tokens_of_a_tenant_that_is_shut_out_are_cut(
    broker: str, tenant: Tenant, installation: Installation
) -> None:
    async with subscriber(broker, tenant.token) as one:
        done = await asyncio.to_thread(installation.cli, "tenant", "disable", tenant.slug)
        assert done.returncode == 0, done.stderr
        await one.is_cut()
    assert not await is_let_in(broker, tenant.token)
