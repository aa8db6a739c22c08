"""What an operator can change about any service. Read once, when a process starts."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Self, cast

from pydantic import AliasChoices, Field, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)
from typing_extensions import override

from shared.runtime.placeholders import is_placeholder

SECRETS_DIR = "MINIRAG_SECRETS_DIR"
"""Names a folder whose files stand for environment variables of the same names, as orchestrators
mount secrets. A variable goes before a file."""


Sampler = Literal[
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
]


class SecretFiles(SecretsSettingsSource):
    """A file per variable; an empty one counts as unset, like an empty variable."""

    @override
    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        value, key, is_complex = super().get_field_value(field, field_name)
        return value or None, key, is_complex


class Configuration(BaseSettings):
    """Read from the environment and from files of secrets.

    An empty variable counts as unset. A secret of our own that was left as an example
    writes it is refused.
    No value stands in an error's text.
    """

    model_config = SettingsConfigDict(
        env_prefix="MINIRAG_",
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        # An error quotes what it was given: all of the environment it read, with its secrets.
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
        populate_by_name=True,
    )

    @classmethod
    @override
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        folder = os.environ.get(SECRETS_DIR)  # noqa: TID251  the settings' own source
        if not folder or not Path(folder).is_dir():
            return init_settings, env_settings
        return init_settings, env_settings, SecretFiles(settings_cls, folder)

    @model_validator(mode="after")
    def _refuse_placeholders(self) -> Self:
        left = sorted(name for name, secret in self._secrets() if is_placeholder(secret))
        if left:
            raise ValueError(
                f"{', '.join(left)}: empty or a placeholder; `minirag init` makes real secrets"
            )
        return self

    def _secrets(self) -> Iterator[tuple[str, str]]:
        """Our own, which must be set. Keys of others need not be secret: servers of models that
        ask for none are given any word.
        """
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if field.is_required() and isinstance(value, SecretStr):
                yield _variable(name, field.validation_alias), value.get_secret_value()


class ServiceSettings(Configuration):
    """Common to all services; each adds its own.

    No address and no secret has a default: a wrong guess here loses data.
    """

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
    fault_dir: Path | None = None
    """For tests of crashes on one machine only: the folder with the fault points at which the
    process is to end itself, or to fail. Refused where broker or database are elsewhere."""
    log_damage_file: Path | None = None
    """Nothing is written to the log while this file is there; it says why. `minirag up` makes it
    when the log's files are damaged."""
    heartbeat_file: Path | None = None
    """Touched every two seconds while the event loop turns; `minirag healthcheck --live` reads
    it. Unset: no heartbeat."""
    probe_host: str | None = None
    """Where the port for probes is reached. Unset: on this machine only."""
    probe_port: int | None = Field(default=None, ge=0, le=65_535)
    """Serves `/metrics`, `/livez`, `/readyz` and `/startupz` of this process, without any
    authentication: keep it inside. 0: a free port, which the log tells. Unset: not served."""
    otel_exporter_otlp_endpoint: str | None = Field(
        default=None, validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT"
    )
    """Where spans go, by OTLP over HTTP: `http://collector:4318`. Unset: nothing is traced."""
    otel_exporter_otlp_headers: SecretStr | None = Field(
        default=None, validation_alias="OTEL_EXPORTER_OTLP_HEADERS"
    )
    """Goes with them: `name=value`, separated by commas, values percent-encoded."""
    otel_resource_attributes: str = Field(default="", validation_alias="OTEL_RESOURCE_ATTRIBUTES")
    """Says of every span where it comes from, such as `deployment.environment.name=test`. Each
    service adds its own `service.name`, `minirag-<service>`."""
    otel_traces_sampler: Sampler = Field(
        default="parentbased_always_on", validation_alias="OTEL_TRACES_SAMPLER"
    )
    """Which traces are recorded. The `parentbased_` ones leave it to a client whose request has a
    `traceparent`."""
    otel_traces_sampler_arg: float = Field(
        default=1.0, ge=0, le=1, validation_alias="OTEL_TRACES_SAMPLER_ARG"
    )
    """Share of traces that the `traceidratio` samplers record."""
    otel_sdk_disabled: bool = Field(default=False, validation_alias="OTEL_SDK_DISABLED")
    """Trace nothing, whatever the other variables say."""


class BackupSettings(Configuration):
    """What `minirag backup --environment` needs; no key, as what is encrypted stays so."""

    nats_url: SecretStr = Field(validation_alias="NATS_URL")
    """Where the event log is."""
    blob_url: str
    """Where the blobs are."""
    stream_replicas: int = Field(default=1, ge=1, le=5)
    """Copies of every stream that a restore makes."""


class ProvisioningSettings(Configuration):
    """What `minirag migrate` needs: an administrator's address, and those the services will use."""

    admin_database_url: SecretStr
    """Of somebody who may create databases and roles, in the maintenance database."""
    gateway_database_url: SecretStr
    """The address under which the gateway will log in; its role and password are made from it."""
    ingest_database_url: SecretStr
    """The same for ingest."""
    chat_database_url: SecretStr
    """The same for chat."""
    scheduler_database_url: SecretStr
    """The same for scheduler."""
    analytics_database_url: SecretStr
    """The same for analytics."""
    webhooks_database_url: SecretStr
    """The same for webhooks."""


def alias(service: str, name: str) -> AliasChoices:
    """`MINIRAG_<SERVICE>_<NAME>` if it is set, else `<NAME>`."""
    return AliasChoices(f"MINIRAG_{service.upper()}_{name}", name)


def complaints(error: ValidationError) -> Iterator[str]:
    """What is wrong with the settings: the variable, and what is wrong with it."""
    for found in error.errors(include_url=False, include_input=False):
        message = found["msg"].removeprefix("Value error, ")
        if not found["loc"]:
            yield message
            continue
        name = str(found["loc"][0])
        yield f"{name if name.isupper() else f'MINIRAG_{name.upper()}'}: {message}"


def _variable(field: str, validation_alias: object) -> str:
    """The environment variable an operator knows the field by."""
    match validation_alias:
        case str() as name:
            return name
        case AliasChoices(choices=choices):
            return str(cast("str", choices[-1]))
        case _:
            return f"MINIRAG_{field.upper()}"
