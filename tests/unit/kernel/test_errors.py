"""The tree of errors is whole: every refusal travels between services and comes back as itself."""

import pytest

from shared.kernel import errors
from shared.kernel.errors import (
    REFUSALS,
    MiniRagError,
    NotFound,
    Refused,
    StaleVersion,
    Unavailable,
    Unknown,
    Unusable,
    refused,
)


@pytest.mark.parametrize("cls", Refused.__subclasses__(), ids=lambda cls: str(cls.__name__))
class TestEveryRefusal:
    def test_has_a_code_of_its_own(self, cls: type[Refused]) -> None:
        own = [other for other in Refused.__subclasses__() if other.code == cls.code]
        assert own == [cls]
        assert cls.code != Refused.code

    def test_comes_back_as_itself_from_another_service(self, cls: type[Refused]) -> None:
        sent = cls("Not like this", field="config.url")
        got = refused(sent.code, sent.detail, sent.field)
        assert type(got) is cls
        assert (got.detail, got.field, str(got)) == ("Not like this", "config.url", "Not like this")


def test_a_refusal_of_a_newer_service_stays_a_refusal() -> None:
    got = refused("moon-phase", "Not today")
    assert type(got) is Refused
    assert (got.detail, got.field) == ("Not today", None)


def test_every_refusal_of_the_module_is_in_the_table() -> None:
    own = {
        cls
        for cls in vars(errors).values()
        if isinstance(cls, type) and issubclass(cls, Refused) and cls is not Refused
    }
    assert own == set(REFUSALS.values())


def test_the_picture_in_the_docstring_is_the_tree_as_it_is() -> None:
    drawn = errors.__doc__ or ""
    for cls in vars(errors).values():
        if isinstance(cls, type) and issubclass(cls, MiniRagError):
            assert cls.__name__ in drawn


def test_an_unknown_write_is_unavailable_and_never_a_refusal() -> None:
    assert issubclass(Unknown, Unavailable)
    for cls in (Unavailable, Unknown, StaleVersion, Unusable):
        assert not issubclass(cls, Refused)


def test_a_refusal_tells_people_what_is_the_case() -> None:
    assert str(NotFound("Source not found")) == "Source not found"
