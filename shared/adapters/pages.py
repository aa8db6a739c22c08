"""Pages of rows by keyset: bounded in rows and in bytes, and stable while rows are added."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Result,
    RowMapping,
    Select,
    Text,
    bindparam,
    func,
    or_,
    select,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.base import PagedQuestion, SortKey

PAGE_BYTES = 700_000
"""JSON of a page at most, unless one item alone has more; the broker takes a megabyte."""
READ_BYTES = 600_000
"""What is read for a page, so that large rows do not fill the memory for a short one."""
POSITION, NUMBER, FOUND, BYTES = "page_position", "page_number", "page_found", "page_bytes"
"""Columns of a page beside those of its query: sort key, number from 1, how many rows there were
before the page was cut to bytes, with one more than its limit, and what it weighs up to a row.
"""

ESCAPED = 6
"""Bytes of JSON for one of a text at most: control characters become `\\u0001`."""

V = TypeVar("V")
Key = tuple[ColumnElement[Any], ColumnElement[Any]]

AFTER: Key = (bindparam("after_position", type_=BigInteger), bindparam("after_id", type_=Text))
LIMIT: ColumnElement[int] = bindparam("most", type_=Integer)
"""For a query that is made once and run many times, with `bounds` of each: making one costs more
than a page does.
"""


def bounds(after: SortKey | None, limit: int) -> Mapping[str, Any]:
    """Values for `AFTER`, if there is a key, and `LIMIT`."""
    key = {} if after is None else {"after_position": after[0], "after_id": after[1]}
    return {**key, "most": limit}


def page_of(
    query: Select[Any],
    key: Key,
    *,
    after: SortKey | Key | None,
    limit: int | ColumnElement[int],
    newest_first: bool,
    size: ColumnElement[Any],
    offset: int = 0,
) -> Select[Any]:
    """`query` cut to one page behind `after`; at least one row, if there is one.

    `key` are position and id; `size` is what a row weighs, in bytes.
    """
    if after is not None:
        columns, bound = tuple_(*key), tuple_(*after)
        query = query.where(columns < bound if newest_first else columns > bound)
    wanted = (
        query.add_columns(key[0].label(POSITION), size.label("page_row_bytes"))
        .order_by(*(column.desc() if newest_first else column.asc() for column in key))
        .offset(offset)
        .limit(limit + 1)
        .subquery("wanted")
    )
    position = wanted.c[POSITION]
    along = position.desc() if newest_first else position.asc()
    weighed = select(
        wanted,
        func.sum(wanted.c.page_row_bytes).over(order_by=along).label(BYTES),
        func.row_number().over(order_by=along).label(NUMBER),
        func.count().over().label(FOUND),
    ).subquery("weighed")
    number = weighed.c[NUMBER]
    small = or_(number == 1, weighed.c[BYTES] <= READ_BYTES)
    return select(weighed).where(number <= limit, small).order_by(number)


def counted(query: Select[Any]) -> Select[int]:
    """How many rows `query` has, whichever page of them is shown."""
    return select(func.count()).select_from(query.subquery())


async def read_page(
    db: AsyncConnection, page: Select[Any], query: Select[Any], question: PagedQuestion[Any]
) -> tuple[Sequence[RowMapping], int | None]:
    """The rows of a page, and how many `query` has in all, if the question asks for that."""
    rows = (await db.execute(page)).mappings().all()
    total = await db.scalar(counted(query)) if question.counted else None
    return rows, total


def as_dicts(found: Result[Any]) -> list[dict[str, Any]]:
    """All rows; a `RowMapping` takes as long for each of its columns as this for all of them."""
    names = tuple(found.keys())
    return [dict(zip(names, row, strict=True)) for row in found.all()]


def _written(view: BaseModel) -> int:
    return len(view.model_dump_json().encode())


def cut(
    rows: Sequence[Mapping[Any, Any]],
    views: Sequence[V],
    weigh: Callable[[Any], int] = _written,
) -> tuple[tuple[V, ...], SortKey | None]:
    """As many of `views` as fit into one message, and the key behind which the others follow.

    `weigh` tells the bytes of one as JSON.
    """
    if not rows:
        return (), None
    kept = len(views)
    weight = rows[-1].get(BYTES)  # of rows that are of no page, none
    if weight is None or weight * ESCAPED > PAGE_BYTES:  # else all fit, whatever is in them
        kept = _fitting(views, weigh)
    last = rows[kept - 1]
    more = kept < last[FOUND]
    return tuple(views[:kept]), (last[POSITION], last["id"]) if more else None


def _fitting(views: Sequence[V], weigh: Callable[[V], int]) -> int:
    used = kept = 0
    for view in views:
        used += weigh(view) + 1
        if kept and used > PAGE_BYTES:
            break
        kept += 1
    return kept
