"""What a run would take, and what came of it in sum."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from statistics import fmean, median

from services.chat.domain.comparing import difference
from services.chat.domain.overrides import check_changes, overridden
from services.chat.domain.spending import ANSWER_TOKENS, Amount, estimate
from services.chat.ports import LanguageModel, Prompt
from services.chat.queries.bots import BotQueries
from services.chat.queries.runs import RunQueries
from services.chat.queries.shadow_plans import ShadowPlans
from services.chat.queries.suites import SuiteQueries
from shared.contracts.base import Metadata
from shared.contracts.chat import BotSettings, GetBotProfile, UpdateBotProfile
from shared.contracts.chat_playground import RunPlan
from shared.contracts.chat_playground_views import (
    BotVersionViews,
    ComparedQuestion,
    CompareRun,
    Comparison,
    DifferenceView,
    EstimateRun,
    GetRun,
    GetSuite,
    ListBotVersions,
    PrepareRun,
    ResultView,
    RunEstimate,
    VariantSums,
)
from shared.kernel.errors import Conflict, InvalidCommand, NotFound
from shared.kernel.prices import cost

Task = Callable[[str, BotSettings, str], Awaitable[Prompt]]
Generates = Callable[[Prompt], bool]


class PlaygroundQueries:
    """Over the read models of bots, suites and runs."""

    def __init__(
        self,
        bots: BotQueries,
        suites: SuiteQueries,
        runs: RunQueries,
        model: LanguageModel,
        generates: Generates,
        task: Task,
        shadows: ShadowPlans,
    ) -> None:
        self._bots = bots
        self._suites = suites
        self._runs = runs
        self._model = model
        self._generates = generates
        self._task = task
        self._shadows = shadows

    async def prepare_run(self, question: PrepareRun, meta: Metadata) -> RunPlan:
        """Raise `NotFound`, or `InvalidCommand` for what cannot be tried."""
        bot_id, suite_id = question.bot_profile_id, question.suite_id
        bot = await self._bots.get_bot_profile(GetBotProfile(bot_profile_id=bot_id), meta)
        await self._suites.get_suite(GetSuite(bot_profile_id=bot_id, suite_id=suite_id), meta)
        for n, variant in enumerate(question.variants):
            check_changes(variant.changes, f"variants.{n}")
        questions = await self._suites.question_ids(meta.tenant_id, suite_id)
        if not questions:
            raise InvalidCommand("The suite has no questions", field="suite_id")
        base = await self._bots.settings_of(meta.tenant_id, bot_id, bot.version)
        variants, indexes = await self._shadows(meta.tenant_id, base, question.variants)
        return RunPlan(
            bot_profile_id=bot_id,
            bot_version=bot.version,
            suite_id=suite_id,
            questions=tuple(questions),
            variants=variants,
            indexes=indexes,
            judged=question.judged,
        )

    async def estimate_run(self, question: EstimateRun, meta: Metadata) -> RunEstimate:
        """Raise `NotFound` or `InvalidCommand`."""
        plan, tenant_id = question.plan, meta.tenant_id
        base = await self._bots.settings_of(tenant_id, plan.bot_profile_id, plan.bot_version)
        bots = [overridden(base, variant.changes) for variant in plan.variants]
        cases = await self._suites.cases(tenant_id, plan.questions)
        amounts: list[Amount] = []
        for case, _ in cases.values():
            for n, bot in enumerate(bots):
                amounts += await self._amounts(tenant_id, bot, case.question)
                if plan.judged:
                    amounts += await self._judged(tenant_id, bots[0], case.question, pair=n > 0)
        return RunEstimate(
            questions=len(plan.questions),
            answers=len(plan.questions) * len(plan.variants),
            calls=len(amounts),
            prompt_tokens=sum(one.prompt_tokens for one in amounts),
            completion_tokens=sum(one.completion_tokens for one in amounts),
            cost_usd=round(
                sum(cost(one.model, one.prompt_tokens, one.completion_tokens) for one in amounts),
                6,
            ),
        )

    async def compare_run(self, question: CompareRun, meta: Metadata) -> Comparison:
        """Raise `NotFound`."""
        get = GetRun(bot_profile_id=question.bot_profile_id, run_id=question.run_id)
        run = await self._runs.get_run(get, meta)
        found = await self._runs.results(meta.tenant_id, question.run_id)
        titles = [variant.title for variant in run.plan.variants]
        by_variant = [[one for one in found if one.variant == n] for n in range(len(titles))]
        sums = tuple(_sums(n, titles[n], mine) for n, mine in enumerate(by_variant) if mine)
        differences = await asyncio.to_thread(_differences, by_variant, question.run_id)
        return Comparison(
            run=run,
            variants=sums,
            differences=differences,
            winner=winner(sums, differences),
            questions=_questions(run.plan.questions, len(titles), found),
        )

    async def check_publication(self, command: UpdateBotProfile, meta: Metadata) -> None:
        """Raise `NotFound`, `InvalidCommand` or `Conflict` unless the run that a publication names
        proves it, as far as the bot's gate demands.
        """
        told = command.publication
        if told is None or told.run_id is None:
            return
        question = CompareRun(bot_profile_id=command.bot_profile_id, run_id=told.run_id)
        compared = await self.compare_run(question, meta)
        plan, variant = compared.run.plan, told.variant or 0
        if variant >= len(plan.variants):
            raise InvalidCommand("The run has no such variant", field="variant")
        if dict(command.changes) != plan.variants[variant].changes:
            raise InvalidCommand("These are not the changes of the variant", field="changes")
        if compared.run.status != "ended":
            raise Conflict("The run has not ended")
        bot = await self._bots.settings(meta.tenant_id, command.bot_profile_id)
        if bot.gate_suite_id is None:
            return
        if plan.suite_id != bot.gate_suite_id:
            raise Conflict("The bot's gate is another suite")
        if plan.variants[0].changes:
            raise Conflict("The first variant of the run is not the bot as it is published")
        for one in compared.differences:
            if one.variant == variant and one.significant and one.mean < 0:
                raise Conflict(
                    f"The variant is significantly worse than what is published: {one.mean:+.3f}, "
                    f"with 95 % between {one.low:+.3f} and {one.high:+.3f}"
                )

    async def check_gate(self, bot_profile_id: str, suite_id: str, meta: Metadata) -> None:
        """Raise `InvalidCommand` unless the bot has this suite."""
        question = GetSuite(bot_profile_id=bot_profile_id, suite_id=suite_id)
        try:
            await self._suites.get_suite(question, meta)
        except NotFound as error:
            raise InvalidCommand("gate_suite_id: Suite not found", field="gate_suite_id") from error

    async def list_bot_versions(self, question: ListBotVersions, meta: Metadata) -> BotVersionViews:
        """With the mean scores of the runs that proved them."""
        page = await self._bots.list_bot_versions(question, meta)
        ids = [one.run_id for one in page.items if one.run_id is not None]
        scores = await self._runs.mean_scores(meta.tenant_id, ids)
        items = tuple(
            one.model_copy(update={"score": scores.get((one.run_id or "", one.variant or 0))})
            for one in page.items
        )
        return page.model_copy(update={"items": items})

    async def _amounts(self, tenant_id: str, bot: BotSettings, question: str) -> list[Amount]:
        task = await self._task(tenant_id, bot, question)
        if not self._generates(task):
            return []
        told = len(bot.system_prompt) + len(question)
        return [estimate(self._model.name(task), told, bot.max_tokens)]

    async def _judged(
        self, tenant_id: str, bot: BotSettings, question: str, *, pair: bool
    ) -> list[Amount]:
        """A rating, and for a pair a choice in both orders."""
        one = await self._amounts(tenant_id, bot, question)
        more = [
            Amount(each.model, each.prompt_tokens + ANSWER_TOKENS, each.completion_tokens)
            for each in one
        ]
        return more * (3 if pair else 1)


def _sums(variant: int, title: str, mine: Sequence[ResultView]) -> VariantSums:
    scores = [one.scores for one in mine]
    expected = [one for one in scores if one.source_found is not None]
    ranks = [0.0 if one.source_rank is None else 1 / one.source_rank for one in expected]
    return VariantSums(
        variant=variant,
        title=title,
        answered=sum(one.ending == "done" for one in mine),
        score=round(fmean(one.score for one in scores), 6),
        source_found=_mean([float(one.source_found or False) for one in expected]),
        reciprocal_rank=_mean(ranks),
        phrases=_mean([one.phrases for one in scores if one.phrases is not None]),
        overlap=_mean([one.overlap for one in scores if one.overlap is not None]),
        refusal_correct=round(fmean(one.refusal_correct for one in scores), 6),
        grounded=round(fmean(one.grounded for one in scores), 6),
        rating=_mean([float(one.rating) for one in scores if one.rating is not None]),
        failed=sum(one.ending == "failed" for one in mine),
        prompt_tokens=sum(one.prompt_tokens for one in mine),
        completion_tokens=sum(one.completion_tokens for one in mine),
        cost_usd=round(sum(one.cost_usd for one in mine), 6),
        latency_ms=round(median(one.latency_ms for one in mine), 1),
    )


def _mean(values: Sequence[float]) -> float | None:
    return round(fmean(values), 6) if values else None


def _differences(
    by_variant: Sequence[Sequence[ResultView]], run_id: str
) -> tuple[DifferenceView, ...]:
    """The draws follow from the run's id: whoever asks gets the same numbers."""
    seed = int.from_bytes(hashlib.sha256(run_id.encode()).digest()[:8], "big")
    first = {one.question_id: one.scores.score for one in by_variant[0]}
    found = []
    for n, mine in enumerate(by_variant[1:], 1):
        both = [one for one in mine if one.question_id in first]
        if not both:
            continue
        baseline = [first[one.question_id] for one in both]
        told = difference(baseline, [one.scores.score for one in both], seed)
        found.append(
            DifferenceView(
                variant=n,
                questions=told.questions,
                mean=told.mean,
                low=told.low,
                high=told.high,
                confidence=told.confidence,
                significant=told.significant,
                wins=told.wins,
                losses=told.losses,
                ties=told.ties,
                preferred=sum(one.verdict == "better" for one in both),
                dispreferred=sum(one.verdict == "worse" for one in both),
            )
        )
    return tuple(found)


def winner(sums: Sequence[VariantSums], differences: Sequence[DifferenceView]) -> int | None:
    """The best variant if it is significantly better than the first; the first one if all others
    are significantly worse.
    """
    if not differences:
        return None
    better = {one.variant for one in differences if one.significant and one.mean > 0}
    if better:
        return max((one for one in sums if one.variant in better), key=lambda s: s.score).variant
    worse = [one for one in differences if one.significant and one.mean < 0]
    return 0 if len(worse) == len(differences) else None


def _questions(
    order: Sequence[str], variants: int, found: Sequence[ResultView]
) -> tuple[ComparedQuestion, ...]:
    by_place = {(one.question_id, one.variant): one for one in found}
    told = []
    for question_id in order:
        mine = [by_place.get((question_id, n)) for n in range(variants)]
        here = [one for one in mine if one is not None]
        if not here:
            continue
        scores = [one.scores.score for one in here]
        told.append(
            ComparedQuestion(
                question_id=question_id,
                question=here[0].question,
                scores=tuple(None if one is None else one.scores.score for one in mine),
                spread=round(max(scores) - min(scores), 6),
            )
        )
    return tuple(sorted(told, key=lambda one: -one.spread))
