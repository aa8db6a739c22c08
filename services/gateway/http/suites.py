"""/v1/bot-profiles/{id}/suites: questions that a bot is tested with."""

from typing import Annotated

from fastapi import APIRouter, Request, Response, status
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from services.gateway.http import lists
from services.gateway.http.context import AdminDep, Caller, CallerDep, Id, Text, Timestamp
from services.gateway.http.suite_files import read, written
from shared.contracts.chat import BotProfileView, GetBotProfile
from shared.contracts.chat_playground import (
    QUESTIONS,
    TEXT,
    AddedCase,
    AddQuestions,
    CreateSuite,
    DeleteSuite,
    RemoveQuestion,
    RenameSuite,
    TestCase,
)
from shared.contracts.chat_playground_views import (
    AskedView,
    GetAsked,
    GetSuite,
    ListSuites,
    ListTestQuestions,
    SuiteView,
    SuiteViews,
    TestQuestionView,
    TestQuestionViews,
)
from shared.kernel.errors import InvalidCommand, NotAuthenticated, NotFound, NotPermitted
from shared.kernel.ids import derived_id
from shared.web import csv_stream
from shared.web.pagination import HEADERS, WindowDep
from shared.web.problem import responses

router = APIRouter(prefix="/v1/bot-profiles/{bot_profile_id}/suites", tags=["playground"])

CSV = {"content": {csv_stream.MEDIA_TYPE: {"schema": {"type": "string"}}}}
CHANGED = responses(NotAuthenticated, NotPermitted, NotFound, InvalidCommand)
READ = responses(NotAuthenticated, NotFound)

Title = Annotated[Text, Field(min_length=1, max_length=255)]
Words = Annotated[Text, Field(min_length=1, max_length=2000)]
Phrases = Annotated[
    list[Annotated[Text, Field(min_length=1, max_length=200)]], Field(max_length=10)
]


class SuiteIn(BaseModel):
    title: Title


class SuiteOut(BaseModel):
    id: str
    bot_profile_id: str
    title: str
    questions: int
    created_at: Timestamp
    updated_at: Timestamp


class CaseFields(BaseModel):
    expected_answer: Words | None = None
    expected_sources: Annotated[
        list[Annotated[Text, Field(min_length=1, max_length=500)]], Field(max_length=10)
    ] = []
    """Id, address or name; any of them will do."""
    must: Phrases = []
    """What the answer has to say, whatever the case of letters."""
    must_not: Phrases = []
    language: Annotated[str, Field(pattern="^[a-z]{2}$")] | None = None
    refused: bool = False
    """Whether the bot should say that it does not know."""


class TestQuestionIn(CaseFields):
    """A question of its own, or one that was asked in a chat."""

    __test__ = False  # the name begins as those of tests do

    question: Words | None = None
    turn_id: Id | None = None
    """A turn of one of the bot's chats: its question is taken, and erased with the chat."""
    replaces: Id | None = None
    """The question that goes, because this one stands for it."""


class TestQuestionOut(BaseModel):
    __test__ = False

    id: str
    suite_id: str
    question: str
    expected_answer: str | None
    expected_sources: list[str]
    must: list[str]
    must_not: list[str]
    language: str | None
    refused: bool
    chat_id: str | None
    created_at: Timestamp


class SuiteFileIn(BaseModel):
    """A CSV file as the export makes it; the column `question` is enough."""

    csv: Annotated[Text, Field(min_length=1, max_length=250_000)]


@router.post("", status_code=status.HTTP_201_CREATED, responses=CHANGED)
async def create(bot_profile_id: Id, body: SuiteIn, caller: AdminDep) -> SuiteOut:
    """Make an empty suite for a bot."""
    suite_id = caller.id_for("suite")
    command = CreateSuite(suite_id=suite_id, bot_profile_id=bot_profile_id, title=body.title)
    await caller.order(command)
    return await _get(caller, bot_profile_id, suite_id)


@router.get(
    "",
    response_model=list[SuiteOut],
    responses={
        **responses(NotAuthenticated, NotFound, InvalidCommand),
        200: {"headers": HEADERS},
    },
)
async def list_suites(
    request: Request, bot_profile_id: Id, caller: CallerDep, window: WindowDep
) -> Response:
    """The suites of a bot, newest first."""
    await caller.ask(GetBotProfile(bot_profile_id=bot_profile_id), BotProfileView)
    question = ListSuites(bot_profile_id=bot_profile_id)
    return await lists.answer(request, caller, question, SuiteViews, _out, window)


@router.get("/{suite_id}", responses=READ)
async def get(bot_profile_id: Id, suite_id: Id, caller: CallerDep) -> SuiteOut:
    """One suite."""
    return await _get(caller, bot_profile_id, suite_id)


@router.patch("/{suite_id}", responses=CHANGED)
async def patch(bot_profile_id: Id, suite_id: Id, body: SuiteIn, caller: AdminDep) -> SuiteOut:
    """Give a suite another title."""
    await _get(caller, bot_profile_id, suite_id)
    await caller.order(RenameSuite(suite_id=suite_id, title=body.title))
    return await _get(caller, bot_profile_id, suite_id)


@router.delete("/{suite_id}", status_code=status.HTTP_204_NO_CONTENT, responses=CHANGED)
async def delete(bot_profile_id: Id, suite_id: Id, caller: AdminDep) -> None:
    """Delete a suite. What was run with it stays readable."""
    await _get(caller, bot_profile_id, suite_id)
    await caller.order(DeleteSuite(suite_id=suite_id))


@router.post("/{suite_id}/questions", status_code=status.HTTP_201_CREATED, responses=CHANGED)
async def add(
    bot_profile_id: Id, suite_id: Id, body: TestQuestionIn, caller: AdminDep
) -> TestQuestionOut:
    """Add a question: one of its own, or with `turn_id` one that was really asked."""
    await _get(caller, bot_profile_id, suite_id)
    asked = await _asked(caller, bot_profile_id, body)
    case = TestCase.model_validate(
        body.model_dump(exclude={"turn_id", "replaces"}) | {"question": asked.question}
    )
    added = AddedCase(question_id=caller.id_for("test_question"), case=case)
    chat_id = asked.chat_id or None
    command = AddQuestions(
        suite_id=suite_id, cases=(added,), chat_id=chat_id, replaces=body.replaces
    )
    await caller.order(command)
    view = TestQuestionView(
        id=added.question_id,
        suite_id=suite_id,
        case=case,
        chat_id=chat_id,
        created_at=caller.metadata.now,
    )
    return _question(view)


@router.get(
    "/{suite_id}/questions",
    response_model=list[TestQuestionOut],
    responses={
        **responses(NotAuthenticated, NotFound, InvalidCommand),
        200: {"headers": HEADERS},
    },
)
async def list_questions(
    request: Request, bot_profile_id: Id, suite_id: Id, caller: CallerDep, window: WindowDep
) -> Response:
    """The questions of a suite, in the order in which they came."""
    await _get(caller, bot_profile_id, suite_id)
    question = ListTestQuestions(suite_id=suite_id)
    return await lists.answer(request, caller, question, TestQuestionViews, _question, window)


@router.delete(
    "/{suite_id}/questions/{question_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=CHANGED,
)
async def remove(bot_profile_id: Id, suite_id: Id, question_id: Id, caller: AdminDep) -> None:
    """Take a question out of a suite. Runs that asked it go on to tell so."""
    await _get(caller, bot_profile_id, suite_id)
    await caller.order(RemoveQuestion(suite_id=suite_id, question_id=question_id))


@router.get("/{suite_id}/export", responses={**READ, 200: CSV}, response_class=StreamingResponse)
async def export(bot_profile_id: Id, suite_id: Id, caller: CallerDep) -> StreamingResponse:
    """The questions as a CSV file that the import takes back."""
    await _get(caller, bot_profile_id, suite_id)
    pages = lists.pages(caller, ListTestQuestions(suite_id=suite_id), TestQuestionViews)
    headers = {"Content-Disposition": f"attachment; filename=suite_{suite_id}.csv"}
    return StreamingResponse(written(pages), media_type=csv_stream.MEDIA_TYPE, headers=headers)


@router.post("/{suite_id}/import", responses=CHANGED)
async def import_(
    bot_profile_id: Id, suite_id: Id, body: SuiteFileIn, caller: AdminDep
) -> SuiteOut:
    """Add the questions of a CSV file: all of them, or none."""
    await _get(caller, bot_profile_id, suite_id)
    cases = read(body.csv, most=QUESTIONS)
    seed = caller.metadata.message_id
    added = tuple(
        AddedCase(
            question_id=derived_id("test_question", caller.tenant_id, seed, str(n)), case=case
        )
        for n, case in enumerate(cases)
    )
    await caller.order(AddQuestions(suite_id=suite_id, cases=added))
    return await _get(caller, bot_profile_id, suite_id)


async def _asked(caller: Caller, bot_profile_id: str, body: TestQuestionIn) -> AskedView:
    """What is to be asked; of a question of its own, with no chat."""
    if body.turn_id is None:
        if body.question is None:
            raise InvalidCommand("question or turn_id must be given", field="question")
        return AskedView(chat_id="", bot_profile_id=bot_profile_id, question=body.question)
    asked = await caller.ask(GetAsked(turn_id=body.turn_id), AskedView)
    if asked.bot_profile_id != bot_profile_id:
        raise NotFound("Turn not found")
    question = body.question or asked.question
    if len(question) > TEXT:
        raise InvalidCommand(f"The question has more than {TEXT} characters", field="turn_id")
    return asked.model_copy(update={"question": question})


async def _get(caller: Caller, bot_profile_id: str, suite_id: str) -> SuiteOut:
    question = GetSuite(bot_profile_id=bot_profile_id, suite_id=suite_id)
    return _out(await caller.ask(question, SuiteView))


def _out(suite: SuiteView) -> SuiteOut:
    return SuiteOut.model_validate(suite.model_dump())


def _question(view: TestQuestionView) -> TestQuestionOut:
    return TestQuestionOut.model_validate(
        view.model_dump(exclude={"case"}) | view.case.model_dump()
    )
