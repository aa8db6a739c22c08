"""Secrets are sealed under their own names, master keys rotate, and destroyed keys are gone."""

import base64
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError

from shared.adapters.vault import Keyring, KnownKeys, Vault
from shared.kernel.errors import Unusable

OLD, NEW = bytes(range(32)), bytes(range(32, 64))


def text(*keys: bytes) -> str:
    return ",".join(base64.urlsafe_b64encode(key).decode() for key in keys)


@dataclass
class Bucket:
    """As much of a key-value bucket as the vault uses."""

    kept: dict[str, bytes] = field(default_factory=dict)
    reads: int = 0
    rival: bytes | None = None
    """What somebody else puts in between looking and making."""

    async def get(self, key: str) -> Any:
        self.reads += 1
        if key not in self.kept:
            raise KeyNotFoundError
        return SimpleNamespace(value=self.kept[key])

    async def put(self, key: str, value: bytes) -> None:
        self.kept[key] = value

    async def create(self, key: str, value: bytes) -> None:
        if self.rival is not None:
            self.kept[key] = self.rival
        if key in self.kept:
            raise KeyWrongLastSequenceError
        self.kept[key] = value

    async def purge(self, key: str) -> None:
        self.kept.pop(key, None)


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


@pytest.fixture
def vault(bucket: Bucket) -> Vault:
    return Vault(cast("Any", bucket), Keyring([OLD]), KnownKeys(most=2))


class TestTheKeyring:
    def test_opens_what_it_sealed_and_seals_anew_each_time(self) -> None:
        ring = Keyring.parse(text(OLD))
        first, second = ring.seal("a", b"secret"), ring.seal("a", b"secret")
        assert first != second
        assert b"secret" not in first
        assert ring.open("a", first) == ring.open("a", second) == b"secret"

    def test_with_a_new_key_in_front_opens_the_old_and_seals_with_the_new(self) -> None:
        before = Keyring.parse(text(OLD)).seal("a", b"secret")
        rotating = Keyring.parse(text(NEW, OLD))
        assert rotating.open("a", before) == b"secret"
        after = rotating.seal("a", b"secret")
        assert Keyring([NEW]).open("a", after) == b"secret"

    def test_without_the_key_says_so(self) -> None:
        sealed = Keyring([OLD]).seal("a", b"secret")
        with pytest.raises(Unusable, match="'a' was sealed with a key that is not configured"):
            Keyring([NEW]).open("a", sealed)

    def test_opens_nothing_under_another_name(self) -> None:
        sealed = Keyring([OLD]).seal("a", b"secret")
        with pytest.raises(Unusable, match="'b' does not belong to its name"):
            Keyring([OLD]).open("b", sealed)

    @pytest.mark.parametrize("place", [8, 20, -1])
    def test_opens_nothing_that_was_tampered_with(self, place: int) -> None:
        sealed = bytearray(Keyring([OLD]).seal("a", b"secret"))
        sealed[place] ^= 1
        with pytest.raises(Unusable):
            Keyring([OLD]).open("a", bytes(sealed))

    @pytest.mark.parametrize("sealed", [b"", b"x", bytes(8), bytes(100)])
    def test_opens_nothing_that_never_was_sealed(self, sealed: bytes) -> None:
        with pytest.raises(Unusable):
            Keyring([OLD]).open("a", sealed)

    @pytest.mark.parametrize(
        "bad", ["", "secret", text(bytes(16)), text(OLD) + ",", text(OLD) + ",x", "é", "A"]
    )
    def test_takes_keys_of_32_bytes_only(self, bad: str) -> None:
        with pytest.raises(Unusable, match="MINIRAG_VAULT_KEY"):
            Keyring.parse(bad)


class TestSecrets:
    async def test_are_kept_sealed_under_tenant_and_reference(
        self, vault: Vault, bucket: Bucket
    ) -> None:
        await vault.put("t1", "credentials/1", b"sk-canary")
        assert await vault.get("t1", "credentials/1") == b"sk-canary"
        assert list(bucket.kept) == ["t1.secret.credentials/1"]
        assert b"canary" not in bucket.kept["t1.secret.credentials/1"]

    async def test_of_another_tenant_are_none(self, vault: Vault) -> None:
        await vault.put("t1", "a", b"x")
        assert await vault.get("t2", "a") is None

    async def test_copied_to_another_tenant_do_not_open(self, vault: Vault, bucket: Bucket) -> None:
        await vault.put("t1", "a", b"x")
        bucket.kept["t2.secret.a"] = bucket.kept["t1.secret.a"]
        with pytest.raises(Unusable):
            await vault.get("t2", "a")

    async def test_are_replaced_and_removed(self, vault: Vault) -> None:
        await vault.put("t1", "a", b"x")
        await vault.put("t1", "a", b"y")
        assert await vault.get("t1", "a") == b"y"
        await vault.remove("t1", "a")
        assert await vault.get("t1", "a") is None


class TestDataKeys:
    async def test_are_made_once_and_remembered(self, vault: Vault, bucket: Bucket) -> None:
        assert await vault.data_key("t1", "user/u1", create=False) is None
        key = await vault.data_key("t1", "user/u1", create=True)
        assert key is not None
        assert len(key) == 32
        reads = bucket.reads
        assert await vault.data_key("t1", "user/u1", create=False) == key
        assert bucket.reads == reads

    async def test_are_another_for_every_tenant_and_subject(self, vault: Vault) -> None:
        made = {
            await vault.data_key(tenant, subject, create=True)
            for tenant in ("t1", "t2")
            for subject in ("user/u1", "chat/c1")
        }
        assert len(made) == 4

    async def test_of_somebody_quicker_are_taken(self, vault: Vault, bucket: Bucket) -> None:
        bucket.rival = Keyring([OLD]).seal("t1.key.user/u1", NEW)
        assert await vault.data_key("t1", "user/u1", create=True) == NEW

    async def test_are_forgotten_by_age_and_found_again(self, vault: Vault) -> None:
        first = await vault.data_key("t1", "a", create=True)
        for subject in ("b", "c", "d"):
            await vault.data_key("t1", subject, create=True)
        assert len(vault._known) == 2
        assert await vault.data_key("t1", "a", create=False) == first

    async def test_once_destroyed_are_gone_for_good(self, vault: Vault) -> None:
        await vault.data_key("t1", "user/u1", create=True)
        await vault.destroy_key("t1", "user/u1")
        assert await vault.data_key("t1", "user/u1", create=False) is None
        assert await vault.data_key("t1", "user/u1", create=True) is None

    async def test_of_a_conversation_that_begins_are_made_without_a_look(
        self, vault: Vault, bucket: Bucket
    ) -> None:
        assert await vault.data_key("t1", "chat/c1", create=True) is not None
        assert bucket.reads == 0

    async def test_that_one_vault_of_a_process_knows_need_not_be_read_by_another(
        self, bucket: Bucket
    ) -> None:
        known = KnownKeys()
        one, another = (Vault(cast("Any", bucket), Keyring([OLD]), known) for _ in range(2))
        key = await one.data_key("t1", "chat/c1", create=True)
        assert await another.data_key("t1", "chat/c1", create=False) == key
        assert bucket.reads == 0

    async def test_that_one_vault_of_a_process_destroys_are_gone_for_another(
        self, bucket: Bucket
    ) -> None:
        known = KnownKeys()
        one, another = (Vault(cast("Any", bucket), Keyring([OLD]), known) for _ in range(2))
        await one.data_key("t1", "chat/c1", create=True)
        await another.destroy_key("t1", "chat/c1")
        assert await one.data_key("t1", "chat/c1", create=True) is None
