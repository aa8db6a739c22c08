"""How e-mail addresses are compared."""

import hashlib
import hmac
import unicodedata


def email_key(email: str) -> str:
    """The same for addresses that differ in case only."""
    return unicodedata.normalize("NFC", email).casefold()


def email_hash(key: bytes, email: str) -> str:
    """A name for an address that only the tenant's key can make: events do not give it away."""
    return hmac.new(key, email_key(email).encode(), hashlib.sha256).hexdigest()
