"""What no other process may know, made once for a data directory and kept in it."""

import base64
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from shared.adapters.nkeys import new_account_seed
from shared.embedded.data_dir import write_private
from shared.kernel.errors import Unusable


@dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    """Never printed, never logged; each is safe to stand in a URL or a configuration file."""

    nats_password: str
    postgres_password: str
    """Of the superuser."""
    database_passwords: dict[str, str]
    """By service."""
    vault_key: str
    jwt_secret: str
    subscriber_seed: str
    """Signs who gets into the broker from outside."""


def keep_secrets(path: Path, services: Sequence[str]) -> Secrets:
    """Read the secrets at `path`, making what is missing.

    Raises `Unusable` if the file cannot be read: making new ones would lock away the old data.
    """
    try:
        kept = json.loads(path.read_bytes()) if path.exists() else {}
        found = _completed(kept, services)
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise Unusable(
            f"{path} cannot be read ({error}); bring it back from a backup: the data beside it "
            "is encrypted under its keys"
        ) from error
    if asdict(found) == kept:
        path.chmod(0o600)
    else:
        write_private(path, json.dumps(asdict(found), indent=2).encode())
    return found


def _completed(kept: Mapping[str, Any], services: Sequence[str]) -> Secrets:
    """What is kept, and whatever is missing of it made."""
    databases = dict(kept.get("database_passwords", {}))
    return Secrets(
        nats_password=kept.get("nats_password") or new_password(),
        postgres_password=kept.get("postgres_password") or new_password(),
        database_passwords=databases
        | {name: new_password() for name in services if not databases.get(name)},
        vault_key=kept.get("vault_key") or new_vault_key(),
        jwt_secret=kept.get("jwt_secret") or new_jwt_secret(),
        subscriber_seed=kept.get("subscriber_seed") or new_account_seed(),
    )


def new_password() -> str:
    """192 random bits. It begins with a letter, as nats-server reads its configuration's
    variables like literals and would take leading digits for a number.
    """
    return "m" + secrets.token_hex(24)


def new_vault_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def new_jwt_secret() -> str:
    """384 random bits; RFC 7518 asks for 256 at least."""
    return secrets.token_urlsafe(48)
