"""API tokens and widget keys: a prefix, 32 random base62 characters and a checksum of 6.

The checksum (CRC-32 in base62, as GitHub's tokens have it) tells a mistyped or invented token from
a revoked one without asking anybody, and spares secret scanners false alarms.
"""

import hashlib
import hmac
import re
import secrets
import string
import zlib

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
PREFIX = "nrag_live_"
PUBLIC_PREFIX = "nrag_pk_"
"""Of widget keys, which stand in web pages and are no secret."""
SECRET_LENGTH = 32
CHECKSUM_LENGTH = 6
SHOWN = len(PREFIX) + 6
"""How much of a token may be shown again, so that its owner recognises it."""
FORM = re.compile(rf"[0-9A-Za-z]{{{SECRET_LENGTH + CHECKSUM_LENGTH}}}")


def new_token(prefix: str = PREFIX) -> str:
    """A fresh token with 190 bits of randomness."""
    return token_from(secrets.token_bytes(32), "token", prefix)


def token_from(seed: bytes, purpose: str, prefix: str = PREFIX) -> str:
    """The token that follows from a secret, random `seed`: the same for the same purpose.

    HMAC-SHA-512 gives 512 bits for 190, so that no character is likelier than another by more
    than 2^-300.
    """
    number = int.from_bytes(hmac.digest(seed, purpose.encode(), "sha512"), "big")
    secret = ""
    for _ in range(SECRET_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        secret += ALPHABET[digit]
    return f"{prefix}{secret}{checksum(secret)}"


def checksum(secret: str) -> str:
    """CRC-32 of the secret part, as six base62 digits."""
    number = zlib.crc32(secret.encode())
    digits = ""
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits


def is_well_formed(token: str, prefix: str = PREFIX) -> bool:
    """Whether the token could be one of ours: form and checksum."""
    if not token.startswith(prefix) or not FORM.fullmatch(token, len(prefix)):
        return False
    secret = token[len(prefix) : -CHECKSUM_LENGTH]
    return secrets.compare_digest(checksum(secret), token[-CHECKSUM_LENGTH:])


def token_hash(token: str) -> str:
    """What is stored of a token: its SHA-256, in hex. The secret has too many bits to search."""
    return hashlib.sha256(token.encode()).hexdigest()
