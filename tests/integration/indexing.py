"""The index of the chat service as a projection on an engine in memory, for those that test it."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest
from qdrant_client import AsyncQdrantClient
from sqlalchemy.ext.asyncio import AsyncEngine

from services.chat.adapters import lexical
from services.chat.adapters.qdrant_index import QdrantIndexes
from services.chat.domain.bot_index import bot_index_decider
from services.chat.domain.index import index_decider
from services.chat.projections.flushing import indexing
from services.chat.tables import index_metadata
from shared.adapters.blobs import Blobs
from shared.adapters.chunk_batch import PreparedChunk, write_batch
from shared.adapters.read_model import ReadModel
from shared.contracts.chat_playground import RunCancelled, RunEnded, RunStarted
from shared.contracts.ingest import SourceDeleted, SourcePrepared, SourceUpdated
from shared.contracts.ingest_shadow import ShadowPrepared
from shared.contracts.ingest_shadow_parts import PartPrepared
from tests.integration.replay import ProjectionContract

DIMENSION = 4
EAST = np.array([1, 0, 0, 0], "<f4").tobytes()


def batch(*texts: str) -> bytes:
    return write_batch(
        [
            PreparedChunk(ordinal=n, text=text, start=0, end=len(text), heading=None, vector=EAST)
            for n, text in enumerate(texts)
        ]
    )


class IndexContract(ProjectionContract):
    @pytest.fixture
    def engine(self, engines: Callable[[str], AsyncEngine]) -> AsyncEngine:
        return engines("chat")

    @pytest.fixture
    async def indexes(self) -> AsyncIterator[QdrantIndexes]:
        made = QdrantIndexes(AsyncQdrantClient(":memory:"))
        yield made
        await made.aclose()

    @pytest.fixture
    def blobs(self, tmp_path: Path) -> Blobs:
        return Blobs.open((tmp_path / "blobs").as_uri())

    @pytest.fixture
    def model(self, indexes: QdrantIndexes, blobs: Blobs) -> ReadModel:
        """As `services.chat.main` has it, on an engine in memory."""
        listens = (
            *(SourcePrepared, SourceUpdated, SourceDeleted, ShadowPrepared),
            *(PartPrepared, RunStarted, RunEnded, RunCancelled),
        )
        return ReadModel(
            service="chat",
            name="index",
            version=1,
            tables=index_metadata,
            owns={"retrieval_index": index_decider, "bot_index": bot_index_decider},
            projection=indexing(indexes, blobs, lexical),
            listens=[(event.aggregate, event.name) for event in listens],
        )
