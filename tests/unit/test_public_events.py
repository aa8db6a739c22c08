"""What the outside may know: some facts, in shapes of their own, with nothing personal in them."""

from typing import get_type_hints

import pytest

from shared.contracts.base import Event
from shared.contracts.chat import QuestionAnswered, QuestionRefused, Timings, Usage
from shared.contracts.ingest import SourceFailed, SourceIngested, SourcePrepared
from shared.contracts.public import (
    ERROR_LIMIT,
    PUBLIC_TYPES,
    TRANSLATIONS,
    ChatMessageSent,
    PublicEvent,
    SourceHasFailed,
    SourceWasIngested,
    events_behind,
    public_event,
)

ORIGINAL = {
    "source.ingested": {"source_id", "source_name", "document_count", "chunk_count"},
    "source.failed": {"source_id", "error"},
    "chat.message": {"chat_id", "message_id", "bot_profile_id"},
}
"""What clients of old find in the payloads they know."""


@pytest.mark.parametrize(("name", "fields"), ORIGINAL.items())
def test_old_clients_find_the_fields_they_know(name: str, fields: set[str]) -> None:
    assert fields <= set(PUBLIC_TYPES[name].model_fields)


@pytest.mark.parametrize("event", TRANSLATIONS, ids=lambda event: event.type())
def test_a_translation_makes_the_shape_it_says(event: type[Event]) -> None:
    shape, translate = TRANSLATIONS[event]
    assert get_type_hints(translate)["return"] is shape


@pytest.mark.parametrize("shape", PUBLIC_TYPES.values(), ids=lambda shape: shape.type)
def test_no_shape_shows_personal_text_or_where_something_lies(shape: type[PublicEvent]) -> None:
    behind = events_behind((shape.type,))
    personal = {name for event in behind for name, _ in event.personal_fields()}
    assert not personal & set(shape.model_fields)
    assert not [name for name in shape.model_fields if name.endswith(("_ref", "_refs"))]
    assert shape.__doc__


def test_an_answer_and_a_refusal_are_messages_both() -> None:
    said = {
        "chat_id": "c",
        "turn_id": "t",
        "bot_profile_id": "b",
        "message_id": "m",
        "answer": "secret text",
        "usage": Usage(model="x"),
        "timings": Timings(),
    }
    answered = QuestionAnswered.model_validate({**said, "grounded": True, "citations": ()})
    refused = QuestionRefused.model_validate({**said, "reason": "low score", "best_score": 0.1})
    expected = ChatMessageSent(
        chat_id="c", message_id="m", bot_profile_id="b", turn_id="t", grounded=True, refused=False
    )
    assert public_event(answered) == expected
    assert public_event(refused) == expected.model_copy(update={"grounded": False, "refused": True})


def test_a_source_tells_what_came_of_it() -> None:
    ingested = SourceIngested(
        source_id="s", run_id="r", revision=1, source_name="Guide", document_count=1, chunk_count=9
    )
    assert public_event(ingested) == SourceWasIngested(
        source_id="s", source_name="Guide", document_count=1, chunk_count=9
    )
    failed = SourceFailed(source_id="s", run_id="r", reason="x" * 2000)
    assert public_event(failed) == SourceHasFailed(source_id="s", error="x" * ERROR_LIMIT)


def test_what_is_not_translated_is_not_told() -> None:
    assert SourcePrepared not in TRANSLATIONS
    messages: list[type[Event]] = [QuestionAnswered, QuestionRefused]
    assert events_behind(("chat.message",)) == messages
    assert set(events_behind()) == set(TRANSLATIONS)
    assert events_behind(()) == []
