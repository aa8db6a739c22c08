"""What an operator can change about analytics."""

from pydantic import Field, SecretStr

from shared.runtime.settings import ServiceSettings, alias


class Settings(ServiceSettings):
    """Read from the environment."""

    nats_url: SecretStr = Field(validation_alias=alias("analytics", "NATS_URL"))
    """Where the event log is."""
    database_url: SecretStr = Field(validation_alias=alias("analytics", "DATABASE_URL"))
    """Read models, with the role of this service."""
