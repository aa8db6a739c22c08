"""What an operator can change about scheduler."""

from pydantic import Field, SecretStr

from shared.runtime.settings import ServiceSettings, alias


class Settings(ServiceSettings):
    """Read from the environment."""

    nats_url: SecretStr = Field(validation_alias=alias("scheduler", "NATS_URL"))
    """Where the event log is."""
    database_url: SecretStr = Field(validation_alias=alias("scheduler", "DATABASE_URL"))
    """Read models, with the role of this service."""
