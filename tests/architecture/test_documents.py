"""The generated pages say what the code says."""

import re
from pathlib import Path
from types import ModuleType

import pytest

from docs.generate import PAGES
from docs.wiring import wiring
from shared.contracts import chat, ingest
from shared.contracts.base import Command


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)
def test_a_generated_page_is_up_to_date(file: Path) -> None:
    assert file.exists(), "run `make docs`"
    assert file.read_text() == PAGES[file](), "run `make docs`"


def test_every_decision_is_in_the_index() -> None:
    decisions = Path(__file__).parents[2] / "docs" / "adr"
    index = (decisions / "README.md").read_text()
    for file in decisions.glob("0*.md"):
        number, title = file.read_text().partition("\n")[0].removeprefix("# ").split(". ", 1)
        assert f"- [{number}]({file.name}) " in index, title


def test_every_page_names_every_message_and_every_variable() -> None:
    text = "".join(page() for page in PAGES.values())
    for wanted in ("`SourcePrepared`", "`source.prepared.v1`", "`GetTurn`", "`MINIRAG_VAULT_KEY`"):
        assert wanted in text


MAIN = """
BOTS = ReadModel(owns={"bot_profile": decider}, listens=[(e.name,) for e in HEARD])

async def build(service):
    service.takes(store, COMMANDS, check=other)
    for question, answer in {GetTurn: 1}.items():
        service.answers(question, answer)
    service.reacts("tell", [ingest.SourcePrepared, SourceDeleted], reaction)
"""


def test_wiring_is_found_behind_lists_loops_and_comprehensions(tmp_path: Path) -> None:
    file = tmp_path / "main.py"
    file.write_text(MAIN)
    main = ModuleType("services.odd.main")
    main.__file__ = str(file)
    names = {"HEARD": [ingest.SourceUpdated], "COMMANDS": (chat.AskQuestion,), "Command": Command}
    vars(main).update(names, GetTurn=chat.GetTurn, SourceDeleted=ingest.SourceDeleted)

    found = wiring(main)

    assert found.service == "odd"
    assert found.takes == {chat.AskQuestion}
    assert found.answers == {chat.GetTurn}
    assert found.reacts == {ingest.SourceDeleted}
    assert found.projects == {ingest.SourceUpdated}


SECURITY = Path("docs/security.md")
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", SECURITY.read_text())


@pytest.mark.parametrize(("file", "test"), sorted(set(NAMED)))
def test_an_attack_is_tried_where_the_page_of_security_says(file: str, test: str) -> None:
    assert re.search(rf"^\s*(async )?def {test}\(", Path(file).read_text(), re.MULTILINE)


def test_every_entry_of_owasps_lists_has_a_test() -> None:
    rows = [line for line in SECURITY.read_text().splitlines() if "::" in line]
    for kind in ("API", "LLM"):
        for number in range(1, 11):
            name = f"{kind}{number}" if kind == "API" else f"{kind}{number:02}"
            assert any(row.startswith(f"| {name} |") for row in rows), name
