"""`minirag init`: the secrets and folders that docker-compose.yml needs, made beside it.

What exists is never replaced: a new vault key would lock away what the old one sealed. A file
made later takes what it shares from those that exist.
"""

import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from shared.adapters.nkeys import account_of, new_account_seed
from shared.adapters.provision import DATABASE, role
from shared.embedded.data_dir import write_private
from shared.embedded.secrets import new_jwt_secret, new_password, new_vault_key
from shared.embedded.surroundings import SERVICES
from shared.kernel.errors import Unusable

COMPOSE_FILE = "docker-compose.yml"
STATE = Path(".compose")
"""Beside docker-compose.yml, which names its files."""
DATA = ("nats", "postgres", "qdrant", "blobs", "caddy", "prometheus")
UNPRIVILEGED = 10001
"""Whom the containers run as when root made the files; otherwise as whoever made them, since
nobody else can read them."""
BROKERS = 3
OPTIONAL = (
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "GEMINI_API_KEY",
    "MISTRAL_API_KEY",
    "GROQ_API_KEY",
    "COHERE_API_KEY",
    "DEEPSEEK_API_KEY",
    "OPENROUTER_API_KEY",
)
"""Files that begin empty, for the operator to fill; an empty one counts as unset."""


def init(folder: Path, domain: str) -> list[str]:
    """Make what is missing and return its paths. Raises `Unusable` if `folder` is the wrong one."""
    if not (folder / COMPOSE_FILE).exists():
        raise Unusable(f"{folder.resolve()} holds no {COMPOSE_FILE}; run this beside it")
    owner = (os.getuid() or UNPRIVILEGED, os.getgid() or UNPRIVILEGED)
    kept = _Kept(folder, owner)
    for name in DATA:
        kept.folder(STATE / "data" / name)
    kept.folder(STATE / "secrets")
    _secrets(kept)
    _environment(kept, domain, owner)
    return kept.made


class _Kept:
    """Files and folders of one installation, each made once."""

    def __init__(self, base: Path, owner: tuple[int, int]) -> None:
        self._base = base
        self._owner = owner
        self.made: list[str] = []

    def folder(self, path: Path) -> None:
        for part in (*reversed(path.parents[:-1]), path):
            if not (self._base / part).is_dir():
                (self._base / part).mkdir(mode=0o700)
                self._give(part)

    def file(self, path: Path, make: Callable[[], str]) -> str:
        """What the file holds, which is `make()` if there was none."""
        place = self._base / path
        if not place.exists():
            write_private(place, make().encode())
            self._give(path)
        return place.read_text().strip()

    def add_lines(self, path: Path, lines: dict[str, str]) -> None:
        """Add those settings whose names the file does not hold."""
        place = self._base / path
        old = place.read_text() if place.exists() else ""
        names = {line.partition("=")[0].strip() for line in old.splitlines()}
        new = "".join(f"{name}={value}\n" for name, value in lines.items() if name not in names)
        if new:
            gap = "" if not old or old.endswith("\n") else "\n"
            write_private(place, (old + gap + new).encode())
            self._give(path)

    def _give(self, path: Path) -> None:
        self.made.append(str(path))
        if os.getuid() == 0:
            os.chown(self._base / path, *self._owner)


def _secrets(kept: _Kept) -> None:
    def secret(name: str, make: Callable[[], str]) -> str:
        return kept.file(STATE / "secrets" / name, make)

    nats = secret("NATS_URL", lambda: f"nats://minirag:{new_password()}@nats:4222")
    password = urlsplit(nats).password
    secret("nats.conf", lambda: f'NATS_PASSWORD: "{password}"\n')
    seed = secret("MINIRAG_SUBSCRIBER_SEED", new_account_seed)
    secret("nats-issuer.conf", lambda: f'NATS_ISSUER: "{account_of(seed)}"\n')
    secret("nats-cluster.conf", lambda: _cluster(new_password()))

    admin = secret("postgres_password", new_password)
    secret("MINIRAG_ADMIN_DATABASE_URL", lambda: _database("postgres", admin, "postgres"))
    for name in SERVICES:
        secret(
            f"MINIRAG_{name.upper()}_DATABASE_URL",
            lambda name=name: _database(role(name), new_password(), DATABASE),  # type: ignore[misc]  # bound to this turn of the loop
        )

    qdrant = secret("QDRANT_API_KEY", new_password)
    secret("qdrant.yaml", lambda: f'service:\n  api_key: "{qdrant}"\n')
    secret("MINIRAG_VAULT_KEY", new_vault_key)
    secret("MINIRAG_JWT_SECRET", new_jwt_secret)
    for name in OPTIONAL:
        secret(name, str)


def _environment(kept: _Kept, domain: str, owner: tuple[int, int]) -> None:
    uid, gid = owner
    kept.add_lines(
        Path(".env"),
        {
            "MINIRAG_UID": str(uid),
            "MINIRAG_GID": str(gid),
            "MINIRAG_DOMAIN": domain,
            "MINIRAG_HTTP_PORT": "80",
            "MINIRAG_HTTPS_PORT": "443",
        },
    )


def _cluster(password: str) -> str:
    """For three brokers in Kubernetes; their routes are addresses with the password in them."""
    routes = "".join(
        f'    "nats://minirag:{password}@nats-{n}.nats-headless:6222"\n' for n in range(BROKERS)
    )
    return (
        'cluster {\n  name: minirag\n  listen: "0.0.0.0:6222"\n'
        # Clients would try an advertised address without their password.
        "  no_advertise: true\n"
        f'  authorization {{ user: minirag, password: "{password}", timeout: 3 }}\n'
        f"  routes: [\n{routes}  ]\n}}\n"
    )


def _database(user: str, password: str, database: str) -> str:
    return f"postgresql://{user}:{password}@postgres:5432/{database}"
