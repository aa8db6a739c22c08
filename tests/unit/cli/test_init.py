"""`minirag init` makes every secret once, for one reader."""

import os
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from shared.cli.init import OPTIONAL, init
from shared.embedded.surroundings import SERVICES
from shared.kernel.errors import Unusable
from shared.runtime.placeholders import is_placeholder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "docker-compose.yml").touch()
    return tmp_path


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def secret(folder: Path, name: str) -> str:
    return (folder / ".compose" / "secrets" / name).read_text()


def test_every_secret_is_random_and_none_a_placeholder(folder: Path, tmp_path: Path) -> None:
    init(folder, "localhost")
    made = {path.name: path.read_text() for path in (folder / ".compose/secrets").iterdir()}
    real = {name: text for name, text in made.items() if name not in OPTIONAL}
    assert not [name for name, text in real.items() if is_placeholder(text)]
    other = tmp_path / "other"
    other.mkdir()
    (other / "docker-compose.yml").touch()
    init(other, "localhost")
    assert not [name for name, text in real.items() if secret(other, name) == text]


def test_files_and_folders_are_for_their_owner_only(folder: Path) -> None:
    init(folder, "localhost")
    (folder / "docker-compose.yml").unlink()
    modes = {path: path.stat().st_mode & 0o777 for path in folder.rglob("*")}
    assert {path.name for path, mode in modes.items() if path.is_file() and mode != 0o600} == set()
    assert {path.name for path, mode in modes.items() if path.is_dir() and mode != 0o700} == set()


def test_the_containers_run_as_the_owner_of_the_files(folder: Path) -> None:
    init(folder, "localhost")
    owner = (folder / ".compose/secrets/NATS_URL").stat()
    assert owner.st_uid != 0
    assert f"MINIRAG_UID={owner.st_uid}\n" in (folder / ".env").read_text()
    assert owner.st_uid == (os.getuid() or 10001)


def test_a_second_time_changes_nothing(folder: Path) -> None:
    assert init(folder, "localhost")
    before = files(folder)
    assert init(folder, "elsewhere.example.com") == []
    assert files(folder) == before


def test_what_the_operator_wrote_stays_and_what_is_missing_comes(folder: Path) -> None:
    (folder / ".env").write_text("MINIRAG_DOMAIN=mine.example.com\nOTHER=1")
    init(folder, "localhost")
    lines = (folder / ".env").read_text().splitlines()
    assert lines[:2] == ["MINIRAG_DOMAIN=mine.example.com", "OTHER=1"]
    assert [line for line in lines if line.startswith("MINIRAG_DOMAIN")] == lines[:1]
    assert "MINIRAG_HTTPS_PORT=443" in lines


def test_a_lost_file_is_made_anew_from_those_that_share_its_secret(folder: Path) -> None:
    init(folder, "localhost")
    before = secret(folder, "nats.conf")
    (folder / ".compose/secrets/nats.conf").unlink()
    init(folder, "localhost")
    assert secret(folder, "nats.conf") == before
    password = urlsplit(secret(folder, "NATS_URL")).password
    assert f'NATS_PASSWORD: "{password}"' in before


def test_every_service_has_a_role_of_its_own(folder: Path) -> None:
    init(folder, "localhost")
    urls = [urlsplit(secret(folder, f"MINIRAG_{n.upper()}_DATABASE_URL")) for n in SERVICES]
    assert [url.username for url in urls] == [f"minirag_{name}" for name in SERVICES]
    assert len({url.password for url in urls}) == len(SERVICES)


def test_a_folder_without_the_compose_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match=r"holds no docker-compose\.yml"):
        init(tmp_path, "localhost")
    assert list(tmp_path.iterdir()) == []
