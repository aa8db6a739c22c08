"""Opens what answers, finds and embeds, as the settings have it."""

from contextlib import AsyncExitStack

import httpx

from services.chat.adapters.edge_index import EdgeIndexes
from services.chat.adapters.models import LanguageModels
from services.chat.adapters.qdrant_index import QdrantIndexes
from services.chat.adapters.query_embedder import ThreadedModel
from services.chat.adapters.reranker import HttpReranker
from services.chat.ports import VectorIndexes
from services.chat.settings import Settings
from shared.adapters import minilm
from shared.adapters.egress import authorities, egress_client
from shared.adapters.embedding import EmbeddingModels

MODEL_SECONDS = 60.0


async def embedding_models(settings: Settings, stack: AsyncExitStack) -> EmbeddingModels:
    """Of tenants, of the operator, and those that run here."""
    guarded = await stack.enter_async_context(
        egress_client(
            allow_loopback=settings.egress_allow_loopback, timeout=MODEL_SECONDS, max_redirects=0
        )
    )
    trusted = await stack.enter_async_context(
        httpx.AsyncClient(verify=authorities(), timeout=MODEL_SECONDS, trust_env=False)
    )
    key = settings.openai_api_key
    return EmbeddingModels(
        guarded=guarded,
        trusted=trusted,
        openai_key=key.get_secret_value() if key else None,
        openai_base=settings.openai_api_base,
        local={minilm.MODEL: ThreadedModel(minilm.embed)} if minilm.is_installed() else {},
    )


async def reranker(settings: Settings, stack: AsyncExitStack) -> HttpReranker:
    """At the addresses of tenants."""
    client = egress_client(
        allow_loopback=settings.egress_allow_loopback, timeout=MODEL_SECONDS, max_redirects=0
    )
    return HttpReranker(await stack.enter_async_context(client))


def vector_indexes(settings: Settings, stack: AsyncExitStack) -> VectorIndexes:
    """A server's, or in a process of their own."""
    if settings.qdrant_url:
        key = settings.qdrant_api_key
        server = QdrantIndexes.connect(settings.qdrant_url, key.get_secret_value() if key else None)
        stack.push_async_callback(server.aclose)
        return server
    edge = EdgeIndexes(settings.index_dir)
    stack.push_async_callback(edge.aclose)
    return edge


async def language_models(settings: Settings, stack: AsyncExitStack) -> LanguageModels:
    """Of tenants, of the operator, and the extractive one."""
    guarded = await stack.enter_async_context(
        egress_client(allow_loopback=settings.egress_allow_loopback, timeout=MODEL_SECONDS)
    )
    trusted = await stack.enter_async_context(
        httpx.AsyncClient(verify=authorities(), timeout=MODEL_SECONDS, trust_env=False)
    )
    keys = {
        "ANTHROPIC_API_KEY": settings.anthropic_api_key,
        "GEMINI_API_KEY": settings.gemini_api_key,
        "MISTRAL_API_KEY": settings.mistral_api_key,
        "GROQ_API_KEY": settings.groq_api_key,
        "COHERE_API_KEY": settings.cohere_api_key,
        "DEEPSEEK_API_KEY": settings.deepseek_api_key,
        "OPENROUTER_API_KEY": settings.openrouter_api_key,
    }
    return LanguageModels(
        guarded=guarded,
        trusted=trusted,
        openai_key=settings.openai_api_key.get_secret_value() if settings.openai_api_key else None,
        openai_base=settings.openai_api_base,
        provider_keys={name: key.get_secret_value() for name, key in keys.items() if key},
    )
