"""Questions about test suites."""

from collections.abc import Sequence

from sqlalchemy import RowMapping, Select, Text, cast, func, select

from services.chat.tables import suites, test_questions
from shared.adapters.pages import cut, page_of, read_page
from shared.adapters.read_model import ReadModelStore
from shared.contracts.base import Metadata
from shared.contracts.chat_playground import TestCase
from shared.contracts.chat_playground_views import (
    GetSuite,
    ListSuites,
    ListTestQuestions,
    SuiteView,
    SuiteViews,
    TestQuestionView,
    TestQuestionViews,
)
from shared.kernel.errors import NotFound

SUITE_BYTES = 1500
OTHER_BYTES = 500


class SuiteQueries:
    """Reads the model `chat_playground`."""

    def __init__(self, store: ReadModelStore) -> None:
        self._store = store

    async def get_suite(self, question: GetSuite, meta: Metadata) -> SuiteView:
        """Raise `NotFound` unless the bot has this suite."""
        query = _suites(meta.tenant_id, question.bot_profile_id)
        async with self._store.reading(meta.tenant_id) as db:
            found = await db.execute(query.where(suites.c.id == question.suite_id))
            row = found.mappings().one_or_none()
        if row is None:
            raise NotFound("Suite not found")
        return SuiteView.model_validate(dict(row))

    async def list_suites(self, question: ListSuites, meta: Metadata) -> SuiteViews:
        query = _suites(meta.tenant_id, question.bot_profile_id)
        page = page_of(
            query,
            (suites.c.position, suites.c.id),
            after=question.after,
            limit=question.limit,
            newest_first=True,
            size=func.octet_length(suites.c.title) + SUITE_BYTES,
        )
        async with self._store.reading(meta.tenant_id) as db:
            rows, total = await read_page(db, page, query, question)
        items, following = cut(rows, [SuiteView.model_validate(dict(row)) for row in rows])
        return SuiteViews(items=items, following=following, total=total)

    async def list_test_questions(
        self, question: ListTestQuestions, meta: Metadata
    ) -> TestQuestionViews:
        mine = test_questions.c
        query = select(test_questions).where(
            mine.tenant_id == meta.tenant_id,
            mine.suite_id == question.suite_id,
            mine.removed.is_(False),
        )
        page = page_of(
            query,
            (mine.position, mine.id),
            after=question.after,
            limit=question.limit,
            newest_first=False,
            size=func.octet_length(cast(mine.case, Text)) + OTHER_BYTES,
        )
        async with self._store.reading(meta.tenant_id) as db:
            rows, total = await read_page(db, page, query, question)
        items, following = cut(rows, [_question(row) for row in rows])
        return TestQuestionViews(items=items, following=following, total=total)

    async def question_ids(self, tenant_id: str, suite_id: str) -> Sequence[str]:
        """Of a suite as it is, in the order in which they came."""
        mine = test_questions.c
        query = (
            select(mine.id)
            .where(mine.tenant_id == tenant_id, mine.suite_id == suite_id, mine.removed.is_(False))
            .order_by(mine.position, mine.id)
        )
        async with self._store.reading(tenant_id) as db:
            return (await db.scalars(query)).all()

    async def cases(
        self, tenant_id: str, ids: Sequence[str]
    ) -> dict[str, tuple[TestCase, str | None]]:
        """By id: test cases, those that were removed included, and the chats they are from."""
        query = select(test_questions).where(
            test_questions.c.tenant_id == tenant_id, test_questions.c.id.in_(ids)
        )
        async with self._store.reading(tenant_id) as db:
            rows = (await db.execute(query)).all()
        return {row.id: (TestCase.model_validate(row.case), row.chat_id) for row in rows}


def _suites(tenant_id: str, bot_profile_id: str) -> Select[tuple[object, ...]]:
    mine, asked = suites.c, test_questions.c
    count = (
        select(func.count())
        .where(
            asked.tenant_id == mine.tenant_id, asked.suite_id == mine.id, asked.removed.is_(False)
        )
        .scalar_subquery()
    )
    return select(suites, count.label("questions")).where(
        mine.tenant_id == tenant_id,
        mine.bot_profile_id == bot_profile_id,
        mine.deleted.is_(False),
    )


def _question(row: RowMapping) -> TestQuestionView:
    return TestQuestionView.model_validate(dict(row))
