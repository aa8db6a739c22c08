"""The text of a revision as it was extracted, to be cut anew."""

from itertools import pairwise

from services.ingest.ports import Extracted
from shared.adapters.blobs import Blobs
from shared.adapters.chunk_batch import read_batch
from shared.contracts.ingest import Prepared


async def stored(blobs: Blobs, tenant_id: str, serving: Prepared) -> Extracted:
    """Nothing is fetched and nothing read again."""
    return Extracted(
        text=(await blobs.get(tenant_id, serving.text_ref)).decode(),
        title=serving.title,
        language=serving.language,
        pages=await _pages(blobs, tenant_id, serving),
    )


async def _pages(blobs: Blobs, tenant_id: str, serving: Prepared) -> tuple[tuple[int, int], ...]:
    """Where pages begin, as far as the chunks tell: none reaches over the end of one, unless a
    sentence does.
    """
    if not serving.pages:
        return ()
    found = [
        (chunk.start, chunk.page)
        for batch in serving.batches
        for chunk in read_batch(await blobs.get(tenant_id, batch.ref))
        if chunk.page is not None
    ]
    turns = [after for before, after in pairwise(found) if after[1] > before[1]]
    return tuple(found[:1] + turns)
