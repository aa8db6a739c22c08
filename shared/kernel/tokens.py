"""API tokens: `nrag_live_` + 32 random base62 characters + a checksum of 6.

The checksum (CRC-32 in base62, as GitHub's tokens have it) tells a mistyped or invented token from
a revoked one without asking anybody, and spares secret scanners false alarms.
"""

import hashlib
import re
import secrets
import string
import zlib

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
PREFIX = "nrag_live_"
SECRET_LENGTH = 32
CHECKSUM_LENGTH = 6
SHOWN = len(PREFIX) + 6
"""How much of a token may be shown again, so that its owner recognises it."""
FORM = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{SECRET_LENGTH + CHECKSUM_LENGTH}}}")


def new_token() -> str:
    """A fresh token with 190 bits of randomness."""
    secret = "".join(secrets.choice(ALPHABET) for _ in range(SECRET_LENGTH))
    return f"{PREFIX}{secret}{checksum(secret)}"


def checksum(secret: str) -> str:
    """CRC-32 of the secret part, as six base62 digits."""
    number = zlib.crc32(secret.encode())
    digits = ""
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits


def is_well_formed(token: str) -> bool:
    """Whether the token could be one of ours: form and checksum."""
    if not FORM.fullmatch(token):
        return False
    secret = token[len(PREFIX) : -CHECKSUM_LENGTH]
    return secrets.compare_digest(checksum(secret), token[-CHECKSUM_LENGTH:])


def token_hash(token: str) -> str:
    """What is stored of a token: its SHA-256, in hex. The secret has too many bits to search."""
    return hashlib.sha256(token.encode()).hexdigest()
