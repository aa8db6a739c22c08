"""Lists of sources, read as the gateway reads them."""

import orjson

from services.ingest.queries.sources import SourceQueries
from shared.contracts.base import Metadata
from shared.contracts.ingest import ListSources, SourceViews


async def listed(queries: SourceQueries, question: ListSources, meta: Metadata) -> SourceViews:
    """What is told, which is written as its model would be."""
    told = await queries.list_sources(question, meta)
    found = SourceViews.model_validate_json(told)
    assert orjson.dumps(orjson.loads(told)) == found.model_dump_json().encode()
    return found
