"""What the services' processes find in their environment."""

from pathlib import Path

import pytest

from shared.embedded.data_dir import DataDir
from shared.embedded.secrets import keep_secrets
from shared.embedded.surroundings import ARENAS, SERVICES, service_environment


def environment(home: Path) -> dict[str, str]:
    return dict(
        service_environment(
            DataDir(home),
            keep_secrets(home / "secrets.json", SERVICES),
            nats_url="nats://127.0.0.1:1",
            host="127.0.0.1",
            port=1,
            database_url=lambda service: f"postgresql://{service}",
        )
    )


def test_memory_is_kept_in_few_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    assert environment(tmp_path)["MALLOC_ARENA_MAX"] == ARENAS


def test_what_is_set_outside_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_ARENA_MAX", "7")
    assert environment(tmp_path)["MALLOC_ARENA_MAX"] == "7"


def test_the_databases_of_all_services_are_named(tmp_path: Path) -> None:
    found = environment(tmp_path)
    for service in SERVICES:
        assert found[f"MINIRAG_{service.upper()}_DATABASE_URL"] == f"postgresql://{service}"
