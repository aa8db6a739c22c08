"""What holds for all messages: immutable, tolerant of newer writers, clear about personal text."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from shared.contracts.base import Command, Event, Keyed, Question
from shared.contracts.chat import AskQuestion, QuestionAsked
from shared.contracts.gateway import RegisterTenant, SlugClaimed, UserCreated
from shared.kernel.ids import subject_token
from shared.kernel.registry import released
from tests.unit.samples import T0, metadata

MESSAGES: list[Any] = [*released(Command), *released(Event), *released(Question)]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda cls: str(cls.__name__))
def test_every_message_is_immutable_and_ignores_what_it_does_not_know(message: Any) -> None:
    assert message.model_config["frozen"] is True
    assert message.model_config["extra"] == "ignore"


def test_a_message_cannot_be_changed_once_made() -> None:
    claimed = SlugClaimed(slug="acme", tenant_id="t1")
    with pytest.raises(ValidationError):
        claimed.slug = "other"  # type: ignore[misc]  # what the test is about


@pytest.mark.parametrize(
    "message", [*released(Command), *released(Event)], ids=lambda cls: str(cls.__name__)
)
def test_whoever_holds_personal_text_names_whose_key_protects_it(message: type[Keyed]) -> None:
    if dict(message.personal_fields()):
        assert message.data_subject is not Keyed.data_subject


def test_the_personal_fields_are_those_that_hold_peoples_words() -> None:
    assert set(dict(QuestionAsked.personal_fields())) == {"question", "before"}
    assert set(dict(AskQuestion.personal_fields())) == {"question", "before"}
    assert set(dict(UserCreated.personal_fields())) == {"email", "display_name"}
    assert set(dict(RegisterTenant.personal_fields())) == {"owner_email", "owner_display_name"}
    assert not dict(SlugClaimed.personal_fields())


def test_a_caused_message_keeps_the_request_and_names_its_cause() -> None:
    cause = metadata("first")
    later = T0 + timedelta(seconds=3)
    caused = cause.caused(message_id="m2", now=later, actor="service/chat")
    assert caused == metadata(
        "first",
        message_id="m2",
        causation_id=cause.message_id,
        now=later,
        actor="service/chat",
    )
    assert cause.caused(message_id="m2", now=later).actor == cause.actor


class TestTheClaimOnASlug:
    def test_is_named_by_the_slug(self) -> None:
        assert SlugClaimed(slug="acme", tenant_id="t1").aggregate_id == "acme"
        assert SlugClaimed(slug="a" * 64, tenant_id="t1").aggregate_id == "a" * 64

    def test_of_greatest_length_still_fits_into_a_subject(self) -> None:
        long = SlugClaimed(slug="a" * 100, tenant_id="t1").aggregate_id
        assert subject_token(long) == long

    def test_is_not_lost_to_another_slug_that_begins_alike(self) -> None:
        names = {
            SlugClaimed(slug="a" * 64 + end, tenant_id="t1").aggregate_id
            for end in ("", "a", "b", "-b")
        }
        assert len(names) == 4
