"""Secrets and data keys, encrypted, in the key-value bucket `vault`.

Every value is sealed with AES-256-GCM under the operator's master key; the entry's own name is
the associated data, so a value copied to another name does not open (NIST SP 800-38D).
"""

import base64
import hashlib
import os
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import nats.errors
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from shared.kernel.errors import Unavailable, Unusable
from shared.kernel.ids import subject_token

BUCKET: Final = "vault"
STREAM: Final = f"KV_{BUCKET}"
NONCE: Final = 12
KID: Final = 8
DESTROYED: Final = b""
PURGE_SECONDS: Final = 60.0
TENANT_KEY: Final = "events"
"""Stands apart from the other keys of a tenant, so that those can go without its mark."""


class Keyring:
    """Master keys: the first seals, all open. Rotation puts a new key in front."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != 32 for key in keys):  # noqa: PLR2004  AES-256
            raise Unusable("MINIRAG_VAULT_KEY must hold base64 keys of 32 bytes each")
        self._keys = {hashlib.sha256(key).digest()[:KID]: AESGCM(key) for key in keys}
        self._first = next(iter(self._keys))

    @classmethod
    def parse(cls, text: str) -> "Keyring":
        """From urlsafe base64 keys separated by commas. Raises `Unusable` if one is not."""
        try:
            return cls([base64.urlsafe_b64decode(part) for part in text.split(",")])
        except ValueError as error:
            raise Unusable("MINIRAG_VAULT_KEY is not urlsafe base64") from error

    def seal(self, name: str, value: bytes) -> bytes:
        nonce = os.urandom(NONCE)
        sealed = self._keys[self._first].encrypt(nonce, value, name.encode())
        return self._first + nonce + sealed

    def open(self, name: str, sealed: bytes) -> bytes:
        """Raise `Unusable` if no key of this ring sealed it under this name."""
        key = self._keys.get(sealed[:KID])
        if key is None:
            raise Unusable(f"vault entry {name!r} was sealed with a key that is not configured")
        try:
            return key.decrypt(sealed[KID : KID + NONCE], sealed[KID + NONCE :], name.encode())
        except InvalidTag as error:
            raise Unusable(f"vault entry {name!r} does not belong to its name") from error


class KnownKeys:
    """Keys that a process has read, and marks of keys that it knows to be destroyed.

    For all vaults of the process: what one service has read or made, another one need not read. One
    connection hears what is destroyed, and without it nothing is kept.
    """

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._keys: OrderedDict[str, bytes] = OrderedDict()
        self._destroyed: OrderedDict[str, None] = OrderedDict()
        self._erased: set[str] = set()
        """Tenants of which this process knows it."""
        self._client: Client | None = None
        self._reconnects = 0

    def __len__(self) -> int:
        return len(self._keys)

    async def follow(self, client: Client) -> None:
        """Forget at once what any process destroys. Without it, only what this one does."""
        if self._client is not None:
            return
        self._client = client
        self._reconnects = client.stats["reconnects"]
        await client.subscribe(f"$KV.{BUCKET}.*.key.>", cb=self._on_key)
        await client.subscribe(f"$KV.{BUCKET}.*.{TENANT_KEY}", cb=self._on_key)

    def get(self, name: str) -> bytes | None:
        if (key := self._keys.get(name)) is not None:
            self._keys.move_to_end(name)
        return key

    def keep(self, name: str, key: bytes) -> None:
        self._keys[name] = key
        while len(self._keys) > self._most:
            self._keys.popitem(last=False)

    def forget(self, name: str) -> None:
        """The key is destroyed."""
        self._keys.pop(name, None)
        tenant_id, _, kind = name.partition(".")
        if kind == TENANT_KEY:
            self._erased.add(tenant_id)
            for other in [key for key in self._keys if key.startswith(f"{tenant_id}.")]:
                del self._keys[other]
        self._destroyed[name] = None
        while len(self._destroyed) > self._most:
            self._destroyed.popitem(last=False)

    def gone(self, name: str) -> bool:
        """Whether the key is known to be destroyed."""
        return name in self._destroyed or self.erased(name.partition(".")[0])

    def erased(self, tenant_id: str) -> bool:
        return tenant_id in self._erased

    def keep_in_touch(self) -> None:
        """What was destroyed while there was no connection was not heard of."""
        if self._client is None:
            return
        reconnects = self._client.stats["reconnects"]
        if reconnects != self._reconnects or not self._client.is_connected:
            self._reconnects = reconnects
            self._keys.clear()

    async def _on_key(self, message: Msg) -> None:
        if message.data == DESTROYED:
            self.forget(message.subject.removeprefix(f"$KV.{BUCKET}."))


class Vault:
    """Secrets by reference, and one data key per person or conversation.

    Everything raises `Unavailable` if the broker does not answer.
    """

    def __init__(self, bucket: KeyValue, keyring: Keyring, known: KnownKeys | None = None) -> None:
        """`known` is for all vaults of the process that open with the same keyring."""
        self._bucket = bucket
        self._keyring = keyring
        self._known = KnownKeys() if known is None else known
        self._client: Client | None = None

    async def follow(self, client: Client) -> None:
        """Forget at once what any process destroys. Without it, only what this one does."""
        await self._known.follow(client)
        self._client = client

    async def put(self, tenant_id: str, ref: str, secret: bytes) -> None:
        """Store a secret under `ref`, replacing what was there."""
        name = f"{tenant_id}.secret.{ref}"
        with _answering():
            await self._bucket.put(name, self._keyring.seal(name, secret))

    async def get(self, tenant_id: str, ref: str) -> bytes | None:
        """The secret, or None if there is none (any more)."""
        return await self._open(f"{tenant_id}.secret.{ref}")

    async def remove(self, tenant_id: str, ref: str) -> None:
        with _answering():
            await self._bucket.purge(f"{tenant_id}.secret.{ref}")

    def seal(self, name: str, value: bytes) -> bytes:
        """`value` encrypted, to be kept elsewhere under `name`."""
        return self._keyring.seal(name, value)

    def open(self, name: str, sealed: bytes) -> bytes:
        """What was sealed under `name`. Raises `Unusable` if it was not, or under a lost key."""
        return self._keyring.open(name, sealed)

    async def data_key(self, tenant_id: str, subject: str, *, create: bool) -> bytes | None:
        """The 32-byte key of a data subject. None if it was destroyed, which is for good, or if it
        was never made and is not to be.
        """
        name = f"{tenant_id}.key.{subject}"
        # Who needs one that is not known here has mostly to do with a conversation that begins.
        return await self._key(name, self._create if create else self._open)

    async def tenant_key(self, tenant_id: str) -> bytes | None:
        """The 32-byte key of all messages of a tenant. None if the tenant was erased."""
        name = f"{tenant_id}.{TENANT_KEY}"
        if (key := await self._key(name, self._open_or_create)) is None:
            self._known.forget(
                name
            )  # a log may hold a million of its events: they need no look each
        return key

    def knows_erased(self, tenant_id: str) -> bool:
        """Whether this process has heard that the tenant was erased."""
        return self._known.erased(tenant_id)

    async def _key(self, name: str, find: Callable[[str], Awaitable[bytes | None]]) -> bytes | None:
        known = self._known
        known.keep_in_touch()
        if known.gone(name):
            return None
        if (cached := known.get(name)) is not None:
            return cached
        key = await find(name)
        if known.gone(name):
            return None  # while it was read
        if key is not None:
            known.keep(name, key)
        return key

    async def destroy_key(self, tenant_id: str, subject: str) -> None:
        """Make everything sealed for this subject unreadable, wherever a copy lies. A mark stays in
        place of the key, so that nothing can be sealed for the subject again.
        """
        name = f"{tenant_id}.key.{subject}"
        with _answering():
            await self._bucket.put(name, DESTROYED)
        self._known.forget(name)

    async def erase_tenant(self, tenant_id: str) -> None:
        """Make every message of the tenant unreadable for good, and take its secrets and the keys
        of its subjects away. Safe to repeat.
        """
        name = f"{tenant_id}.{TENANT_KEY}"
        assert self._client is not None  # noqa: S101  only who follows may destroy so much
        stream = self._client.jetstream(timeout=PURGE_SECONDS)
        with _answering():
            await self._bucket.put(name, DESTROYED)
            self._known.forget(name)
            for kind in ("key", "secret"):
                subject = f"$KV.{BUCKET}.{subject_token(tenant_id)}.{kind}.>"
                await stream.purge_stream(STREAM, subject=subject)

    async def _open_or_create(self, name: str) -> bytes | None:
        key = await self._open(name)
        return await self._create(name) if key is None else key

    async def _create(self, name: str) -> bytes | None:
        """A new key, or the one that somebody else has made; None if that is destroyed."""
        fresh = AESGCM.generate_key(256)
        with _answering():
            try:
                await self._bucket.create(name, self._keyring.seal(name, fresh))
            except KeyWrongLastSequenceError:
                return await self._open(name)
        return fresh

    async def _open(self, name: str) -> bytes | None:
        with _answering():
            try:
                entry = await self._bucket.get(name)
            except KeyNotFoundError:
                return None
        return self._keyring.open(name, entry.value) if entry.value else None


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except (nats.errors.Error, TimeoutError) as error:
        raise Unavailable("the vault does not answer") from error
