"""A bot as it would be with some of its settings changed."""

import pytest

from services.chat.domain.bots import Published, drafted
from services.chat.domain.overrides import check_changes, overridden
from shared.contracts.chat import BotSettings
from shared.kernel.errors import InvalidCommand

BOT = BotSettings(name="Guide", credentials_ref="credentials/1", link_hosts=("a.example",))


def test_only_what_is_named_differs() -> None:
    tried = overridden(BOT, {"floor": 0.5, "top_k": 3, "lexical_weight": 0.0})
    assert tried == BOT.model_copy(update={"floor": 0.5, "top_k": 3, "lexical_weight": 0.0})
    assert overridden(BOT, {}) == BOT


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"chunk_overlap": -1}, "chunk_overlap"),
        ({"credentials_ref": "credentials/of-another"}, "credentials_ref"),
        ({"is_active": False}, "is_active"),
        ({"unheard_of": 1}, "unheard_of"),
        ({"temperature": 3}, "temperature"),
        ({"lexical_weight": "much"}, "lexical_weight"),
    ],
)
def test_what_cannot_be_tried_is_refused_by_its_name(
    changes: dict[str, object], field: str
) -> None:
    with pytest.raises(InvalidCommand) as refused:
        check_changes(changes)
    assert refused.value.field == field


def test_a_field_that_is_at_fault_is_named_where_it_stands() -> None:
    with pytest.raises(InvalidCommand) as refused:
        check_changes({"floor": 2}, "variants.1")
    assert refused.value.field == "variants.1.floor"


def test_settings_that_are_tried_keep_their_kind() -> None:
    saved = Published(**BOT.model_dump(), version=7)
    assert overridden(saved, {"top_k": 3}) == saved.model_copy(update={"top_k": 3})
    assert drafted(saved, {"top_k": 3}).version is None
    assert drafted(saved, {}) == saved
