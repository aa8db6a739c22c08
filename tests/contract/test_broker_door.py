"""The broker's door for subscribers from outside, at a real broker."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from nats.aio.client import Client

from services.gateway.adapters.broker_door import BrokerDoor
from services.gateway.ports import Principal
from shared.adapters import nats_client
from shared.adapters.envelope import Codec, event_headers, event_subject
from shared.adapters.nkeys import account_of, new_account_seed, private_key
from shared.contracts.base import Event
from shared.contracts.gateway import ApiTokenRevoked, TenantDeactivated, UserDeactivated
from shared.contracts.gateway_erasure import ErasureTold
from shared.embedded.data_dir import DataDir
from shared.embedded.secrets import keep_secrets
from shared.kernel.clock import utc_now
from shared.kernel.errors import NotAuthenticated, Unusable
from shared.kernel.registry import REGISTRY
from tests.bank.messages import metadata
from tests.brokers import own_broker
from tests.subscribing import is_let_in, over_websocket, subscriber
from tests.unit.samples import MemoryKeys


@dataclass
class Opened:
    url: str
    """Of the listener for services."""
    inside: str
    """The same, without the services' user."""
    outside: int
    """Port of the listener for the outside."""
    services: Client

    async def tell(self, event: Event) -> None:
        """As the log tells what it has stored."""
        meta = metadata("t1")
        headers = {**event_headers(event, "e1", meta, "gateway"), "Nats-Sequence": "1"}
        subject = f"live.{event_subject('t1', event).removeprefix('evt.')}"
        await self.services.publish(subject, event.model_dump_json().encode(), headers=headers)


async def admit(credential: str) -> Principal:
    """Credentials are `<tenant> <token>`, with the seconds that are left where there is an end."""
    match credential.split():
        case [tenant_id, token_id]:
            return Principal(kind="token", id=token_id, tenant_id=tenant_id, user_id="u")
        case [tenant_id, token_id, seconds]:
            ends = utc_now() + timedelta(seconds=int(seconds))
            return Principal(
                kind="token", id=token_id, tenant_id=tenant_id, user_id="u", expires_at=ends
            )
        case _:
            raise NotAuthenticated("Invalid or revoked API token")


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Opened]:
    async with own_broker(tmp_path, outside=True) as broker:
        seed = keep_secrets(DataDir(tmp_path).secrets, ()).subscriber_seed
        services = await nats_client.connect(broker.url, "services")

        async def shown(position: int, _seconds: float) -> int:
            return position

        codec = Codec(MemoryKeys(), REGISTRY)
        await BrokerDoor(services, codec, broker.url, seed, admit, shown).start()
        await services.flush()
        port = json.loads((tmp_path / "ports.json").read_text())["outside"]
        inside = f"nats://127.0.0.1:{broker.port}"
        yield Opened(broker.url, inside, port, services)
        await services.close()


async def test_lets_a_token_in_over_websocket(opened: Opened) -> None:
    assert b"PONG" in await over_websocket(opened.outside, {"auth_token": "t1 a"})
    assert b"Authorization Violation" in await over_websocket(opened.outside, {"auth_token": "x"})


async def test_keeps_the_services_own_user_out_of_the_listener_for_the_outside(
    opened: Opened,
) -> None:
    inside = urlsplit(opened.url)
    who = {"user": inside.username, "pass": inside.password}
    assert b"Authorization Violation" in await over_websocket(opened.outside, who)


async def test_lets_a_subscriber_hear_its_tenant(opened: Opened) -> None:
    async with subscriber(opened.inside, "t1 a") as one:
        await one.subscribe("public.t1.>")
        await opened.services.publish("public.t1.source.created", b'{"n": 1}')
        assert await one.hears() == ("public.t1.source.created", {"n": 1})


async def test_ends_a_connection_with_its_token(opened: Opened) -> None:
    async with subscriber(opened.inside, "t1 a 3") as one:
        await one.is_cut()


@pytest.mark.parametrize(
    "event",
    [
        ApiTokenRevoked(token_id="a", token_hash="hash"),
        UserDeactivated(tenant_id="t1", user_id="u"),
        TenantDeactivated(tenant_id="t1"),
        ErasureTold(erasure_id="t1", kind="tenant", subject_id="t1"),
    ],
)
async def test_cuts_whom_it_is_told_about_and_nobody_else(opened: Opened, event: Event) -> None:
    async with (
        subscriber(opened.inside, "t1 a") as one,
        subscriber(opened.inside, "t2 a") as other,
    ):
        await opened.tell(ErasureTold(erasure_id="e", kind="user", subject_id="u"))
        await opened.tell(event)
        await one.is_cut()
        await other.subscribe("public.t2.>")


async def test_lets_nobody_in_whom_nobody_vouches_for(opened: Opened) -> None:
    assert not await is_let_in(opened.inside, "nonsense")
    assert await is_let_in(opened.inside, "t1 a")


class TestASeed:
    def test_is_written_as_the_specification_says(self) -> None:
        seed = new_account_seed()
        assert seed.startswith("SA")
        assert len(seed) == 58
        assert account_of(seed).startswith("A")
        assert len(account_of(seed)) == 56
        assert account_of(seed) == account_of(seed) != account_of(new_account_seed())

    @pytest.mark.parametrize("wrong", ["", "SA", "SUAA", "nonsense!", "SA" + "A" * 56])
    def test_that_is_none_is_refused(self, wrong: str) -> None:
        with pytest.raises(Unusable, match="begins with SA"):
            private_key(wrong)
