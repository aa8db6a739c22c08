"""Embedding models that run here: a bot changes to another one, and goes on answering."""

import pytest

from tests.e2e.test_reindexing import index, patch, settled
from tests.harness import Installation, Tenant

TEXTS = [
    "Every bicycle carries a warranty that lasts seven years.",
    "The workshop closes at noon on Saturdays.",
]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_bot_changes_to_the_better_embedder(installation: Installation, tenant: Tenant) -> None:
    bot = tenant.bot()
    for text in TEXTS:
        source = tenant.source(bot, text)
        tenant.ingest(source)
        tenant.ready(source)
    patch(tenant, bot, embedding_model="local/minilm")
    assert settled(tenant, bot, 1)["settings"]["embedder"] == "local/minilm"
    question = {"query": "When does the repair shop shut at the weekend?"}
    answer = tenant.http.post(f"/v1/bot-profiles/{bot}/retrieve", json=question)
    first = answer.json()["passages"][0]
    assert first["text"] == TEXTS[1]
    assert first["similarity"] > 0.5
    patch(tenant, bot, embedding_model=None)
    assert settled(tenant, bot, 2)["settings"]["embedder"] is None
    assert index(tenant, bot)["chunks"] == len(TEXTS)
