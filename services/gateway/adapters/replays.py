"""Answers kept for requests that may come again, in the key-value bucket `idempotency`.

Each is sealed under the operator's master key with its own name as associated data: an answer may
hold a fresh token, and a request a password.
"""

import zlib

import nats.errors
import orjson
from nats.aio.client import Client
from nats.js.errors import APIError, KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from services.gateway.ports import Replay
from shared.adapters.topology import IDEMPOTENCY_BUCKET
from shared.adapters.vault import Vault
from shared.kernel.errors import TooLarge, Unavailable

LARGEST = 900_000
"""Bytes of one entry; the broker's `max_payload` is a little more."""


class SealedReplays:
    """Reads from the leader, writes only behind the revision that was read."""

    def __init__(self, bucket: KeyValue, vault: Vault) -> None:
        self._bucket = bucket
        self._vault = vault

    @classmethod
    async def open(cls, client: Client, vault: Vault) -> "SealedReplays":
        """The bucket must exist."""
        return cls(await client.jetstream().key_value(IDEMPOTENCY_BUCKET), vault)

    async def get(self, name: str) -> tuple[Replay, int] | None:
        """What is kept, and its revision. Raises `Unavailable`."""
        try:
            entry = await self._bucket.get(name)
        except KeyNotFoundError:
            return None
        except (nats.errors.Error, APIError, TimeoutError) as error:
            raise Unavailable("kept answers cannot be read") from error
        if entry.value is None:
            return None
        head, _, body = zlib.decompress(self._vault.open(name, entry.value)).partition(b"\n")
        kept = orjson.loads(head)
        replay = Replay.model_validate({**kept, "seed": bytes.fromhex(kept["seed"]), "body": body})
        return replay, entry.revision or 0

    async def put(self, name: str, replay: Replay, revision: int) -> int | None:
        """Keep it, if `revision` is still the last (0: there is none yet).

        Returns the new revision, or None if somebody else was first. Raises `Unavailable`, and
        `TooLarge` if it cannot be kept.
        """
        kept = replay.model_dump(mode="json", exclude={"seed", "body"})
        head = orjson.dumps({**kept, "seed": replay.seed.hex()})
        sealed = self._vault.seal(name, zlib.compress(head + b"\n" + replay.body, level=1))
        if len(sealed) > LARGEST:
            raise TooLarge("the answer is too large to be kept")
        try:
            if revision == 0:
                return await self._bucket.create(name, sealed)
            return await self._bucket.update(name, sealed, revision)
        except KeyWrongLastSequenceError:
            return None
        except (nats.errors.Error, APIError, TimeoutError) as error:
            raise Unavailable("an answer cannot be kept") from error
