"""Signatures: what the library of the specification verifies, and what old clients check."""

import hashlib
import hmac
from datetime import timedelta

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from services.webhooks.domain import signing
from shared.kernel.clock import utc_now

NEW = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLD = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
OWN = "a secret that an owner chose"
BODY = b'{"chat_id":"c1"}'


def headers(*secrets: str, minutes: float = 0) -> dict[str, str]:
    at = utc_now() + timedelta(minutes=minutes)
    return signing.headers(secrets, "chat.message", "msg-1", at, BODY)


def test_a_published_example_comes_out_the_same() -> None:
    """From the specification's reference libraries: secret, id, time and body are theirs."""
    at = utc_now().fromtimestamp(1614265330, tz=utc_now().tzinfo)
    signature = signing.standard([NEW], "msg_p5jXN8AQM9LWM0D4loKWxJek", at, b'{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_library_verifies_what_was_signed() -> None:
    assert Webhook(NEW).verify(BODY, headers(NEW)) == {"chat_id": "c1"}


@pytest.mark.parametrize("secret", [NEW, OLD])
def test_during_a_rotation_either_secret_verifies(secret: str) -> None:
    assert Webhook(secret).verify(BODY, headers(NEW, OLD))


def test_another_secret_does_not() -> None:
    with pytest.raises(WebhookVerificationError):
        Webhook(OLD).verify(BODY, headers(NEW))


@pytest.mark.parametrize("minutes", [-6, 6])
def test_an_old_or_early_one_is_refused(minutes: float) -> None:
    with pytest.raises(WebhookVerificationError):
        Webhook(NEW).verify(BODY, headers(NEW, minutes=minutes))


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_changed_header_is_noticed(name: str) -> None:
    signed = headers(NEW)
    signed[name] = {"webhook-signature": headers(OLD)["webhook-signature"]}.get(
        name, str(int(utc_now().timestamp()) - 1)
    )
    with pytest.raises(WebhookVerificationError):
        Webhook(NEW).verify(BODY, signed)


def test_a_changed_body_is_noticed() -> None:
    with pytest.raises(WebhookVerificationError):
        Webhook(NEW).verify(BODY.replace(b"c1", b"c2"), headers(NEW))


@pytest.mark.parametrize("secret", [OWN, "whsec_not base64"])
def test_an_owners_own_secret_signs_with_its_bytes(secret: str) -> None:
    assert Webhook(secret.encode()).verify(BODY, headers(secret))


@pytest.mark.parametrize("secret", [NEW, OWN])
def test_old_clients_find_the_hex_digest_of_the_body(secret: str) -> None:
    expected = hmac.new(secret.encode(), BODY, hashlib.sha256).hexdigest()
    signed = headers(secret)
    assert signed["X-MiniRAG-Signature"] == expected
    assert signed["X-MiniRAG-Event"] == "chat.message"
    assert "X-MiniRAG-Signature-Previous" not in signed


def test_old_clients_find_the_secret_before_during_a_rotation() -> None:
    expected = hmac.new(OLD.encode(), BODY, hashlib.sha256).hexdigest()
    assert headers(NEW, OLD)["X-MiniRAG-Signature-Previous"] == expected
