"""A run is worked off: one result per question and variant, whoever dies meanwhile.

The run's own state tells what is missing, so that a delivery that comes again does only that. It is
worked in stretches of some seconds, each begun by an event of the run: many runs take turns, and
a process that is to stop need not wait for a whole run.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from services.chat.domain.overrides import overridden
from services.chat.domain.runs import Run
from services.chat.domain.scoring import failed, scored
from services.chat.domain.shadow_index import FIRST_STRETCH, ShadowIndex
from services.chat.domain.spending import ANSWER_TOKENS, Amount, estimate
from services.chat.ports import (
    Judge,
    LanguageModel,
    ModelFailed,
    Preferred,
    Rated,
    Retriever,
)
from services.chat.reactions.answering import REFUSING
from services.chat.reactions.conversing import usage
from services.chat.reactions.prompting import Prompting
from services.chat.reactions.spending import Purse
from services.chat.reactions.trying import TryQuestion
from shared.contracts.base import Command, Done, Metadata, Recorded
from shared.contracts.chat import BotSettings, Usage
from shared.contracts.chat_playground import (
    CancelRun,
    ContinueRun,
    RecordResult,
    RecordVerdict,
    RunContinued,
    RunStarted,
    TestCase,
    Verdict,
)
from shared.kernel.errors import NotFound

STRETCH_SECONDS = 10.0
NOTHING = Usage(model=REFUSING)

Execute = Callable[[Command, Metadata, str], Awaitable[Done]]
Current = Callable[[str, str, str], Awaitable[Any]]
RetrieverOf = Callable[[ShadowIndex], Retriever]


class VersionReader(Protocol):
    async def settings_of(self, tenant_id: str, bot_profile_id: str, version: int) -> BotSettings:
        """As they were in a version. Raise `NotFound`."""
        ...


class CaseReader(Protocol):
    async def cases(
        self, tenant_id: str, ids: Sequence[str]
    ) -> dict[str, tuple[TestCase, str | None]]:
        """By id: test cases, and the chats they are from."""
        ...


class AnswerReader(Protocol):
    async def answers(
        self, tenant_id: str, run_id: str, question_id: str
    ) -> dict[int, tuple[str, str]]:
        """By variant: how it ended, and the answer."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of a run, with the variants' settings."""

    recorded: Recorded[RunStarted | RunContinued]
    run: Run
    question_id: str
    case: TestCase
    chat_id: str | None
    bots: Sequence[BotSettings]

    @property
    def tenant_id(self) -> str:
        return self.recorded.tenant_id

    @property
    def run_id(self) -> str:
        return self.recorded.event.run_id

    @property
    def bot_profile_id(self) -> str:
        return self.run.plan.bot_profile_id


@dataclass(frozen=True)
class RunTests:
    """Asks every question of every variant, scores what comes, and records it."""

    execute: Execute
    current: Current
    versions: VersionReader
    tests: CaseReader
    answers: AnswerReader
    attempt: TryQuestion
    model: LanguageModel
    judge: Judge
    prompting: Prompting
    purse: Purse
    shadow: RetrieverOf
    """Finds in an index that a run has for itself."""
    seconds: float = STRETCH_SECONDS

    async def __call__(self, recorded: Recorded[RunStarted | RunContinued]) -> None:
        """Raise `Unavailable` if it should be tried again."""
        event, tenant_id = recorded.event, recorded.tenant_id
        stretch = event.stretch if isinstance(event, RunContinued) else 0
        run = await self.current("test_run", tenant_id, event.run_id)
        if not isinstance(run, Run) or run.stretch != stretch:
            return
        if run.plan.indexes and stretch < FIRST_STRETCH:
            return  # whoever sees them whole begins the first stretch
        plan, until = run.plan, time.monotonic() + self.seconds
        base = await self.versions.settings_of(tenant_id, plan.bot_profile_id, plan.bot_version)
        bots = [overridden(base, variant.changes) for variant in plan.variants]
        cases = await self.tests.cases(tenant_id, plan.questions)
        while (left := next(run.missing(), None)) is not None:
            if time.monotonic() > until:
                go_on = ContinueRun(run_id=event.run_id, stretch=stretch + 1)
                await self.execute(go_on, recorded.metadata, "continue")
                return
            question_id, results, verdicts = left
            if question_id not in cases:
                raise NotFound("a question of the run is not there")
            case, chat_id = cases[question_id]
            asked = Asked(recorded, run, question_id, case, chat_id, bots)
            await _all([self._result(asked, variant) for variant in results])
            await _all([self._verdict(asked, variant) for variant in verdicts])
            run = await self.current("test_run", tenant_id, event.run_id)

    async def given_up(self, recorded: Recorded[RunStarted | RunContinued], _reason: str) -> None:
        """After the last attempt the run says so."""
        cancel = CancelRun(run_id=recorded.event.run_id, reason="failed")
        await self.execute(cancel, recorded.metadata, "give up")

    async def _result(self, asked: Asked, variant: int) -> None:
        purpose = f"result {asked.question_id} {variant}"
        bot, position = asked.bots[variant], None
        key = f"{asked.run_id} {purpose}"
        try:
            command = await self._tried(asked, variant, bot, key)
            position = (await self.execute(command, asked.recorded.metadata, purpose)).position
        finally:
            await self.purse.settle(key, position)

    async def _tried(self, asked: Asked, variant: int, bot: BotSettings, key: str) -> RecordResult:
        about = {
            "run_id": asked.run_id,
            "question_id": asked.question_id,
            "variant": variant,
            "chat_id": asked.chat_id,
        }
        case = asked.case
        try:
            await self._reserve(asked, bot, key, asks=2 if asked.run.plan.judged else 1)
            attempt = await self._attempt(asked, variant)(
                asked.tenant_id, asked.bot_profile_id, bot, case.question
            )
        except ModelFailed as failure:
            return RecordResult(
                **about,
                ending="failed",
                scores=failed(),
                usage=NOTHING,
                error=failure.code,
                detail=failure.detail,
            )
        tried = attempt.tried
        rated = None
        if asked.run.plan.judged and not tried.refused:
            rated = await self._rate(asked, tried.answer)
        return RecordResult(
            **about,
            ending="done",
            answer=tried.answer,
            refused=tried.refused,
            passages=tuple(attempt.passages),
            scores=scored(case, tried, None if rated is None else rated.rating),
            rating_reason="" if rated is None else rated.reason,
            usage=attempt.usage,
            rating_usage=None if rated is None else usage(rated.spent),
            latency_ms=attempt.latency_ms,
        )

    def _attempt(self, asked: Asked, variant: int) -> TryQuestion:
        """In the index that the variant is asked of."""
        number = asked.run.plan.variants[variant].index
        if number is None:
            return self.attempt
        return replace(self.attempt, retriever=self.shadow(ShadowIndex(asked.run_id, number)))

    async def _rate(self, asked: Asked, answer: str) -> Rated | None:
        """By the model of the first variant, whoever answered: all are measured with one rule."""
        task = await self.prompting.task(asked.tenant_id, asked.bots[0], asked.case.question)
        return await self.judge.rate(task, asked.case.expected_answer, answer)

    async def _verdict(self, asked: Asked, variant: int) -> None:
        purpose = f"verdict {asked.question_id} {variant}"
        key, position = f"{asked.run_id} {purpose}", None
        try:
            told = await self._compared(asked, variant, key)
            command = RecordVerdict(
                run_id=asked.run_id,
                question_id=asked.question_id,
                variant=variant,
                chat_id=asked.chat_id,
                verdict=verdict_of(told),
                reason=told[0].reason if told else "",
                usage=usage(told[0].spent, told[1].spent) if told else NOTHING,
            )
            position = (await self.execute(command, asked.recorded.metadata, purpose)).position
        finally:
            await self.purse.settle(key, position)

    async def _compared(
        self, asked: Asked, variant: int, key: str
    ) -> tuple[Preferred, Preferred] | None:
        """The same two answers in both orders; None if there are not two, or nobody can tell."""
        told = await self.answers.answers(asked.tenant_id, asked.run_id, asked.question_id)
        first, mine = told.get(0), told.get(variant)
        if first is None or mine is None or "failed" in (first[0], mine[0]):
            return None
        try:
            await self._reserve(asked, asked.bots[0], key, asks=2)
        except ModelFailed:
            return None
        task = await self.prompting.task(asked.tenant_id, asked.bots[0], asked.case.question)
        expected = asked.case.expected_answer
        there = await self.judge.prefer(task, expected, first[1], mine[1])
        if there is None:
            return None
        back = await self.judge.prefer(task, expected, mine[1], first[1])
        return None if back is None else (there, back)

    async def _reserve(self, asked: Asked, bot: BotSettings, key: str, *, asks: int) -> None:
        """Before any provider is asked. Raise `ModelFailed` if a budget is used up."""

        async def wanted() -> Amount:
            task = await self.prompting.task(asked.tenant_id, bot, asked.case.question)
            told = len(bot.system_prompt) + len(asked.case.question)
            one = estimate(self.model.name(task), told, bot.max_tokens)
            more = (asks - 1) * (one.prompt_tokens + ANSWER_TOKENS)
            return Amount(one.model, one.prompt_tokens + more, one.completion_tokens)

        day = asked.recorded.at.date()
        await self.purse.admit(asked.tenant_id, asked.bot_profile_id, key, day, wanted)


def verdict_of(told: tuple[Preferred, Preferred] | None) -> Verdict | None:
    """Of the first variant's answer before the other's, and of both in the other order: better or
    worse only if the order makes no difference.
    """
    if told is None:
        return None
    match told[0].choice, told[1].choice:
        case "second", "first":
            return "better"
        case "first", "second":
            return "worse"
        case _:
            return "tie"


async def _all(work: Sequence[Awaitable[None]]) -> None:
    """Together; all of them end before the first failure is raised."""
    for ended in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(ended, BaseException):
            raise ended
