"""Secrets and data keys in a real key-value bucket."""

import asyncio
import os

import pytest
from nats.aio.client import Client
from nats.js.kv import KeyValue

from shared.adapters import nats_client
from shared.adapters.envelope import Codec
from shared.adapters.vault import BUCKET, Keyring, KnownKeys, Vault
from shared.embedded.servers import Servers
from shared.kernel.errors import Unavailable, Unusable
from shared.kernel.ids import new_id
from tests.bank.messages import OpenAccount
from tests.conftest import REGISTRY
from tests.eventually import eventually


@pytest.fixture
async def bucket(client: Client) -> KeyValue:
    return await client.jetstream().key_value(BUCKET)


def fresh(bucket: KeyValue, servers: Servers, *, cached_keys: int = 10_000) -> Vault:
    """A vault that remembers nothing, as another process has it."""
    return Vault(bucket, Keyring.parse(servers.secrets.vault_key), KnownKeys(cached_keys))


class TestSecrets:
    async def test_come_back_as_they_were_put(self, vault: Vault, tenant_id: str) -> None:
        await vault.put(tenant_id, "bot/b1", b"sk-1 \x00\xff")
        assert await vault.get(tenant_id, "bot/b1") == b"sk-1 \x00\xff"

    async def test_are_replaced_by_the_next(self, vault: Vault, tenant_id: str) -> None:
        await vault.put(tenant_id, "bot/b1", b"one")
        await vault.put(tenant_id, "bot/b1", b"two")
        assert await vault.get(tenant_id, "bot/b1") == b"two"

    async def test_are_gone_once_removed(self, vault: Vault, tenant_id: str) -> None:
        await vault.put(tenant_id, "bot/b1", b"one")
        await vault.remove(tenant_id, "bot/b1")
        assert await vault.get(tenant_id, "bot/b1") is None
        await vault.remove(tenant_id, "bot/b1")

    async def test_are_nobody_elses(
        self, vault: Vault, tenant_id: str, other_tenant_id: str
    ) -> None:
        await vault.put(tenant_id, "bot/b1", b"one")
        assert await vault.get(other_tenant_id, "bot/b1") is None

    async def test_lie_encrypted(self, vault: Vault, bucket: KeyValue, tenant_id: str) -> None:
        await vault.put(tenant_id, "bot/b1", b"sk-very-secret")
        stored = await bucket.get(f"{tenant_id}.secret.bot/b1")
        assert stored.value is not None
        assert b"very" not in stored.value

    async def test_do_not_open_under_another_name(
        self, vault: Vault, bucket: KeyValue, tenant_id: str, other_tenant_id: str
    ) -> None:
        await vault.put(tenant_id, "bot/b1", b"sk")
        stored = await bucket.get(f"{tenant_id}.secret.bot/b1")
        assert stored.value is not None
        await bucket.put(f"{other_tenant_id}.secret.bot/b1", stored.value)
        with pytest.raises(Unusable, match="does not belong to its name"):
            await vault.get(other_tenant_id, "bot/b1")

    async def test_outlive_a_rotation_of_the_master_key(
        self, bucket: KeyValue, tenant_id: str
    ) -> None:
        old, new = os.urandom(32), os.urandom(32)
        await Vault(bucket, Keyring([old])).put(tenant_id, "kept", b"one")
        rotated = Vault(bucket, Keyring([new, old]))
        assert await rotated.get(tenant_id, "kept") == b"one"
        await rotated.put(tenant_id, "made", b"two")
        only_new = Vault(bucket, Keyring([new]))
        assert await only_new.get(tenant_id, "made") == b"two"
        with pytest.raises(Unusable, match="not configured"):
            await only_new.get(tenant_id, "kept")


class TestDataKeys:
    async def test_are_made_when_they_are_wanted(self, vault: Vault, tenant_id: str) -> None:
        assert await vault.data_key(tenant_id, "chat/c1", create=False) is None
        key = await vault.data_key(tenant_id, "chat/c1", create=True)
        assert key is not None
        assert len(key) == 32
        assert await vault.data_key(tenant_id, "chat/c1", create=True) == key

    async def test_are_one_however_many_make_them(
        self, bucket: KeyValue, servers: Servers, tenant_id: str
    ) -> None:
        vaults = [fresh(bucket, servers) for _ in range(8)]
        keys = await asyncio.gather(
            *(vault.data_key(tenant_id, "chat/c1", create=True) for vault in vaults)
        )
        assert len(set(keys)) == 1

    async def test_are_each_subjects_and_tenants_own(
        self, vault: Vault, tenant_id: str, other_tenant_id: str
    ) -> None:
        keys = {
            await vault.data_key(owner, subject, create=True)
            for owner in (tenant_id, other_tenant_id)
            for subject in ("chat/c1", "chat/c2")
        }
        assert len(keys) == 4

    async def test_are_found_again_when_the_memory_is_full(
        self, bucket: KeyValue, servers: Servers, tenant_id: str
    ) -> None:
        vault = fresh(bucket, servers, cached_keys=2)
        keys = [await vault.data_key(tenant_id, f"chat/{n}", create=True) for n in range(5)]
        again = [await vault.data_key(tenant_id, f"chat/{n}", create=False) for n in range(5)]
        assert again == keys

    async def test_are_gone_once_destroyed(
        self, bucket: KeyValue, servers: Servers, tenant_id: str
    ) -> None:
        vault = fresh(bucket, servers)
        await vault.data_key(tenant_id, "chat/c1", create=True)
        await vault.destroy_key(tenant_id, "chat/c1")
        for one in (vault, fresh(bucket, servers)):
            assert await one.data_key(tenant_id, "chat/c1", create=False) is None
            assert await one.data_key(tenant_id, "chat/c1", create=True) is None

    async def test_are_forgotten_at_once_in_other_processes(
        self, bucket: KeyValue, servers: Servers, tenant_id: str
    ) -> None:
        client = await nats_client.connect(servers.nats_url, "another process")
        another = fresh(await client.jetstream().key_value(BUCKET), servers)
        await another.follow(client)
        vault = fresh(bucket, servers)
        await vault.data_key(tenant_id, "chat/c1", create=True)
        assert await another.data_key(tenant_id, "chat/c1", create=False) is not None
        await vault.destroy_key(tenant_id, "chat/c1")

        async def gone() -> None:
            assert await another.data_key(tenant_id, "chat/c1", create=False) is None

        await eventually(gone)
        await client.close()


class TestErasure:
    async def test_turns_personal_text_into_a_mark_and_leaves_the_rest(
        self, bucket: KeyValue, servers: Servers, tenant_id: str
    ) -> None:
        vault = fresh(bucket, servers)
        codec = Codec(vault, REGISTRY)
        order = OpenAccount(account_id=new_id(), owner="Ada", number="7")
        body = await codec.encode(order, tenant_id)
        assert await codec.decode(OpenAccount, body, tenant_id) == order
        await vault.destroy_key(tenant_id, order.data_subject)
        erased = await codec.decode(OpenAccount, body, tenant_id)
        assert (erased.owner, erased.number) == ("[erased]", "7")

    async def test_keeps_the_subject_from_being_written_about_again(
        self, bucket: KeyValue, servers: Servers, tenant_id: str
    ) -> None:
        vault = fresh(bucket, servers)
        codec = Codec(vault, REGISTRY)
        before = OpenAccount(account_id=new_id(), owner="Ada", number="7")
        body = await codec.encode(before, tenant_id)
        await vault.destroy_key(tenant_id, before.data_subject)
        after = before.model_copy(update={"owner": "Grace"})
        again = await codec.encode(after, tenant_id)
        assert b"Grace" not in again
        for one in (body, again):
            assert (await codec.decode(OpenAccount, one, tenant_id)).owner == "[erased]"

    async def test_text_moved_to_another_tenant_stays_closed(
        self, codec: Codec, tenant_id: str, other_tenant_id: str
    ) -> None:
        order = OpenAccount(account_id=new_id(), owner="Ada", number="7")
        body = await codec.clear(await codec.encode(order, tenant_id), tenant_id)
        await codec.encode(order, other_tenant_id)
        moved = await codec.decode(OpenAccount, body, other_tenant_id)
        assert moved.owner == "[erased]"


class TestATenant:
    @pytest.fixture
    async def vault(self, client: Client, bucket: KeyValue, servers: Servers) -> Vault:
        vault = fresh(bucket, servers)
        await vault.follow(client)
        return vault

    async def test_has_one_key_however_many_make_it(
        self, bucket: KeyValue, servers: Servers, tenant_id: str, other_tenant_id: str
    ) -> None:
        vaults = [fresh(bucket, servers) for _ in range(8)]
        keys = await asyncio.gather(*(vault.tenant_key(tenant_id) for vault in vaults))
        assert len({*keys, await vaults[0].tenant_key(other_tenant_id)}) == 2

    async def test_that_is_erased_has_no_key_and_no_secret_and_gets_none(
        self, vault: Vault, bucket: KeyValue, servers: Servers, tenant_id: str, other_tenant_id: str
    ) -> None:
        for owner in (tenant_id, other_tenant_id):
            await vault.tenant_key(owner)
            await vault.data_key(owner, "chat/c1", create=True)
            await vault.put(owner, "bot/b1", b"sk-secret")
        for _ in range(2):
            await vault.erase_tenant(tenant_id)
        assert vault.knows_erased(tenant_id)
        for one in (vault, fresh(bucket, servers)):
            assert await one.tenant_key(tenant_id) is None
            assert await one.data_key(tenant_id, "chat/c1", create=True) is None
            assert await one.get(tenant_id, "bot/b1") is None
            assert await one.tenant_key(other_tenant_id) is not None
            assert await one.data_key(other_tenant_id, "chat/c1", create=False) is not None
            assert await one.get(other_tenant_id, "bot/b1") == b"sk-secret"
        kept = [name for name in await bucket.keys() if name.startswith(f"{tenant_id}.")]
        assert kept == [f"{tenant_id}.events"]

    async def test_is_known_to_be_erased_in_other_processes(
        self, vault: Vault, servers: Servers, tenant_id: str
    ) -> None:
        client = await nats_client.connect(servers.nats_url, "another process")
        another = fresh(await client.jetstream().key_value(BUCKET), servers)
        await another.follow(client)
        assert await another.tenant_key(tenant_id) is not None
        await vault.erase_tenant(tenant_id)

        async def gone() -> None:
            assert await another.tenant_key(tenant_id) is None
            assert another.knows_erased(tenant_id)

        await eventually(gone)
        await client.close()


class TestWithoutABroker:
    @pytest.fixture
    async def cut_off(self, client: Client, servers: Servers) -> Vault:
        """Of a bucket that `client` has seen to."""
        connected = await nats_client.connect(servers.nats_url, "cut off")
        bucket = await connected.jetstream().key_value(BUCKET)
        await connected.close()
        return fresh(bucket, servers)

    async def test_everything_is_unavailable(self, cut_off: Vault, tenant_id: str) -> None:
        """Never absent: a key that looks absent would be an answer that looks erased."""
        with pytest.raises(Unavailable):
            await cut_off.get(tenant_id, "x")
        with pytest.raises(Unavailable):
            await cut_off.put(tenant_id, "x", b"1")
        with pytest.raises(Unavailable):
            await cut_off.remove(tenant_id, "x")
        with pytest.raises(Unavailable):
            await cut_off.data_key(tenant_id, "x", create=True)
        with pytest.raises(Unavailable):
            await cut_off.destroy_key(tenant_id, "x")
