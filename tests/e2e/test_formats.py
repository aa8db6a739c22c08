"""Files of every format as sources: they answer, and citations tell the place."""

import json
from typing import Any

import pytest

from tests import documents, office
from tests.e2e.test_uploads import QUESTION, SENTENCE, upload
from tests.harness import Tenant
from tests.hostile import Hostile, corpus
from tests.scans import picture

WORDS = "The workshop is open from nine in the morning until six in the evening."
CHOSEN = (
    "zip bomb.docx",
    "xml bomb.xml",
    "book nested deeply.epub",
    "pdf bomb.pdf",
    "a pdf.docx",
    "locked.pdf",
    "cut off.xlsx",
    "empty.json",
)
"""Hostile files of each way to hurt; the others are read without a server in the unit tests."""


def cited(tenant: Tenant, bot: str) -> dict[str, Any]:
    """The first citation of the answer about the guarantee."""
    told = dict(tenant.stream(bot, QUESTION))
    items: list[dict[str, Any]] = told["citations"]["items"]
    assert items, told
    return items[0]


FILES: tuple[tuple[str, bytes, int | None, str | None], ...] = (
    ("a.tsv", f"part\ttext\nframe\t{SENTENCE}\n".encode(), None, None),
    ("a.json", json.dumps({"terms": [{"guarantee": SENTENCE}]}).encode(), None, None),
    ("a.xml", f"<terms><guarantee>{SENTENCE}</guarantee></terms>".encode(), None, None),
    ("a.rtf", office.rtf(["Terms", SENTENCE]), None, None),
    ("a.eml", office.eml("Guarantee", SENTENCE), None, None),
    ("a.pdf", documents.pdf([WORDS] * 20, [SENTENCE]), 2, None),
    ("a.odt", office.odt("Terms", [SENTENCE]), None, "Terms"),
    ("a.epub", office.epub("Book", [("Hours", WORDS), ("Terms", SENTENCE)]), None, "Terms"),
    ("a.pptx", office.pptx([("Hours", WORDS), ("Terms", SENTENCE)]), 2, "Terms"),
    ("a.xlsx", office.xlsx({"Hours": [("Day",), (WORDS,)], "Terms": [[SENTENCE]]}), None, "Terms"),
)
"""Name and content, and the page and heading that a citation has to name."""


def test_a_file_of_each_format_answers_and_is_cited_with_its_place(tenant: Tenant) -> None:
    bots = {name: tenant.bot() for name, *_ in FILES}
    sources = {
        name: upload(tenant, name, content, bot_profile_id=bots[name]).json()["id"]
        for name, content, *_ in FILES
    }
    places = {}
    for name, bot in bots.items():
        tenant.ready(sources[name])
        assert "seven years" in tenant.ask(bot, QUESTION)["message"]["content"], name
        found = cited(tenant, bot)
        places[name] = (found["page"], found["heading"])
    assert places == {name: (page, heading) for name, _, page, heading in FILES}


@pytest.mark.slow
def test_a_picture_answers(tenant: Tenant) -> None:
    bot = tenant.bot()
    lines = ["Every bicycle carries a guarantee", "of seven years on its frame."]
    made = upload(tenant, "a.png", picture(lines), bot_profile_id=bot).json()
    tenant.ready(made["id"])
    assert "seven years" in tenant.ask(bot, QUESTION)["message"]["content"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_hostile_files_end_in_an_error_and_hold_up_nobody(
    tenant: Tenant, other_tenant: Tenant
) -> None:
    files: dict[str, Hostile] = {file.name: file for file in corpus()}
    bot, other_bot = tenant.bot(), other_tenant.bot()
    sources = {
        name: upload(tenant, name, files[name].make(), bot_profile_id=bot).json()["id"]
        for name in CHOSEN
    }
    answering = upload(other_tenant, "a.txt", SENTENCE.encode(), bot_profile_id=other_bot).json()
    other_tenant.ready(answering["id"])
    for name, source in sources.items():
        reason = tenant.ready(source, "error")["error_message"]
        assert files[name].told in reason
        assert "Traceback" not in reason
    assert "seven years" in other_tenant.ask(other_bot, QUESTION)["message"]["content"]
