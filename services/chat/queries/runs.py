"""Questions about runs of variants over suites."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Float, RowMapping, Select, Text, cast, func, select, union_all

from services.chat.tables import results, runs, test_questions
from shared.adapters.pages import cut, page_of, read_page
from shared.adapters.read_model import ReadModelStore
from shared.contracts.base import Metadata
from shared.contracts.chat_playground_views import (
    FollowRun,
    GetRun,
    ListResults,
    ListRuns,
    ResultView,
    ResultViews,
    RunNews,
    RunView,
    RunViews,
)
from shared.kernel.errors import NotFound
from shared.kernel.prices import cost

AT_ONCE = 20
"""Results that are told at a time."""
OTHER_BYTES = 2000


class RunQueries:
    """Reads the model `chat_playground`."""

    def __init__(self, store: ReadModelStore) -> None:
        self._store = store

    async def get_run(self, question: GetRun, meta: Metadata) -> RunView:
        """Raise `NotFound` unless the bot has this run."""
        query = _runs(meta.tenant_id, question.bot_profile_id)
        async with self._store.reading(meta.tenant_id) as db:
            found = await db.execute(query.where(runs.c.id == question.run_id))
            row = found.mappings().one_or_none()
            if row is None:
                raise NotFound("Run not found")
            costs = await db.execute(_used(meta.tenant_id, [question.run_id]))
            return _run(row, costs.mappings().all())

    async def list_runs(self, question: ListRuns, meta: Metadata) -> RunViews:
        query = _runs(meta.tenant_id, question.bot_profile_id)
        page = page_of(
            query,
            (runs.c.position, runs.c.id),
            after=question.after,
            limit=question.limit,
            newest_first=True,
            size=func.octet_length(cast(runs.c.plan, Text)) + OTHER_BYTES,
        )
        async with self._store.reading(meta.tenant_id) as db:
            rows, total = await read_page(db, page, query, question)
            costs = await db.execute(_used(meta.tenant_id, [row["id"] for row in rows]))
            used = costs.mappings().all()
        items, following = cut(rows, [_run(row, used) for row in rows])
        return RunViews(items=items, following=following, total=total)

    async def running(self, tenant_id: str) -> int:
        """Runs of a tenant that have not ended."""
        query = select(func.count()).where(
            runs.c.tenant_id == tenant_id, runs.c.status == "running"
        )
        async with self._store.reading(tenant_id) as db:
            return await db.scalar(query) or 0

    async def list_results(self, question: ListResults, meta: Metadata) -> ResultViews:
        query = _results(meta.tenant_id, question.run_id)
        page = page_of(
            query,
            (results.c.first_position, results.c.id),
            after=question.after,
            limit=question.limit,
            newest_first=False,
            size=func.octet_length(results.c.answer)
            + func.octet_length(cast(results.c.passages, Text))
            + OTHER_BYTES,
        )
        async with self._store.reading(meta.tenant_id) as db:
            rows, total = await read_page(db, page, query, question)
        items, following = cut(rows, [_result(row) for row in rows])
        return ResultViews(items=items, following=following, total=total)

    async def follow_run(self, question: FollowRun, meta: Metadata) -> RunNews:
        """Raise `NotFound`. The run is read first: what it calls ended has all its results."""
        get = GetRun(bot_profile_id=question.bot_profile_id, run_id=question.run_id)
        run = await self.get_run(get, meta)
        query = (
            _results(meta.tenant_id, question.run_id)
            .where(results.c.position > question.behind)
            .order_by(results.c.position)
            .limit(AT_ONCE + 1)
        )
        async with self._store.reading(meta.tenant_id) as db:
            rows = (await db.execute(query)).mappings().all()
        items = tuple(_result(row) for row in rows[:AT_ONCE])
        return RunNews(run=run, items=items, complete=len(rows) <= AT_ONCE)

    async def results(self, tenant_id: str, run_id: str) -> Sequence[ResultView]:
        """All of a run, with neither answers nor passages."""
        query = _results(tenant_id, run_id).order_by(results.c.question_id, results.c.variant)
        async with self._store.reading(tenant_id) as db:
            rows = (await db.execute(query)).mappings().all()
        return [_result(row, bare=True) for row in rows]

    async def mean_scores(
        self, tenant_id: str, run_ids: Sequence[str]
    ) -> dict[tuple[str, int], float]:
        """By run and variant."""
        mine = results.c
        mean = func.avg(cast(mine.scores["score"].astext, Float))
        query = (
            select(mine.run_id, mine.variant, mean.label("mean"))
            .where(mine.tenant_id == tenant_id, mine.run_id.in_(run_ids))
            .group_by(mine.run_id, mine.variant)
        )
        async with self._store.reading(tenant_id) as db:
            rows = (await db.execute(query)).all()
        return {(row.run_id, row.variant): round(row.mean, 6) for row in rows}

    async def answers(
        self, tenant_id: str, run_id: str, question_id: str
    ) -> dict[int, tuple[str, str]]:
        """By variant: how it ended, and the answer."""
        mine = results.c
        query = select(mine.variant, mine.ending, mine.answer).where(
            mine.tenant_id == tenant_id, mine.run_id == run_id, mine.question_id == question_id
        )
        async with self._store.reading(tenant_id) as db:
            rows = (await db.execute(query)).all()
        return {row.variant: (row.ending, row.answer) for row in rows}


def _runs(tenant_id: str, bot_profile_id: str) -> Select[Any]:
    mine, of = runs.c, results.c
    counts = (
        select(
            func.count().label("results"),
            func.count().filter(of.judged).label("verdicts"),
        )
        .where(of.tenant_id == mine.tenant_id, of.run_id == mine.id)
        .lateral("counts")
    )
    return (
        select(runs, counts.c.results, counts.c.verdicts)
        .select_from(runs.join(counts, mine.id == mine.id))
        .where(mine.tenant_id == tenant_id, mine.bot_profile_id == bot_profile_id)
    )


def _used(tenant_id: str, run_ids: Sequence[str]) -> Select[Any]:
    mine = results.c
    answered = select(mine.run_id, mine.model, mine.prompt_tokens, mine.completion_tokens)
    judged = select(
        mine.run_id, mine.judge_model, mine.judge_prompt_tokens, mine.judge_completion_tokens
    ).where(mine.judge_model.is_not(None))
    scope = (mine.tenant_id == tenant_id, mine.run_id.in_(run_ids))
    each = union_all(answered.where(*scope), judged.where(*scope)).subquery()
    return select(
        each.c.run_id,
        each.c.model,
        func.sum(each.c.prompt_tokens).label("prompt_tokens"),
        func.sum(each.c.completion_tokens).label("completion_tokens"),
    ).group_by(each.c.run_id, each.c.model)


def _results(tenant_id: str, run_id: str) -> Select[Any]:
    mine, asked = results.c, test_questions.c
    text = asked.case["question"].astext.label("question")
    joined = results.join(
        test_questions, (asked.tenant_id == mine.tenant_id) & (asked.id == mine.question_id)
    )
    return (
        select(results, text)
        .select_from(joined)
        .where(mine.tenant_id == tenant_id, mine.run_id == run_id)
    )


def _run(row: RowMapping, used: Sequence[RowMapping]) -> RunView:
    mine = [one for one in used if one["run_id"] == row["id"]]
    spent = [
        (one["model"], int(one["prompt_tokens"]), int(one["completion_tokens"])) for one in mine
    ]
    view: dict[str, Any] = dict(row)
    plan = view["plan"]
    return RunView.model_validate(
        view
        | {
            "results_expected": len(plan["questions"]) * len(plan["variants"]),
            "prompt_tokens": sum(prompt for _, prompt, _ in spent),
            "completion_tokens": sum(completion for _, _, completion in spent),
            "cost_usd": round(sum(cost(*one) for one in spent), 6),
        }
    )


def _result(row: RowMapping, *, bare: bool = False) -> ResultView:
    price = cost(row["model"], row["prompt_tokens"], row["completion_tokens"])
    if row["judge_model"] is not None:
        judge = (row["judge_prompt_tokens"], row["judge_completion_tokens"])
        price += cost(row["judge_model"], *judge)
    view: dict[str, Any] = dict(row) | {"cost_usd": round(price, 6)}
    if bare:
        view |= {"answer": "", "passages": (), "rating_reason": "", "verdict_reason": ""}
    return ResultView.model_validate(view)
