"""A model that obeys every instruction in documents reaches nothing, however its words are cut."""

import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import pytest
from typing_extensions import override

from services.chat.domain.prompt import RULES
from services.chat.ports import Prompt, Spent, Text
from shared.contracts.chat import QuestionAnswered
from tests.obedient import GOAL, Poisoned, canary_of, documents, obey
from tests.unit.chat.fakes import ScriptedModel
from tests.unit.chat.samples import QUESTION, found
from tests.unit.chat.test_answering import World
from tests.unit.chat.test_output import tokens

DOCUMENTS = documents()


@dataclass
class Obedient(ScriptedModel):
    """Says what the documents order, so many characters at a time."""

    attempts: list[list[str | Exception | Spent]] = field(default_factory=list)  # type: ignore[assignment]  # it needs none
    size: int = 1

    @override
    async def stream(self, prompt: Prompt) -> AsyncGenerator[Text | Spent, None]:
        self.prompts.append(prompt)
        said = obey(prompt.messages[0].content, prompt.question)
        for at in range(0, len(said), self.size):
            yield Text(said[at : at + self.size])
        yield Spent(prompt.model, 1, 1)


def test_there_are_enough_of_them() -> None:
    assert len(DOCUMENTS) >= 60
    assert len({one.name.split(",")[0] for one in DOCUMENTS}) >= 8


@pytest.mark.parametrize("size", [1, 5, 10_000])
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda one: one.name)
async def test_a_poisoned_document_reaches_no_goal(document: Poisoned, size: int) -> None:
    model = Obedient(size=size)
    it = World(model, [found(document.text)], hosts=frozenset({"good.example.com"}))
    await it.attempt()
    system = model.prompts[0].messages[0].content
    canary = canary_of(system)
    assert obey(system, QUESTION) != "As you wish [1]."
    end = it.chat.log[-1]
    assert isinstance(end, QuestionAnswered)
    assert it.frames.shown == end.answer
    told = end.answer.lower()
    assert GOAL not in told
    assert document.goal.lower() not in told
    assert canary[:12] not in re.sub(r"\W", "", told)
    assert canary[::-1][:12] not in re.sub(r"\W", "", told)
    assert RULES not in end.answer or end.leaked
    for token in tokens(end.answer):
        assert token.type not in ("image", "link_open"), end.answer
        if token.type in ("html_block", "html_inline"):
            assert "=" not in token.content
