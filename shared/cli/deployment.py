"""`minirag init`, `provision` and `healthcheck`: what containers and clusters need."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.embedded.data_dir import write_private
from shared.embedded.loopback import status
from shared.embedded.provision import provision
from shared.embedded.secrets import new_secrets
from shared.embedded.surroundings import SERVICES
from shared.kernel.clock import utc_now
from shared.kernel.errors import Unavailable, Unusable
from shared.kernel.ids import new_id

OK = 200
WAIT_SECONDS = 3.0


class ProvisionSettings(BaseSettings):
    """Read from the environment of `minirag provision`."""

    model_config = SettingsConfigDict(env_prefix="MINIRAG_", extra="ignore", frozen=True)

    admin_database_url: SecretStr
    """An administrator's address of the maintenance database."""
    db_password_gateway: SecretStr
    db_password_ingest: SecretStr
    db_password_chat: SecretStr
    db_password_scheduler: SecretStr
    db_password_analytics: SecretStr
    db_password_webhooks: SecretStr

    def passwords(self) -> dict[str, str]:
        """By service."""
        return {name: getattr(self, f"db_password_{name}").get_secret_value() for name in SERVICES}


class ProbeSettings(BaseSettings):
    """Read from the environment of `minirag healthcheck`: that of the service it asks about."""

    model_config = SettingsConfigDict(env_prefix="MINIRAG_", extra="ignore", frozen=True)

    service: str
    """Which service runs here."""
    port: int = 8000
    """Where the gateway listens."""
    nats_url: SecretStr | None = Field(default=None, validation_alias="NATS_URL")
    """Where the event log is."""


def write_env_file(path: Path) -> bool:
    """Fresh secrets for docker-compose.yml at `path`, mode 0600; False if the file exists.

    Existing secrets are never replaced: the data is encrypted under them.
    """
    if path.exists():
        return False
    made = new_secrets(SERVICES)
    values = {
        "NATS_PASSWORD": made.nats_password,
        "POSTGRES_PASSWORD": made.postgres_password,
        "QDRANT_API_KEY": made.qdrant_api_key,
        "MINIRAG_VAULT_KEY": made.vault_key,
        "MINIRAG_JWT_SECRET": made.jwt_secret,
        **{
            f"MINIRAG_DB_PASSWORD_{name.upper()}": password
            for name, password in made.database_passwords.items()
        },
    }
    write_private(path, "".join(f"{name}={value}\n" for name, value in values.items()).encode())
    return True


async def provision_database() -> None:
    """Make database and roles. Raises `Unusable` if the database does not let us."""
    settings = ProvisionSettings()
    try:
        await provision(settings.admin_database_url.get_secret_value(), settings.passwords())
    except OSError as error:
        raise Unusable(f"the database cannot be reached: {error}") from error


async def healthy() -> bool:
    """Whether the service of this container answers: the gateway over HTTP, others over NATS."""
    settings = ProbeSettings()
    if settings.service == "gateway":
        return await status(settings.port, "/readyz") == OK
    if settings.nats_url is None:
        raise Unusable("NATS_URL is not set")
    return await _answers(settings.nats_url.get_secret_value(), settings.service)


async def _answers(url: str, service: str) -> bool:
    import nats  # noqa: PLC0415  the gateway's probe does without
    from nats.errors import Error  # noqa: PLC0415  likewise

    from shared.adapters.envelope import metadata_headers  # noqa: PLC0415  likewise
    from shared.contracts.base import Metadata  # noqa: PLC0415  likewise
    from shared.contracts.operations import GetHealth, ServiceHealth  # noqa: PLC0415  likewise
    from shared.runtime.bus import question_subject  # noqa: PLC0415  likewise

    meta = Metadata(
        tenant_id="_", message_id=new_id(), correlation_id=new_id(), actor="probe", now=utc_now()
    )
    try:
        client = await nats.connect(url, allow_reconnect=False, connect_timeout=int(WAIT_SECONDS))
        try:
            reply = await client.request(
                question_subject(service, GetHealth.name),
                GetHealth().model_dump_json().encode(),
                timeout=WAIT_SECONDS,
                headers={**metadata_headers(meta), "content-type": "application/json"},
            )
        finally:
            await client.close()
    except (Error, OSError, TimeoutError, Unavailable):
        return False
    return ServiceHealth.model_validate_json(reply.data).status == "ok"
