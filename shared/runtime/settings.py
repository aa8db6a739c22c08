"""What an operator can change about any service. Read once, when a process starts."""

from typing import Any

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """Common to all services; each adds its own.

    No address and no secret has a default: a wrong guess here loses data.
    """

    model_config = SettingsConfigDict(
        env_prefix="MINIRAG_",
        frozen=True,
        extra="ignore",
        use_attribute_docstrings=True,
        populate_by_name=True,
        # An error quotes what it was given: all of the environment it read, with its secrets.
        hide_input_in_errors=True,
    )

    nats_url: SecretStr = Field(validation_alias="NATS_URL")
    """Where the event log is: `nats://user:password@host:port`."""
    database_url: SecretStr = Field(validation_alias="DATABASE_URL")
    """Read models; `MINIRAG_<SERVICE>_DATABASE_URL` goes before it, as each service has a role."""
    vault_key: SecretStr
    """Base64 keys of 32 bytes, separated by commas; the first seals, all open."""
    blob_url: str
    """`file:///folder` or a bucket: `s3://bucket/prefix`, `gs://…`, `az://…`."""
    stream_replicas: int = Field(default=1, ge=1, le=5)
    """Copies of every stream: 1 for a single broker, 3 for a cluster."""
    egress_allow_loopback: bool = False
    """Let ingestion and model calls reach loopback addresses: tests, self-hosted models."""
    log_level: str = "INFO"
    """Level of the JSON log lines on standard error."""


def alias(service: str, name: str) -> AliasChoices:
    """`MINIRAG_<SERVICE>_<NAME>` if it is set, else `<NAME>`."""
    return AliasChoices(f"MINIRAG_{service.upper()}_{name}", name)


def load(cls: type[ServiceSettings], **overrides: Any) -> ServiceSettings:
    """Read the environment. Raises pydantic's `ValidationError`, naming what is missing."""
    return cls(**overrides)
