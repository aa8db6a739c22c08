"""Settings come from the environment, their defaults give nothing away, and secrets stay hidden."""

from importlib import import_module
from typing import Any

import pytest
from pydantic import ValidationError

from shared.runtime.process import SERVICES

REQUIRED = {
    "NATS_URL": "nats://minirag:hunter2@broker:4222",
    "DATABASE_URL": "postgresql://minirag:hunter2@db/minirag",
    "MINIRAG_VAULT_KEY": "hunter2",
    "MINIRAG_BLOB_URL": "file:///blobs",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in {**REQUIRED, "MINIRAG_JWT_SECRET": "hunter2" * 5}.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def settings(service: str) -> Any:
    return import_module(f"services.{service}.settings").Settings()


@pytest.mark.parametrize("service", SERVICES)
class TestEveryService:
    def test_is_set_by_four_variables(self, service: str, environment: pytest.MonkeyPatch) -> None:
        found = settings(service)
        assert found.nats_url.get_secret_value() == REQUIRED["NATS_URL"]
        assert found.blob_url == "file:///blobs"

    @pytest.mark.parametrize("name", REQUIRED)
    def test_guesses_none_of_them(
        self, service: str, environment: pytest.MonkeyPatch, name: str
    ) -> None:
        environment.delenv(name)
        with pytest.raises(ValidationError, match="(?i)" + name.removeprefix("MINIRAG_")):
            settings(service)

    def test_has_a_database_of_its_own_before_the_common_one(
        self, service: str, environment: pytest.MonkeyPatch
    ) -> None:
        environment.setenv(f"MINIRAG_{service.upper()}_DATABASE_URL", "postgresql://own/db")
        assert settings(service).database_url.get_secret_value() == "postgresql://own/db"

    def test_shows_no_secret_of_its_own(
        self, service: str, environment: pytest.MonkeyPatch
    ) -> None:
        assert "hunter2" not in f"{settings(service)!r} {settings(service)}"

    def test_cannot_be_changed_once_read(
        self, service: str, environment: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(ValidationError):
            settings(service).blob_url = "file:///other"


@pytest.mark.parametrize(
    ("service", "name", "value"),
    [
        ("gateway", "MINIRAG_PORT", "70000"),
        ("gateway", "MINIRAG_JWT_SECRET", "short"),
        ("gateway", "MINIRAG_JWT_SECRET", "long enough to be guessed by nobody,short"),
        ("gateway", "MINIRAG_TRUSTED_PROXIES", "10.0.0.0/8,everybody"),
        ("ingest", "MINIRAG_CHUNK_CHARS", "10"),
        ("chat", "MINIRAG_TURNS_AT_ONCE", "0"),
        ("ingest", "MINIRAG_STREAM_REPLICAS", "9"),
    ],
)
def test_a_value_that_cannot_be_is_refused(
    environment: pytest.MonkeyPatch, service: str, name: str, value: str
) -> None:
    environment.setenv(name, value)
    with pytest.raises(ValidationError):
        settings(service)


def test_loopback_is_not_reached_unless_the_operator_says_so(
    environment: pytest.MonkeyPatch,
) -> None:
    assert settings("ingest").egress_allow_loopback is False
    environment.setenv("MINIRAG_EGRESS_ALLOW_LOOPBACK", "true")
    assert settings("ingest").egress_allow_loopback is True
