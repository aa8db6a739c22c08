"""What an operator can change about ingest."""

from pydantic import Field, SecretStr

from shared.runtime.settings import ServiceSettings, alias


class Settings(ServiceSettings):
    """Read from the environment."""

    nats_url: SecretStr = Field(validation_alias=alias("ingest", "NATS_URL"))
    """Where the event log is."""
    database_url: SecretStr = Field(validation_alias=alias("ingest", "DATABASE_URL"))
    """Read models, with the role of this service."""
    chunk_chars: int = Field(default=1200, ge=100, le=8000)
    """Characters of a chunk at most. Another value prepares every source anew when it is ingested
    again."""
    chunk_overlap: int = Field(default=0, ge=0, le=1000)
    """Characters that neighbouring chunks share, where whole sentences fit."""
    workers: int = Field(default=2, ge=1, le=64)
    """Processes for extraction, and as many for embedding."""
    jobs_at_once: int = Field(default=16, ge=1, le=256)
    """Sources that one replica works on at a time."""
    jobs_per_tenant: int = Field(default=8, ge=1, le=256)
    """Sources of one tenant that all replicas together work on at a time. The others wait in its
    own queue and delay nobody else."""
    queued_sources_per_tenant: int = Field(default=2000, ge=0)
    """Sources of one tenant that are queued or worked on, before requests for more are answered
    with 429 and websites of the tenant rest; 0 is no limit."""
    document_memory_mb: int = Field(default=1536, ge=700)
    """Memory that reading one document may address; a document that needs more ends in an error."""
    ocr_languages: str = Field(default="eng", pattern=r"^[A-Za-z_]{3,20}(\+[A-Za-z_]{3,20})*$")
    """Languages of pictures with text, as Tesseract names them: `eng+deu`."""
    tessdata: str | None = None
    """Folder with Tesseract's language data, if it is in none of the usual places."""
    crawl_page_seconds: float = Field(default=20.0, gt=0, le=120)
    """A page of a website that is not there after so long is asked for once more, then left out."""
    worker_idle_seconds: float = Field(default=60.0, gt=0)
    """Workers without work are ended after so long; they hold the models' memory."""
    openai_api_key: SecretStr | None = Field(default=None, validation_alias="OPENAI_API_KEY")
    """For bots with an embedding model of OpenAI's and no credentials of their own."""
    openai_api_base: str | None = Field(default=None, validation_alias="OPENAI_API_BASE")
    """An OpenAI-compatible server of the operator's, used for embedding models of OpenAI's."""
