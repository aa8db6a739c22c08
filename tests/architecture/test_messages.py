"""What is released stays readable for ever."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pytest
from pydantic import Field
from typing_extensions import override

from docs.messages import answer_of
from shared.contracts.base import Event, Message, Personal
from shared.contracts.chat import GetTurn, TurnView
from shared.kernel.decoding import UPCASTERS, Body, EventRegistry, Upcaster
from shared.kernel.registry import released
from tests.architecture.message_schemas import (
    Released,
    breaks,
    file_of,
    messages,
    read,
    render,
)
from tests.architecture.release_schemas import release

OLD_BODIES = Path(__file__).parent / "old_bodies"
"""One stored body for every type that an upcaster lifts, as `<type>.json`."""


class TestEveryReleasedMessage:
    @pytest.mark.parametrize("message", messages(), ids=lambda message: message.name)
    def test_has_its_schema_in_git_and_has_not_broken_it(self, message: Released) -> None:
        file = file_of(message.name)
        assert file.exists(), f"{message.name} is not released: run `make schemas`"
        assert breaks(json.loads(file.read_text()), message.schema) == []
        assert file.read_text() == render(message.schema), "it has grown: run `make schemas`"

    def test_is_still_there_or_can_be_lifted(self) -> None:
        assert removed(read(), messages(), UPCASTERS) == []

    def test_has_a_name_of_its_own(self) -> None:
        names = [message.name for message in messages()]
        assert sorted(set(names)) == names

    @pytest.mark.parametrize("event", released(Event), ids=lambda event: event.type())
    def test_names_its_data_subject_if_it_holds_personal_text(self, event: type[Event]) -> None:
        if list(event.personal_fields()):
            assert event.data_subject is not Event.data_subject


class TestEveryUpcaster:
    @pytest.mark.parametrize("type_name", sorted(UPCASTERS) or [None], ids=str)
    def test_lifts_a_stored_body(self, type_name: str | None) -> None:
        if type_name is None:
            return  # nothing was ever superseded
        body = json.loads((OLD_BODIES / f"{type_name}.json").read_text())
        lift(EventRegistry(released(Event)), read(), type_name, body)

    def test_has_no_body_left_of_one_that_is_gone(self) -> None:
        assert {file.stem for file in OLD_BODIES.glob("*.json")} <= set(UPCASTERS)


def removed(
    stored: Mapping[str, Any], found: list[Released], upcasters: Mapping[str, Upcaster]
) -> list[str]:
    """Released names that no class has any more, and that nothing lifts."""
    gone = set(stored) - {message.name for message in found}
    return sorted(name for name in gone if name.rsplit("/", 1)[1] not in upcasters)


def lift(registry: EventRegistry, stored: Mapping[str, Any], type_name: str, body: Body) -> Event:
    """Decode an old body, which must be one that its released schema allows."""
    (schema,) = (found for name, found in stored.items() if name.endswith(f"/{type_name}"))
    assert set(schema.get("required", ())) <= set(body) <= set(schema["properties"])
    return registry.decode(type_name, body)


# What follows proves that the rules above can fail.


class Detail(Message):
    weight: int
    unit: Literal["g", "kg"] = "kg"


class Packed(Event):
    """A message as it was released."""

    aggregate: ClassVar[str] = "parcel"
    name: ClassVar[str] = "packed"
    parcel_id: str
    detail: Detail
    note: str | None = None

    @property
    @override
    def aggregate_id(self) -> str:
        return self.parcel_id


BEFORE = Released("post/events/parcel.packed.v1", Packed)


def mutated(**fields: Any) -> Released:
    """The same message with other fields; `...` takes one away."""
    kept = {name: note for name, note in Packed.__annotations__.items() if name not in fields}
    added = {name: note for name, note in fields.items() if note is not ...}
    defaults = {"note": None} if "note" in kept else {}
    shape = type(
        "Packed",
        (Event,),
        {"__annotations__": kept | added, "__module__": __name__, **defaults},
    )
    return Released(BEFORE.name, shape)


class Heavier(Message):
    weight: float
    unit: Literal["g", "kg"] = "kg"


class WithTons(Message):
    weight: int
    unit: Literal["g", "kg", "t"] = "kg"


class WithoutKilograms(Message):
    weight: int
    unit: Literal["g", "t", "lb"] = "g"


class InTons(Message):
    weight: int
    unit: Literal["g", "kg", "t"] = "t"


class InGrams(Message):
    weight: int
    unit: Literal["g", "kg"] = "g"


class WithColour(Message):
    weight: int
    unit: Literal["g", "kg"] = "kg"
    colour: str = "brown"


class WithColourRequired(Message):
    weight: int
    unit: Literal["g", "kg"] = "kg"
    colour: str


OPTIONAL = Annotated[str | None, Field(default=None)]
OPTIONAL_PERSONAL = Annotated[str | None, Field(default=None), Personal()]


class TestAnIncompatibleChangeIsRefused:
    @pytest.mark.parametrize(
        ("after", "complaint"),
        [
            (mutated(note=...), "note is gone"),
            (mutated(parcel_id=int), 'parcel_id was "string"'),
            (mutated(note=str), "note was"),
            (mutated(weighed_by=str), "the message required detail, parcel_id"),
            (mutated(parcel_id=Annotated[str, Field(max_length=9)]), "parcel_id was"),
            (mutated(parcel_id=Annotated[str, Personal()]), "personal fields were None"),
            (mutated(detail=Heavier), 'detail.weight was "integer"'),
            (mutated(detail=WithoutKilograms), "detail.unit was"),
            (mutated(detail=InGrams), 'detail.unit was "kg"'),
            (mutated(detail=InTons), 'detail.unit was "kg"'),
            (mutated(detail=WithColourRequired), "detail required weight"),
        ],
    )
    def test_it_says_what_was(self, after: Released, complaint: str, tmp_path: Path) -> None:
        release([BEFORE], tmp_path)
        assert any(complaint in line for line in breaks(BEFORE.schema, after.schema))
        before = file_of(BEFORE.name, tmp_path).read_text()
        assert release([after], tmp_path) != []
        assert file_of(BEFORE.name, tmp_path).read_text() == before

    def test_a_removed_message_is_missed_unless_its_type_is_lifted(self) -> None:
        stored = {BEFORE.name: BEFORE.schema}
        assert removed(stored, [], {}) == [BEFORE.name]
        assert removed(stored, [], {"parcel.packed.v1": lambda body: ("", body)}) == []


class TestACompatibleChangeIsReleased:
    @pytest.mark.parametrize(
        "after",
        [
            mutated(detail=WithColour),
            mutated(colour=OPTIONAL),
            mutated(detail=WithTons),
            mutated(sender=OPTIONAL_PERSONAL),
        ],
    )
    def test_optional_fields_and_values_may_come_at_any_depth(
        self, after: Released, tmp_path: Path
    ) -> None:
        release([BEFORE], tmp_path)
        assert release([after], tmp_path) == []
        assert file_of(BEFORE.name, tmp_path).read_text() == render(after.schema)
        assert read(tmp_path) == {after.name: after.schema}

    def test_words_for_people_are_no_part_of_it(self) -> None:
        assert "description" not in json.dumps(BEFORE.schema)


class TestAnUpcaster:
    def test_is_held_to_a_body_that_was_really_released(self) -> None:
        class Sealed(Packed):
            name: ClassVar[str] = "sealed"

        def upcast(body: Body) -> tuple[str, Body]:
            return "parcel.sealed.v1", {**body, "note": "lifted"}

        registry = EventRegistry([Sealed], {"parcel.packed.v1": upcast})
        stored = {BEFORE.name: BEFORE.schema}
        body: Body = {"parcel_id": "p1", "detail": {"weight": 3}}
        assert lift(registry, stored, "parcel.packed.v1", body) == Sealed(
            parcel_id="p1", detail=Detail(weight=3), note="lifted"
        )
        with pytest.raises(AssertionError):
            lift(registry, stored, "parcel.packed.v1", {"parcel": "p1"})


def test_a_question_knows_the_shape_of_its_answer() -> None:
    assert answer_of(GetTurn) is TurnView
