"""`minirag eval`: what variants are called, and when a build may go on."""

from pathlib import Path
from typing import Any

import pytest

from shared.cli.evaluate import passed, variant_of


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("floor=0.5,top_k=3", {"floor": 0.5, "top_k": 3}),
        ("floor=null", {"floor": None}),
        ("model=gpt-4o-mini", {"model": "gpt-4o-mini"}),
        ('{"system_prompt": "Be brief, please."}', {"system_prompt": "Be brief, please."}),
        ('{"title": "Brief"}', {"title": "Brief"}),
    ],
)
def test_a_variant_is_named_by_what_it_changes(text: str, fields: dict[str, Any]) -> None:
    assert variant_of(text) == {"title": text, **fields}


def test_a_variant_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "variant.json"
    file.write_text('{"floor": 0.2}')
    assert variant_of(f"@{file}")["floor"] == 0.2


@pytest.mark.parametrize("text", ["", "floor", "=1", "floor=1,,"])
def test_what_is_no_variant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="name=value"):
        variant_of(text)


def compared(**fields: Any) -> dict[str, Any]:
    found = {"score": 0.8, "failed": 0, "mean": 0.1, "significant": True, "status": "ended"}
    found |= fields
    return {
        "run": {"status": found["status"]},
        "variants": [{"score": 0.9, "failed": 0}, found],
        "differences": [found],
    }


@pytest.mark.parametrize(
    ("fields", "good"),
    [
        ({}, True),
        ({"mean": -0.1, "significant": False}, True),
        ({"mean": -0.1}, False),
        ({"score": 0.4}, False),
        ({"failed": 1}, False),
        ({"status": "cancelled"}, False),
    ],
)
def test_a_build_goes_on_unless_something_is_worse(fields: dict[str, Any], *, good: bool) -> None:
    assert passed(compared(**fields), least=0.5) is good
