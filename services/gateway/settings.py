"""What an operator can change about the gateway."""

from pydantic import Field, SecretStr

from shared.runtime.settings import ServiceSettings, alias


class Settings(ServiceSettings):
    """Read from the environment."""

    nats_url: SecretStr = Field(validation_alias=alias("gateway", "NATS_URL"))
    """Where the event log is."""
    database_url: SecretStr = Field(validation_alias=alias("gateway", "DATABASE_URL"))
    """Read models, with the role of this service."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(default=8000, gt=0, lt=65536)
    """Port to listen on."""
    allowed_origins: str = "*"
    """Origins whose pages may call the API, separated by commas; `*` is any."""
    signup_open: bool = True
    """Whether `POST /v1/tenants` takes new tenants from anybody who reaches it."""
    drain_seconds: int = 15
    """How long open streams may go on after the order to stop."""
