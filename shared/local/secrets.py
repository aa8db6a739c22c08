"""Secrets of an installation, made once, kept in its data directory for nobody else to read."""

import base64
import os
import secrets
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import orjson

FILE = "secrets.json"
SERVICES = ("gateway", "ingest", "chat", "scheduler", "analytics", "webhooks")


def _word() -> str:
    return secrets.token_urlsafe(24)


def _key() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


@dataclass(frozen=True)
class Secrets:
    """Everything that must never be printed."""

    nats_password: str = field(default_factory=_word, repr=False)
    nats_storage_key: str = field(default_factory=_word, repr=False)
    postgres_password: str = field(default_factory=_word, repr=False)
    service_passwords: dict[str, str] = field(
        default_factory=lambda: {name: _word() for name in SERVICES}, repr=False
    )
    vault_key: str = field(default_factory=_key, repr=False)
    jwt_secret: str = field(default_factory=_key, repr=False)

    @classmethod
    def of(cls, data_dir: Path) -> "Secrets":
        """Read them, or make them with mode 0600. Data without its secrets cannot be opened."""
        path = data_dir / FILE
        if path.exists():
            kept = orjson.loads(path.read_bytes())
            return cls(**{f.name: kept[f.name] for f in fields(cls) if f.name in kept})
        made = cls()
        write_private(path, orjson.dumps(asdict(made)))
        return made


def write_private(path: Path, body: bytes) -> None:
    """Write whole or not at all, readable by the owner only, and on the disk before it counts."""
    beside = path.with_name(f".{path.name}.part")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    beside.rename(path)
