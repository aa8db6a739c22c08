"""What an operator can change about the gateway."""

from ipaddress import ip_network
from pathlib import Path

from pydantic import Field, SecretStr, field_validator

from shared.runtime.settings import ServiceSettings, alias

SHORTEST_SECRET = 32


class Settings(ServiceSettings):
    """Read from the environment. A limit of 0 is no limit."""

    nats_url: SecretStr = Field(validation_alias=alias("gateway", "NATS_URL"))
    """Where the event log is."""
    database_url: SecretStr = Field(validation_alias=alias("gateway", "DATABASE_URL"))
    """Read models, with the role of this service."""
    jwt_secret: SecretStr
    """Signs access and refresh tokens: secrets of at least 32 characters, separated by commas.
    The first signs, all are accepted."""
    jwt_expire_minutes: int = Field(default=60, ge=1, le=1440)
    """How long an access token lasts; a session that ends takes its tokens with it at once."""
    session_days: int = Field(default=30, ge=1, le=365)
    """How long a session lasts that nobody uses."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(default=8000, gt=0, lt=65536)
    """Port to listen on."""
    trusted_proxies: str = ""
    """Networks in CIDR form, separated by commas, whose `X-Forwarded-For` and
    `X-Forwarded-Proto` are believed."""
    allowed_origins: str = "*"
    """Origins whose pages may call the API, separated by commas; `*` is any."""
    signup_open: bool = True
    """Whether `POST /v1/tenants` takes new tenants from anybody who reaches it."""
    signups_per_address_hour: int = Field(default=1000, ge=0)
    """New tenants from one address."""
    failed_logins_per_account_minute: int = Field(default=5, ge=0)
    """Wrong passwords for one account from one address."""
    failed_logins_per_address_minute: int = Field(default=30, ge=0)
    """Wrong passwords from one address; an address the account has logged in from is exempt."""
    failed_logins_per_account_hour: int = Field(default=60, ge=0)
    """Wrong passwords for one account from all addresses it has never logged in from."""
    requests_per_caller_minute: int = Field(default=60_000, ge=0)
    """Requests with one token, session or visitor, in each gateway."""
    requests_per_address_minute: int = Field(default=120_000, ge=0)
    """Requests from one address, in each gateway."""
    requests_at_once: int = Field(default=2_000, ge=0)
    """Requests that one gateway works on at a time; more are answered with 503."""
    streams_at_once: int = Field(default=15_000, ge=0)
    """Streamed answers that one gateway holds open; more are answered with 503."""
    reads_at_once: int = Field(default=64, ge=0)
    """GET requests that one gateway works on at a time at most, and fewer while its event loop is
    busy; of one tenant half as many. More wait, tenants in fair turns, and are answered with 503 if
    that takes too long. So the next two."""
    writes_at_once: int = Field(default=128, ge=0)
    """Other requests but those that models answer."""
    answers_at_once: int = Field(default=512, ge=0)
    """Requests that models answer, until their answer begins: a stream with its first word."""
    subscriber_seed: SecretStr | None = None
    """Seed of the account key (`SA…`) whose public half the broker's `auth_callout` names. With it,
    subscribers get into the broker by an API token; unset: nobody does."""
    principal_cache_seconds: float = Field(default=10, ge=0)
    """How long it is remembered at most who a credential speaks for. Changes take effect at once
    all the same; this is the bound when the broker is away."""
    demo_widget_key_file: Path | None = None
    """A file with the public key of the bot that `/demo` shows; without it, none."""
    notice_seconds: float = Field(default=0, ge=0)
    """How long requests are let in after the order to stop, while `/readyz` answers 503 and every
    answer closes its connection: as long as whoever sends them needs to see it. 0 suits one gateway
    without another behind the same address."""
    drain_seconds: int = Field(default=15, ge=0)
    """How long open streams may go on after that."""

    @field_validator("jwt_secret")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        if any(len(part) < SHORTEST_SECRET for part in value.get_secret_value().split(",")):
            raise ValueError(f"every secret needs at least {SHORTEST_SECRET} characters")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: str) -> str:
        for part in filter(None, value.split(",")):
            ip_network(part.strip())
        return value
