"""Items that are passed on as their owner wrote them look as if they had been read; and what is
shown of an answer is shown again.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given, strategies as st
from pydantic import BaseModel

from services.gateway.http.bot_profiles import BotProfileOut
from services.gateway.http.presented import (
    KEPT_BYTES,
    KEPT_SECONDS,
    Presented,
    Shown,
    made,
    written,
)
from services.gateway.http.source_fields import SourceOut
from shared.contracts.base import Message, Page
from shared.contracts.chat import BotProfileView, BotProfileViews
from shared.contracts.ingest import SourceView, SourceViews

TIMES = st.datetimes(timezones=st.just(UTC))
FORMS: list[tuple[type[Message], type[Page], type[BaseModel], dict[str, Any]]] = [
    (
        SourceView,
        SourceViews,
        SourceOut,
        {
            "id": "s1",
            "tenant_id": "t1",
            "bot_profile_id": "b1",
            "parent_id": None,
            "name": 'Häfen \x01 "and" €',
            "description": "",
            "source_type": "text",
            "status": "ready",
            "config": {"a": [1, 2.5, None, {"b": True}]},
            "document_count": 1,
            "chunk_count": 2,
            "error_message": None,
            "is_active": True,
            "refresh_schedule": None,
            "authority": None,
            "language": "de",
            "last_refreshed_at": None,
            "children_count": 0,
        },
    ),
    (
        BotProfileView,
        BotProfileViews,
        BotProfileOut,
        {
            "id": "b1",
            "tenant_id": "t1",
            "name": "Bot",
            "description": "",
            "model": "m",
            "embedding_model": None,
            "system_prompt": "Be kind.",
            "temperature": 0.7,
            "max_tokens": 10,
            "has_credentials": False,
            "is_active": True,
            "fallback_models": ("a", "b"),
        },
    ),
]


@pytest.mark.parametrize(("view", "pages", "shape", "fields"), FORMS, ids=["source", "bot"])
@given(created=TIMES, updated=TIMES)
def test_what_is_passed_on_is_what_would_have_been_made(
    view: type[Message],
    pages: type[Page],
    shape: type[BaseModel],
    fields: dict[str, Any],
    created: datetime,
    updated: datetime,
) -> None:
    item = view.model_validate({**fields, "created_at": created, "updated_at": updated})
    sent = page(item.model_dump_json().encode())
    by_way = made(sent, pages, lambda one: shape.model_validate(one.model_dump()))
    as_it_came = written(sent, shape)
    assert as_it_came == by_way
    assert (as_it_came.following, as_it_came.total) == ((7, "x"), 3)


class Item(BaseModel):
    name: str
    added: str | None


class Items(Page):
    items: tuple[Item, ...]


def page(*items: bytes) -> bytes:
    """As an owner tells it."""
    return b'{"following":[7,"x"],"total":3,"items":[' + b",".join(items) + b"]}"


def test_what_a_newer_owner_adds_is_not_shown_and_what_an_older_one_lacks_is_null() -> None:
    found = written(page(b'{"name":"a","secret":"x"}'), Item).array
    assert orjson.loads(found) == [{"name": "a", "added": None}]


def test_what_an_owner_tells_in_another_order_is_the_same_to_a_client() -> None:
    told = written(page(b'{"added":"b","name":"a"}'), Item)
    assert told == written(page(b'{"name":"a","added":"b"}'), Item)


def test_the_tag_follows_from_what_is_shown() -> None:
    one, other = b'{"name":"a","added":null}', b'{"name":"b","added":null}'
    assert written(page(one), Item).tag == written(page(one), Item).tag
    assert written(page(one), Item).tag != written(page(other), Item).tag
    assert written(page(one), Item).tag != written(page(one, one), Item).tag


@dataclass(eq=False)
class Shows:
    """How often items were made into what clients get, and the time."""

    items: int = 0
    seconds: float = 1000.0

    def __call__(self, item: Item) -> Item:
        self.items += 1
        return item

    def clock(self) -> float:
        return self.seconds

    def again(self, presented: Presented, *items: bytes) -> Shown:
        return presented.page(page(*items), Items, self)


def test_the_same_answer_is_made_into_a_page_once() -> None:
    shows = Shows()
    presented = Presented(shows.clock)
    item = b'{"name":"a","added":null}'
    assert shows.again(presented, item) is shows.again(presented, item)
    assert shows.items == 1
    assert shows.again(presented, item, item).array == b"[" + item + b"," + item + b"]"
    assert shows.items == 3


def test_another_way_to_show_an_answer_gives_another_page() -> None:
    presented = Presented()
    sent = page(b'{"name":"a","secret":"x"}')

    class Narrow(BaseModel):
        name: str

    assert presented.page(sent, Items, Item).array == b'[{"name":"a","added":null}]'
    assert presented.page(sent, Items, Narrow).array == b'[{"name":"a"}]'


def test_what_was_shown_is_gone_after_a_moment() -> None:
    shows = Shows()
    presented = Presented(shows.clock)
    shows.again(presented)
    first = shows.again(presented)
    shows.seconds += KEPT_SECONDS + 1
    assert shows.again(presented) is not first


def test_pages_that_are_too_large_to_be_kept_are_shown_all_the_same() -> None:
    shows = Shows()
    presented = Presented(shows.clock)
    large = b'{"name":"' + b"x" * KEPT_BYTES + b'","added":null}'
    assert shows.again(presented, large).array == b"[" + large + b"]"
    assert shows.again(presented, large).total == 3
    assert shows.items == 2
