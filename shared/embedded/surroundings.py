"""Environment variables: what the servers get, and what the services get."""

import os
from collections.abc import Callable, Mapping

from shared.embedded.data_dir import DataDir
from shared.embedded.secrets import Secrets

SERVICES = ("ingest", "chat", "scheduler", "analytics", "webhooks", "gateway")
PASSED_ON = ("PATH", "HOME", "TMPDIR", "ZONEINFO", "GOMEMLIMIT")

ARENAS = "2"
"""Of glibc's allocator. By itself it takes eight a core, and each keeps what a thread once needed;
our threads wait for disks and sockets more than they allocate."""


def inherited() -> dict[str, str]:
    """The environment of the process we are in."""
    return dict(os.environ)  # noqa: TID251  handed on as it is; nothing is read from it


def server_environment() -> dict[str, str]:
    """For nats-server and Postgres: little, so that no `PG…` of the user's reaches them."""
    own = inherited()
    return {"LC_ALL": "C", **{name: own[name] for name in PASSED_ON if name in own}}


def service_environment(
    home: DataDir,
    secrets: Secrets,
    *,
    nats_url: str,
    host: str,
    port: int,
    database_url: Callable[[str], str],
    service: str | None = None,
) -> Mapping[str, str]:
    """For the process of `service`, or of all services, which then find a database URL each.

    What the user has set comes along, except where it would lead away from this data directory.
    Processes of their own take ports for probes one behind the other, in the order of `SERVICES`.
    """
    if service is None:
        databases = {
            f"MINIRAG_{name.upper()}_DATABASE_URL": database_url(name) for name in SERVICES
        }
    else:
        databases = {"DATABASE_URL": database_url(service)}
        databases[f"MINIRAG_{service.upper()}_DATABASE_URL"] = databases["DATABASE_URL"]
    own = inherited()
    first = own.get("MINIRAG_PROBE_PORT", "")
    if service is not None and first.isdigit() and first != "0":
        own["MINIRAG_PROBE_PORT"] = str(int(first) + SERVICES.index(service))
    return {
        "MALLOC_ARENA_MAX": ARENAS,
        **own,
        **databases,
        "NATS_URL": nats_url,
        "MINIRAG_VAULT_KEY": secrets.vault_key,
        "MINIRAG_JWT_SECRET": secrets.jwt_secret,
        "MINIRAG_SUBSCRIBER_SEED": secrets.subscriber_seed,
        "MINIRAG_BLOB_URL": home.blobs.as_uri(),
        "MINIRAG_INDEX_DIR": str(home.index),
        "MINIRAG_DATA_DIR": str(home.path),
        "MINIRAG_LOG_DAMAGE_FILE": str(home.log_damage),
        "MINIRAG_DEMO_WIDGET_KEY_FILE": str(home.demo_widget_key),
        "MINIRAG_HOST": host,
        "MINIRAG_PORT": str(port),
    }
