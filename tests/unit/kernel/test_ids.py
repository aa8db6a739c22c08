"""Ids are stable where they are derived, look as the contract promises, and fit into subjects."""

import uuid

import pytest
from hypothesis import given, strategies as st

from shared.kernel.ids import derived_id, new_id, subject_token


class TestDerivedIds:
    def test_are_the_same_on_every_machine_and_in_every_release(self) -> None:
        assert derived_id("event", "c1", "0") == "98e8e31f-2f2f-4a8f-9a9d-46bb2bbfa50f"

    def test_do_not_confuse_where_one_part_ends(self) -> None:
        assert derived_id("ab", "c") != derived_id("a", "bc") != derived_id("abc")

    @given(st.lists(st.text(max_size=20), min_size=1, max_size=4))
    def test_have_the_form_of_uuid_version_4(self, parts: list[str]) -> None:
        made = uuid.UUID(derived_id(*parts))
        assert (made.version, made.variant) == (4, uuid.RFC_4122)
        assert str(made) == derived_id(*parts) == subject_token(derived_id(*parts))


def test_new_ids_are_uuids_of_version_4_and_never_the_same() -> None:
    made = {new_id() for _ in range(1000)}
    assert len(made) == 1000
    assert {uuid.UUID(one).version for one in made} == {4}


class TestSubjectTokens:
    @pytest.mark.parametrize(
        "value",
        [
            "",
            "a.b",
            ".",
            "a b",
            "*",
            ">",
            "a*",
            "a>",
            "a\n",
            "a\x00",
            "a\t",
            "ä",
            "a/b",
            "$JS",
            "a" * 65,
            "\u202ea",
            "\uff11",
        ],
    )
    def test_what_could_change_a_subject_is_refused(self, value: str) -> None:
        with pytest.raises(ValueError, match="cannot stand in a subject"):
            subject_token(value)

    @pytest.mark.parametrize("value", ["a", "A-z_0", "a" * 64, "_"])
    def test_what_may_stand_there_is_returned_unchanged(self, value: str) -> None:
        assert subject_token(value) == value

    @given(st.text(max_size=70))
    def test_whatever_passes_is_one_token(self, value: str) -> None:
        try:
            token = subject_token(value)
        except ValueError:
            return
        assert token.isascii()
        assert not set(token) & set(".*> \r\n\t")
