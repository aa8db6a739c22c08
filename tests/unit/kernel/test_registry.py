"""Stored bodies become the newest shape, and a shape from the future stops the reader."""

from typing import ClassVar

import pytest
from pydantic import ValidationError
from typing_extensions import override

from shared.contracts.base import Command, Event, Keyed
from shared.kernel import decoding
from shared.kernel.decoding import Body, EventRegistry, UnknownEvent
from shared.kernel.registry import REGISTRY, released


class Moved(Event):
    """A shape in its third version: `place` was `where`, and before that had no country."""

    aggregate: ClassVar[str] = "thing"
    name: ClassVar[str] = "moved"
    version: ClassVar[int] = 3
    thing_id: str
    place: str
    country: str

    @property
    @override
    def aggregate_id(self) -> str:
        return self.thing_id


def name_the_country(body: Body) -> tuple[str, Body]:
    return "thing.moved.v2", {**body, "country": "de"}


def rename_the_place(body: Body) -> tuple[str, Body]:
    return "thing.moved.v3", {
        "thing_id": body["thing_id"],
        "country": body["country"],
        "place": body["where"],
    }


LIFTING = EventRegistry(
    [Moved], {"thing.moved.v1": name_the_country, "thing.moved.v2": rename_the_place}
)


class TestUpcasting:
    def test_the_newest_shape_is_read_as_it_stands(self) -> None:
        body = {"thing_id": "t1", "place": "Ulm", "country": "at"}
        assert LIFTING.decode("thing.moved.v3", body) == Moved.model_validate(body)

    def test_a_body_stored_two_versions_ago_is_lifted_step_by_step(self) -> None:
        stored = {"thing_id": "t1", "where": "Ulm"}
        assert LIFTING.decode("thing.moved.v1", stored) == Moved(
            thing_id="t1", place="Ulm", country="de"
        )

    def test_a_body_one_version_old_enters_the_chain_in_its_middle(self) -> None:
        stored = {"thing_id": "t1", "where": "Wien", "country": "at"}
        assert LIFTING.decode("thing.moved.v2", stored) == Moved(
            thing_id="t1", place="Wien", country="at"
        )

    def test_a_stored_body_is_not_changed_by_reading_it(self) -> None:
        stored = {"thing_id": "t1", "where": "Ulm"}
        LIFTING.decode("thing.moved.v1", stored)
        assert stored == {"thing_id": "t1", "where": "Ulm"}

    def test_the_class_is_known_before_anything_is_validated(self) -> None:
        assert LIFTING.event_class("thing.moved.v1", {"thing_id": "t1", "where": ""}) is Moved

    @pytest.mark.parametrize("name", ["thing.moved.v4", "thing.broken.v1", "", "source.created.v1"])
    def test_a_type_nobody_here_knows_is_an_error_of_its_own(self, name: str) -> None:
        with pytest.raises(UnknownEvent):
            LIFTING.decode(name, {})
        with pytest.raises(UnknownEvent):
            LIFTING.event_class(name, {})

    def test_a_body_that_does_not_fit_its_type_is_refused(self) -> None:
        with pytest.raises(ValidationError):
            LIFTING.decode("thing.moved.v3", {"thing_id": "t1"})


class TestReleasedMessages:
    def test_every_event_of_the_contracts_can_be_read(self) -> None:
        events = released(Event)
        assert len(events) > 20
        for event in events:
            assert REGISTRY.event_class(event.type(), {}) is event

    def test_no_two_events_share_a_type_and_no_two_commands_a_subject(self) -> None:
        types = [event.type() for event in released(Event)]
        orders = [(command.aggregate, command.verb) for command in released(Command)]
        assert len(types) == len(set(types))
        assert len(orders) == len(set(orders))

    def test_bases_that_are_no_message_themselves_are_left_out(self) -> None:
        names = {cls.__name__ for cls in released(Keyed)}
        assert "UserCreated" in names
        assert not names & {"UserEvent", "Claim", "SourceMessage", "Event", "Command"}

    def test_fields_of_a_newer_writer_are_ignored(self) -> None:
        body = {"source_id": "s1", "run_id": "r1", "mood": "good"}
        found = REGISTRY.decode("source.unchanged.v1", body)
        assert found.model_dump() == {"source_id": "s1", "run_id": "r1"}

    def test_every_upcaster_leads_to_a_type_that_is_known(self) -> None:
        known = {event.type() for event in released(Event)}
        assert not known & set(decoding.UPCASTERS), "a known type is never lifted"
