"""No secret survives in a log line, wherever it stands."""

import io
import json
import logging
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, strategies as st

from shared.kernel.tokens import new_token
from shared.runtime.logs import REDACTED, RedactingFormatter, redact

SECRETS = {
    "token": new_token(),
    "provider key": "sk-proj-abcDEF0123456789_-x",
    "webhook secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw=",
    "json web token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1MSJ9.c2lnbmF0dXJl",
    "bearer": "Bearer abc.DEF-123~x/y+z=",
    "database": "postgresql://minirag:hunter2@127.0.0.1:5432/minirag",
    "broker": "nats://minirag:m0123abcdef@127.0.0.1:4222",
}
PARTS = {
    **{
        name: secret for name, secret in SECRETS.items() if " " not in secret and "//" not in secret
    },
    "bearer": "abc.DEF-123~x/y+z=",
    "database": "hunter2",
    "broker": "m0123abcdef",
}
AROUND = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="_-+/=~."), max_size=15
).map(lambda text: f" {text} ")


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def log(stream: io.StringIO) -> logging.Logger:
    logger = logging.Logger("test")  # noqa: LOG001  one nobody else can reach
    handler = logging.StreamHandler(stream)
    handler.setFormatter(RedactingFormatter("{levelname}{message}{exc_info}", style="{"))
    logger.addHandler(handler)
    return logger


def line(stream: io.StringIO) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(stream.getvalue())
    return found


@pytest.mark.parametrize("name", SECRETS)
class TestASecret:
    def test_in_a_text_is_replaced(self, name: str) -> None:
        for text in (SECRETS[name], f"x {SECRETS[name]} y", f'{{"a":"{SECRETS[name]}"}}'):
            assert PARTS[name] not in redact(text)
            assert REDACTED in redact(text)

    def test_in_a_message_is_replaced(
        self, log: logging.Logger, stream: io.StringIO, name: str
    ) -> None:
        log.warning("it failed: %s", SECRETS[name])
        assert PARTS[name] not in stream.getvalue()
        assert "it failed" in line(stream)["message"]

    def test_in_extras_however_deep_is_replaced(
        self, log: logging.Logger, stream: io.StringIO, name: str
    ) -> None:
        secret = SECRETS[name]
        extra = {"a": secret, "b": {"c": [secret, (secret,)]}, "d": {secret: 1}}
        log.warning("x", extra={"about": extra, "error": ValueError(secret)})
        assert PARTS[name] not in stream.getvalue()

    def test_in_a_traceback_is_replaced(
        self, log: logging.Logger, stream: io.StringIO, name: str
    ) -> None:
        def fail() -> None:
            raise RuntimeError(SECRETS[name])

        try:
            fail()
        except RuntimeError:
            log.exception("failed")
        assert PARTS[name] not in stream.getvalue()
        assert "RuntimeError" in stream.getvalue()


@given(AROUND, st.sampled_from(sorted(SECRETS)), AROUND)
def test_no_secret_survives_between_any_words(before: str, name: str, after: str) -> None:
    assert PARTS[name] not in redact(before + SECRETS[name] + after)


@pytest.mark.parametrize(
    "name", ["password", "Authorization", "api_key", "client_secret", "vault_key", "credentials"]
)
def test_a_value_under_a_telling_name_is_replaced_whatever_it_is(
    log: logging.Logger, stream: io.StringIO, name: str
) -> None:
    log.warning("x", extra={name: "plain", "inner": {name: ["plain", 5]}})
    assert "plain" not in stream.getvalue()
    assert line(stream)[name] == REDACTED


@pytest.mark.parametrize(
    "text",
    [
        "source 7f3c ready in 0.5 s",
        "GET http://127.0.0.1:8000/v1/chat",
        "see https://docs.example/a:b@c",
        "ask-me-anything, task-sk",
        "nrag_ is a prefix",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_a_line_is_one_object_with_level_message_and_extras(
    log: logging.Logger, stream: io.StringIO
) -> None:
    log.error("two\nlines", extra={"tenant": "t1", "attempt": 3})
    assert stream.getvalue().count("\n") == 1
    found = line(stream)
    assert (found["levelname"], found["message"]) == ("ERROR", "two\nlines")
    assert (found["tenant"], found["attempt"]) == ("t1", 3)
