"""Where something was ordered from, sealed with the key of who ordered it.

It stands in a header of every event that follows at once, and is erased with its user: who
destroys the key makes every copy of it unreadable.
"""

import base64
import os

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.adapters.envelope import DataKeys
from shared.contracts.base import Message

NONCE = 12
LONGEST_AGENT = 256


class Origin(Message):
    """A client."""

    address: str
    user_agent: str


async def seal_origin(keys: DataKeys, tenant_id: str, user_id: str, origin: Origin) -> str | None:
    """ASCII that tells the user and nothing else without the user's key; None if that is erased."""
    key = await keys.data_key(tenant_id, f"user/{user_id}", create=True)
    if key is None:
        return None
    nonce = os.urandom(NONCE)
    agent = origin.user_agent[:LONGEST_AGENT]
    body = orjson.dumps([origin.address, agent])
    sealed = AESGCM(key).encrypt(nonce, body, _associated(tenant_id, user_id))
    return f"{user_id}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"


async def open_origin(keys: DataKeys, tenant_id: str, sealed: str) -> Origin | None:
    """None if it was erased."""
    user_id, _, text = sealed.partition(".")
    key = await keys.data_key(tenant_id, f"user/{user_id}", create=False)
    if key is None:
        return None
    raw = base64.urlsafe_b64decode(text)
    try:
        body = AESGCM(key).decrypt(raw[:NONCE], raw[NONCE:], _associated(tenant_id, user_id))
    except InvalidTag:
        # A user who came back after an erasure has another key.
        return None
    address, user_agent = orjson.loads(body)
    return Origin(address=address, user_agent=user_agent)


def user_of(sealed: str) -> str:
    """Who ordered it."""
    return sealed.partition(".")[0]


def _associated(tenant_id: str, user_id: str) -> bytes:
    return f"{tenant_id}|user/{user_id}|origin".encode()
