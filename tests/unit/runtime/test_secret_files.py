"""Settings come from variables and from files of secrets, and no placeholder is taken for one."""

from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError

from services.chat.settings import Settings
from shared.runtime.placeholders import is_placeholder

GOOD = {
    "NATS_URL": "nats://minirag:mf00d@nats:4222",
    "DATABASE_URL": "postgresql://minirag_chat:mbeef@postgres:5432/minirag",
    "MINIRAG_VAULT_KEY": "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=",
    "MINIRAG_BLOB_URL": "file:///blobs",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"MINIRAG_{name.upper()}", raising=False)
    monkeypatch.delenv("MINIRAG_SECRETS_DIR", raising=False)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


class TestFilesOfSecrets:
    def test_stand_for_variables_of_the_same_names(
        self, environment: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        environment.delenv("NATS_URL")
        environment.setenv("MINIRAG_SECRETS_DIR", str(tmp_path))
        (tmp_path / "NATS_URL").write_text("nats://minirag:mfile@nats:4222\n")
        assert Settings().nats_url.get_secret_value() == "nats://minirag:mfile@nats:4222"

    def test_of_the_service_go_before_those_of_all(
        self, environment: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        environment.delenv("DATABASE_URL")
        environment.setenv("MINIRAG_SECRETS_DIR", str(tmp_path))
        (tmp_path / "DATABASE_URL").write_text("postgresql://all:mall@postgres/minirag")
        own = "postgresql://minirag_chat:mown@postgres/minirag"
        (tmp_path / "MINIRAG_CHAT_DATABASE_URL").write_text(own)
        assert Settings().database_url.get_secret_value() == own

    def test_yield_to_variables(self, environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
        environment.setenv("MINIRAG_SECRETS_DIR", str(tmp_path))
        (tmp_path / "NATS_URL").write_text("nats://minirag:mfile@nats:4222")
        assert Settings().nats_url.get_secret_value() == GOOD["NATS_URL"]

    def test_that_are_empty_count_as_unset(
        self, environment: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        environment.delenv("NATS_URL")
        environment.setenv("MINIRAG_SECRETS_DIR", str(tmp_path))
        (tmp_path / "OPENAI_API_KEY").touch()
        (tmp_path / "NATS_URL").touch()
        with pytest.raises(ValidationError) as refused:
            Settings()
        assert [error["loc"] for error in refused.value.errors()] == [("MINIRAG_CHAT_NATS_URL",)]

    def test_need_not_be_there(self, environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
        environment.setenv("MINIRAG_SECRETS_DIR", str(tmp_path / "none"))
        assert Settings().openai_api_key is None


class TestPlaceholders:
    @pytest.mark.parametrize("name", ["NATS_URL", "DATABASE_URL", "MINIRAG_VAULT_KEY"])
    def test_are_refused_by_name(self, environment: pytest.MonkeyPatch, name: str) -> None:
        environment.setenv(name, "nats://minirag:change-me@nats:4222")
        with pytest.raises(ValidationError, match=rf"{name}: empty or a placeholder"):
            Settings()

    def test_no_value_stands_in_the_refusal(self, environment: pytest.MonkeyPatch) -> None:
        environment.setenv("MINIRAG_VAULT_KEY", "your-key-here")
        with pytest.raises(ValidationError) as refused:
            Settings()
        text = str(refused.value)
        assert "MINIRAG_VAULT_KEY" in text
        assert not [value for value in (*GOOD.values(), "your-key-here") if value in text]

    def test_a_key_of_somebody_else_s_may_be_any_word(
        self, environment: pytest.MonkeyPatch
    ) -> None:
        environment.setenv("OPENAI_API_KEY", "none")
        key = Settings().openai_api_key
        assert key
        assert key.get_secret_value() == "none"

    @pytest.mark.parametrize(
        "secret",
        [
            "change-me",
            "CHANGEME",
            "change_this",
            "please-replace-me",
            "placeholder",
            "<key>",
            "${VAULT_KEY}",
            "xxxxxxxx",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "password",
            " ",
            "",
            "nats://minirag:@nats:4222",
            "postgresql://u:change%2Dme@h/d",
        ],
    )
    def test_words_of_examples_are_recognised(self, secret: str) -> None:
        assert is_placeholder(secret)

    @pytest.mark.parametrize(
        "secret", ["nats://127.0.0.1:4222", "sk-Exchange-meter", "m3f", "nats://change-me:m3@h:1"]
    )
    def test_others_are_not(self, secret: str) -> None:
        assert not is_placeholder(secret)

    @given(st.binary(min_size=24, max_size=24))
    def test_random_secrets_are_not(self, key: bytes) -> None:
        if len(set(key)) > 1:
            assert not is_placeholder("m" + key.hex())
