"""Keys of accounts as nats-server writes them: Ed25519 in base32, with a prefix and a checksum.

The format is that of the NKeys specification (nats-io/nkeys).
"""

import base64
import binascii
import secrets
from enum import IntEnum

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.kernel.errors import Unusable

SEED = 18 << 3
"""Makes the first letter an S."""
KEY = 32
CHECKSUM = 2


class Prefix(IntEnum):
    """What a key is for; makes the first letter of a public key, and the second of a seed."""

    ACCOUNT = 0


def new_account_seed() -> str:
    """`SA…`: the secret half of a new account key."""
    kind = Prefix.ACCOUNT
    return _written(bytes([SEED | kind >> 5, (kind & 31) << 3]) + secrets.token_bytes(KEY))


def private_key(seed: str) -> Ed25519PrivateKey:
    """The key behind an account's seed. Raises `Unusable` if it is none."""
    try:
        raw = base64.b32decode(seed + "=" * (-len(seed) % 8))
    except ValueError:
        raw = b""
    body, checksum = raw[:-CHECKSUM], raw[-CHECKSUM:]
    if not seed.startswith("SA") or len(body) != KEY + 2 or checksum != _checksum(body):
        raise Unusable("the seed of the broker's account is none: it begins with SA")
    return Ed25519PrivateKey.from_private_bytes(body[2:])


def account_of(seed: str) -> str:
    """`A…`: the public half. Raises `Unusable` if the seed is none."""
    public = private_key(seed).public_key().public_bytes_raw()
    return _written(bytes([Prefix.ACCOUNT]) + public)


def _written(body: bytes) -> str:
    return base64.b32encode(body + _checksum(body)).decode().rstrip("=")


def _checksum(body: bytes) -> bytes:
    """CRC-16/XMODEM."""
    return binascii.crc_hqx(body, 0).to_bytes(CHECKSUM, "little")
