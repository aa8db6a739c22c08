"""What retrieval and OpenAI's clients ask and get, for the interface's description."""

from collections.abc import Mapping
from typing import Any

BOT_ID = "3b8d9e30-7c20-4dae-8b3d-2fbd4e5c6a04"
SOURCE_ID = "4c9eaf41-8d31-4ebf-9c4e-30ce5f6d7b05"
CHUNK_ID = "91e34f96-d286-4304-8193-8513a4c2c00a"
QUESTION = "How long is the guarantee?"
MODEL = {
    "id": BOT_ID,
    "object": "model",
    "created": 1795599000,
    "owned_by": "minirag",
    "name": "Shop",
}
INDEX_SETTINGS = {"chunk_size": 512, "chunk_overlap": 64, "embedder": None}
ASKING: Mapping[str, Mapping[str, Any]] = {
    "RetrieveIn": {"query": QUESTION, "limit": 3},
    "RetrievalOut": {
        "query": QUESTION,
        "searched": [QUESTION],
        "query_language": "en",
        "verdict": "grounded",
        "floor": 0.3,
        "best": 0.86,
        "reranking": "off",
        "latency_ms": 18.4,
        "passages": [
            {
                "rank": 1,
                "n": 1,
                "chunk_id": CHUNK_ID,
                "chunk_ids": [CHUNK_ID],
                "source_id": SOURCE_ID,
                "source_name": "Manual",
                "title": "Manual",
                "url": "https://velo.example/manual",
                "heading": "Manual > Guarantee",
                "revision": 1,
                "start": 412,
                "end": 474,
                "text": "Every bicycle carries a guarantee of seven years on its frame.",
                "language": "en",
                "authority": None,
                "score": 0.83,
                "similarity": 0.71,
                "likeness": 0.64,
                "lexical": 7.2,
                "lexical_rank": 1,
                "dense_rank": 1,
                "coverage": 1.0,
                "evidence": 0.86,
                "kinship": 0.92,
                "reranked": None,
            }
        ],
    },
    "BotIndexOut": {
        "bot_profile_id": BOT_ID,
        "state": "building",
        "generation": 0,
        "settings": {"chunk_size": None, "chunk_overlap": None, "embedder": None},
        "sources": 12,
        "chunks": 340,
        "switched_at": None,
        "building": {
            "generation": 1,
            "settings": INDEX_SETTINGS,
            "sources_done": 5,
            "sources_total": 12,
            "started_at": "2026-11-21T03:07:07.323731Z",
            "reason": None,
            "failed_source_id": None,
        },
    },
    "EstimateIn": {"chunk_size": 512, "chunk_overlap": 64},
    "EstimateOut": {
        "settings": INDEX_SETTINGS,
        "needed": True,
        "sources": 12,
        "chunks": 910,
        "tokens": 96400,
        "price_usd": 0.0,
        "price_known": True,
    },
    "TrialIn": {"model": "gpt-4o-mini", "credentials": {"api_key": "sk-example"}},
    "TrialOut": {
        "outcome": "works",
        "detail": "The model has answered.",
        "model": "gpt-4o-mini",
        "latency_ms": 412.7,
    },
    "TurnReplayIn": {"draft": {"floor": 0.2, "top_k": 8}, "passages": "today"},
    "CompletionIn": {"model": "Shop", "messages": [{"role": "user", "content": QUESTION}]},
    "ModelOut": MODEL,
    "ModelsOut": {"object": "list", "data": [MODEL]},
}
