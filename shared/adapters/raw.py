"""Queries that the driver runs itself, for pages that are asked for all the time.

SQLAlchemy makes the statement, once. To run it, and to make objects of its rows, takes as long as
all the rest of a page, and what the driver gives can be written as JSON as it is.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import orjson
from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.adapters.postgres import driver_of
from shared.contracts.base import SortKey

Row = Mapping[str, Any]
"""Values as the driver reads them."""


class RawQuery:
    """A query over the tables of one engine, as it goes to the server."""

    def __init__(self, engine: AsyncEngine, query: Select[Any]) -> None:
        """`engine` tells in which schema the tables are."""
        options = engine.sync_engine.get_execution_options()
        compiled: Any = query.compile(
            dialect=engine.dialect,
            schema_translate_map=options.get("schema_translate_map"),
            render_schema_translate=True,
        )
        self._text: str = compiled.string
        self._order: Sequence[str] = compiled.positiontup or ()
        self._given: Mapping[str, Any] = compiled.params

    async def rows(self, db: AsyncConnection, values: Mapping[str, Any]) -> Sequence[Row]:
        """All rows. Raises what the driver raises."""
        given = {**self._given, **values}
        found = await driver_of(db).fetch(self._text, *(given[name] for name in self._order))
        return cast("Sequence[Row]", found)


def json_of(
    page: Sequence[Mapping[str, Any]], following: SortKey | None, total: int | None
) -> bytes:
    """A page as its model would be written."""
    told = {"following": following, "total": total, "items": page}
    return orjson.dumps(told, option=orjson.OPT_UTC_Z)


def weight(item: Mapping[str, Any]) -> int:
    """Bytes of an item as JSON."""
    return len(orjson.dumps(item, option=orjson.OPT_UTC_Z))
