"""What an operator can change about webhooks."""

from pydantic import Field, SecretStr

from shared.runtime.settings import ServiceSettings, alias


class Settings(ServiceSettings):
    """Read from the environment."""

    nats_url: SecretStr = Field(validation_alias=alias("webhooks", "NATS_URL"))
    """Where the event log is."""
    database_url: SecretStr = Field(validation_alias=alias("webhooks", "DATABASE_URL"))
    """Read models, with the role of this service."""
    webhook_timeout_seconds: float = Field(default=15.0, gt=0, le=60)
    """How long one attempt may take in all, until the receiver has answered."""
    webhook_pace: float = Field(default=1.0, gt=0, le=10)
    """Factor of all waits between attempts; below 1 it retries sooner."""
