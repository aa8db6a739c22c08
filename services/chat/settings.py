"""What an operator can change about chat."""

from pathlib import Path

from pydantic import Field, SecretStr

from shared.runtime.settings import ServiceSettings, alias


class Settings(ServiceSettings):
    """Read from the environment."""

    nats_url: SecretStr = Field(validation_alias=alias("chat", "NATS_URL"))
    """Where the event log is."""
    database_url: SecretStr = Field(validation_alias=alias("chat", "DATABASE_URL"))
    """Read models, with the role of this service."""
    qdrant_url: str | None = Field(default=None, validation_alias="QDRANT_URL")
    """A Qdrant server; unset: the embedded engine in `index_dir`."""
    qdrant_api_key: SecretStr | None = Field(default=None, validation_alias="QDRANT_API_KEY")
    """Key of the Qdrant server."""
    index_dir: Path = Path(".minirag/index")
    """Where the embedded engine keeps its files; one process owns it."""
    openai_api_key: SecretStr | None = Field(default=None, validation_alias="OPENAI_API_KEY")
    """For bots with an OpenAI model and no credentials of their own."""
    openai_api_base: str | None = Field(default=None, validation_alias="OPENAI_API_BASE")
    """An OpenAI-compatible server of the operator's, used for every model without another key."""
    anthropic_api_key: SecretStr | None = Field(default=None, validation_alias="ANTHROPIC_API_KEY")
    """For bots with a Claude model and no credentials of their own."""
    gemini_api_key: SecretStr | None = Field(default=None, validation_alias="GEMINI_API_KEY")
    """For bots with a Gemini model and no credentials of their own."""
    mistral_api_key: SecretStr | None = Field(default=None, validation_alias="MISTRAL_API_KEY")
    """For bots with a model `mistral/…` and no credentials of their own."""
    groq_api_key: SecretStr | None = Field(default=None, validation_alias="GROQ_API_KEY")
    """For bots with a model `groq/…` and no credentials of their own."""
    cohere_api_key: SecretStr | None = Field(default=None, validation_alias="COHERE_API_KEY")
    """For bots with a model `cohere/…` and no credentials of their own."""
    deepseek_api_key: SecretStr | None = Field(default=None, validation_alias="DEEPSEEK_API_KEY")
    """For bots with a model `deepseek/…` and no credentials of their own."""
    openrouter_api_key: SecretStr | None = Field(
        default=None, validation_alias="OPENROUTER_API_KEY"
    )
    """For bots with a model `openrouter/…` and no credentials of their own."""
    turns_at_once: int = Field(default=64, ge=1, le=1000)
    """Answers that one process writes at a time; further questions wait their turn."""
