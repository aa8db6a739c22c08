"""Items that are passed on as their owner wrote them look as if they had been read."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given, strategies as st
from pydantic import BaseModel

from services.gateway.http.bot_profiles import BotProfileOut
from services.gateway.http.lists import Listed, as_written, made
from services.gateway.http.source_fields import SourceOut
from shared.contracts.base import Message
from shared.contracts.chat import BotProfileView
from shared.contracts.ingest import SourceView

TIMES = st.datetimes(timezones=st.just(UTC))
FORMS: list[tuple[type[Message], type[BaseModel], dict[str, Any]]] = [
    (
        SourceView,
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


@pytest.mark.parametrize(("view", "shape", "fields"), FORMS, ids=["source", "bot"])
@given(created=TIMES, updated=TIMES)
def test_what_is_passed_on_is_what_would_have_been_made(
    view: type[Message],
    shape: type[BaseModel],
    fields: dict[str, Any],
    created: datetime,
    updated: datetime,
) -> None:
    item = view.model_validate({**fields, "created_at": created, "updated_at": updated})
    sent = b'{"following":[7,"x"],"total":3,"items":[' + item.model_dump_json().encode() + b"]}"
    page = Listed.model_validate_json(sent)
    by_way = made(lambda one: shape.model_validate(one.model_dump()))
    assert as_written(shape)(page.items[0]) == by_way(item)
    assert (page.following, page.total) == ((7, "x"), 3)


def test_what_a_newer_owner_adds_is_not_shown_and_what_an_older_one_lacks_is_null() -> None:
    class Shape(BaseModel):
        name: str
        added: str | None

    assert orjson.loads(as_written(Shape)({"name": "a", "secret": "x"})) == {
        "name": "a",
        "added": None,
    }
