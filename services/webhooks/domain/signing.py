"""Signatures of deliveries.

Standard Webhooks 1.0 (https://www.standardwebhooks.com): HMAC-SHA256 over `id.timestamp.body`, in
base64, one signature per secret that is good now. Beside them what clients of the original check:
the hex HMAC-SHA256 of the body alone.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime

PREFIX = "whsec_"


def key_of(secret: str) -> bytes:
    """The bytes that sign: those behind `whsec_` in base64, or a secret of any other form as it is.

    Standard Webhooks libraries take the first as it is shown, and the second as bytes.
    """
    if secret.startswith(PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
        except binascii.Error:
            pass  # an owner's own secret that only looks like one of ours
    return secret.encode()


def standard(secrets: Sequence[str], message_id: str, at: datetime, body: bytes) -> str:
    """The value of `webhook-signature`: one signature per secret, separated by a blank."""
    signed = f"{message_id}.{int(at.timestamp())}.".encode() + body
    return " ".join(
        "v1," + base64.b64encode(hmac.digest(key_of(secret), signed, hashlib.sha256)).decode()
        for secret in secrets
    )


def plain(secret: str, body: bytes) -> str:
    """The value of `X-MiniRAG-Signature`. The key is the secret as it was shown, all of it."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def headers(
    secrets: Sequence[str], event_type: str, message_id: str, at: datetime, body: bytes
) -> dict[str, str]:
    """Headers of one attempt. `secrets` are those that are good now, the current one first."""
    current, *previous = secrets
    signed = {
        "Content-Type": "application/json",
        "X-MiniRAG-Event": event_type,
        "X-MiniRAG-Signature": plain(current, body),
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": standard(secrets, message_id, at, body),
    }
    if previous:
        signed["X-MiniRAG-Signature-Previous"] = plain(previous[0], body)
    return signed
