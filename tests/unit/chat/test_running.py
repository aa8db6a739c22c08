"""A run is worked off: whoever dies, one result per question and variant, each paid once."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from typing_extensions import override

from services.chat.domain.runs import RunState, run_decider
from services.chat.domain.shadow_index import ShadowIndex
from services.chat.ports import (
    Judge,
    ModelFailed,
    Preferred,
    Prompt,
    Rated,
    Spent,
)
from services.chat.reactions.prompting import Prompting
from services.chat.reactions.running import (
    AnswerReader,
    CaseReader,
    RunTests,
    VersionReader,
    verdict_of,
)
from services.chat.reactions.spending import EXCEEDED, Purse
from services.chat.reactions.trying import TryQuestion
from shared.contracts.base import Command, Done, Metadata
from shared.contracts.chat import BotSettings
from shared.contracts.chat_index import IndexSettings
from shared.contracts.chat_playground import (
    ResultRecorded,
    RunCancelled,
    RunContinued,
    RunEnded,
    RunEvent,
    TestCase,
    Variant,
    VerdictRecorded,
)
from shared.kernel.errors import Unavailable
from tests.unit.chat.fakes import GivenChunks, Killed, NoAssistant, Piece, ScriptedModel
from tests.unit.chat.samples import found
from tests.unit.chat.test_spending import TOKENS, Counted
from tests.unit.chat.testing import case, started
from tests.unit.samples import recorded

SPENT = Spent("gpt-4o-mini", 100, 20)
GOOD: list[Piece] = ["Seven years [1].", SPENT]
BROKEN = ModelFailed("llm_failed", "The language model failed.", retryable=True)
CHUNKS = (found("The guarantee lasts seven years."), found("Bells are red.", "k2", evidence=0.6))


@dataclass
class Log(VersionReader, CaseReader, AnswerReader):
    """One run, decided and evolved for real, and read back as its rows would show it."""

    events: list[RunEvent]
    suite: dict[str, TestCase]
    dies_after: str | None = None

    @property
    def results(self) -> list[ResultRecorded]:
        return [event for event in self.events if isinstance(event, ResultRecorded)]

    @property
    def verdicts(self) -> list[VerdictRecorded]:
        return [event for event in self.events if isinstance(event, VerdictRecorded)]

    async def current(self, _aggregate: str, _tenant: str, _id: str) -> RunState:
        return run_decider.fold(self.events)

    async def execute(self, command: Command, meta: Metadata, purpose: str) -> Done:
        self.events += run_decider.decide(run_decider.fold(self.events), command, meta)  # type: ignore[arg-type]  # of a run
        if purpose == self.dies_after:
            self.dies_after = None
            raise Killed
        return Done(position=len(self.events))

    @override
    async def settings_of(self, tenant_id: str, bot_profile_id: str, version: int) -> BotSettings:
        return BotSettings(name="Guide", system_prompt=f"Version {version}.")

    @override
    async def cases(
        self, tenant_id: str, ids: Sequence[str]
    ) -> dict[str, tuple[TestCase, str | None]]:
        return {one: (self.suite[one], None) for one in ids}

    @override
    async def answers(
        self, tenant_id: str, run_id: str, question_id: str
    ) -> dict[int, tuple[str, str]]:
        return {
            one.variant: (one.ending, one.answer)
            for one in self.results
            if one.question_id == question_id
        }


@dataclass
class ScriptedJudge(Judge):
    """Prefers the longer answer, and rates by length."""

    asked: int = 0
    favours_first: bool = False

    @override
    async def rate(self, prompt: Prompt, expected: str | None, answer: str) -> Rated | None:
        self.asked += 1
        return Rated(min(5, len(answer) // 8), "By its length.", Spent("judge", 10, 1))

    @override
    async def prefer(
        self, prompt: Prompt, expected: str | None, first: str, second: str
    ) -> Preferred | None:
        self.asked += 1
        longer = "first" if self.favours_first or len(first) > len(second) else "second"
        choice = "tie" if first == second else longer
        return Preferred(choice, "Longer.", Spent("judge", 10, 1))  # type: ignore[arg-type]  # one of the three


@dataclass
class World:
    """Everything around one run of two questions and two variants."""

    fields: dict[str, Any] = field(default_factory=dict)
    suite: dict[str, TestCase] = field(
        default_factory=lambda: {"q1": case(), "q2": case("How red?")}
    )
    model: ScriptedModel = field(default_factory=lambda: ScriptedModel([list(GOOD)]))
    judge: ScriptedJudge = field(default_factory=ScriptedJudge)
    spending: Counted = field(default_factory=lambda: Counted(()))
    seconds: float = 60.0

    def __post_init__(self) -> None:
        self.started = started(**self.fields)
        self.log = Log([self.started], self.suite)
        self.retriever = GivenChunks(CHUNKS)
        self.shadows: dict[ShadowIndex, GivenChunks] = {}

    @property
    def work(self) -> RunTests:
        async def nothing(_tenant: str, _ref: str) -> None:
            return None

        async def no_hosts(_tenant: str, _bot: str) -> frozenset[str]:
            return frozenset()

        async def shown(position: int, _seconds: float) -> int:
            return position

        prompting = Prompting(no_hosts, nothing)
        attempt = TryQuestion(self.retriever, prompting, self.model, NoAssistant(), lambda _: "en")
        return RunTests(
            execute=self.log.execute,
            current=self.log.current,
            versions=self.log,
            tests=self.log,
            answers=self.log,
            attempt=attempt,
            model=self.model,
            judge=self.judge,
            prompting=prompting,
            purse=Purse(self.spending, shown),
            shadow=lambda index: self.shadows.setdefault(index, GivenChunks(CHUNKS[1:])),
            seconds=self.seconds,
        )

    async def run(self, stretch: RunContinued | None = None) -> None:
        await self.work(recorded(stretch or self.started))


class TestARun:
    async def test_has_one_result_per_question_and_variant_and_ends(self) -> None:
        it = World()
        await it.run()
        places = [(one.question_id, one.variant) for one in it.log.results]
        assert places == [("q1", 0), ("q1", 1), ("q2", 0), ("q2", 1)]
        assert isinstance(it.log.events[-1], RunEnded)
        first = it.log.results[0]
        assert (first.answer, first.ending, first.usage.total_tokens) == (
            "Seven years [1].",
            "done",
            120,
        )
        assert [(one.rank, one.n, one.chunk_id) for one in first.passages] == [
            (1, 1, "k1"),
            (2, 2, "k2"),
        ]

    async def test_answers_by_the_settings_of_each_variant(self) -> None:
        own = Variant(
            title="Own",
            changes={"system_prompt": "Be brief.", "temperature": 0.1, "lexical_weight": 0.2},
        )
        it = World({"variants": (Variant(title="As it is"), own)})
        await it.run()
        plain, other = it.model.prompts[:2]
        assert plain.messages[0].content.startswith("Version 1.")
        assert other.messages[0].content.startswith("Be brief.")
        assert (plain.temperature, other.temperature) == (0.7, 0.1)
        assert [query.lexical_weight for query in it.retriever.queries[:2]] == [None, 0.2]

    async def test_gives_the_model_as_many_passages_as_the_variant_says(self) -> None:
        it = World({"variants": (Variant(title="One", changes={"top_k": 1}),)})
        await it.run()
        assert [len(prompt.passages) for prompt in it.model.prompts] == [1, 1]

    async def test_refuses_below_the_variants_floor_without_asking_a_model(self) -> None:
        it = World({"variants": (Variant(title="High", changes={"floor": 0.99}),)})
        it.log.suite["q1"] = case(refused=True)
        await it.run()
        assert it.model.prompts == []
        assert [(one.refused, one.scores.score) for one in it.log.results] == [
            (True, 1.0),
            (True, 0.0),
        ]

    async def test_records_what_failed_and_goes_on(self) -> None:
        it = World(model=ScriptedModel([[BROKEN], list(GOOD)]))
        await it.run()
        endings = [(one.ending, one.error, one.usage.total_tokens) for one in it.log.results]
        assert endings == [("failed", "llm_failed", 0), *[("done", None, 120)] * 3]


class TestIndexesOfItsOwn:
    SMALL = Variant(title="Small", changes={"chunk_size": 200}, index=0)
    LARGE = Variant(title="Large", changes={"chunk_size": 4000}, index=1)
    INDEXES = (IndexSettings(chunk_size=200), IndexSettings(chunk_size=4000))

    def world(self) -> World:
        variants = (Variant(title="As it is"), self.SMALL, self.LARGE)
        return World({"variants": variants, "indexes": self.INDEXES})

    async def test_are_waited_for(self) -> None:
        it = self.world()
        await it.run()
        assert it.log.events == [it.started]
        assert it.retriever.queries == []

    async def test_are_asked_by_their_variants_alone(self) -> None:
        it = self.world()
        whole = RunContinued(run_id="r1", stretch=1)
        it.log.events.append(whole)
        await it.run(whole)
        assert isinstance(it.log.events[-1], RunEnded)
        assert set(it.shadows) == {ShadowIndex("r1", 0), ShadowIndex("r1", 1)}
        asked = [len(one.queries) for one in (it.retriever, *it.shadows.values())]
        assert asked == [2, 2, 2]
        found = {one.variant: [p.chunk_id for p in one.passages] for one in it.log.results}
        assert found == {0: ["k1", "k2"], 1: ["k2"], 2: ["k2"]}


class TestDyingMeanwhile:
    async def test_only_what_is_missing_is_done_again(self) -> None:
        it = World({"variants": (Variant(title="As it is"),)})
        it.log.dies_after = "result q1 0"
        with pytest.raises(Killed):
            await it.run()
        await it.run()
        assert len(it.model.prompts) == 2
        assert [one.question_id for one in it.log.results] == ["q1", "q2"]
        assert isinstance(it.log.events[-1], RunEnded)

    async def test_an_index_that_is_away_is_waited_for(self) -> None:
        it = World()
        it.retriever.error = Unavailable("away")
        with pytest.raises(Unavailable):
            await it.run()
        assert it.log.results == []
        it.retriever.error = None
        await it.run()
        assert len(it.log.results) == 4

    async def test_a_run_that_is_given_up_says_so(self) -> None:
        it = World()
        await it.work.given_up(recorded(it.started), "away")
        assert it.log.events[-1] == RunCancelled(run_id="r1", reason="failed")


class TestStretches:
    async def test_a_long_run_goes_on_by_an_event_of_its_own(self) -> None:
        it = World(seconds=-1)
        await it.run()
        second = RunContinued(run_id="r1", stretch=1)
        assert it.log.events == [it.started, second]
        it.seconds = 60
        await it.run()
        assert len(it.log.results) == 0, "an old stretch does nothing"
        await it.run(second)
        assert len(it.log.results) == 4


class TestCancelling:
    async def test_begins_nothing_more(self) -> None:
        it = World()
        it.log.events.append(RunCancelled(run_id="r1", reason="cancelled"))
        await it.run()
        assert it.model.prompts == []


class TestBudgets:
    async def test_stop_a_run_before_a_model_is_asked(self) -> None:
        it = World(spending=Counted((TOKENS,), used=TOKENS.amount))
        await it.run()
        assert it.model.prompts == []
        assert {(one.ending, one.error) for one in it.log.results} == {("failed", EXCEEDED)}
        assert isinstance(it.log.events[-1], RunEnded)


class TestTheJudge:
    def judged(self) -> World:
        it = World({"judged": True})
        return replace(
            it, model=ScriptedModel([["Seven [1].", SPENT], ["Seven long years [1].", SPENT]])
        )

    async def test_rates_and_compares_in_both_orders(self) -> None:
        it = self.judged()
        await it.run()
        first, second = it.log.results[:2]
        assert (first.scores.rating, second.scores.rating) == (1, 2)
        assert first.rating_usage is not None
        assert first.rating_usage.total_tokens == 11
        (told, _) = it.log.verdicts
        assert (told.variant, told.verdict, told.reason) == (1, "better", "Longer.")
        assert told.usage.total_tokens == 22
        assert isinstance(it.log.events[-1], RunEnded)

    async def test_gives_the_same_scores_again(self) -> None:
        one, other = self.judged(), self.judged()
        await one.run()
        await other.run()

        def scores(world: World) -> list[object]:
            return [result.scores for result in world.log.results]

        assert scores(one) == scores(other)

    async def test_whom_the_order_sways_makes_a_tie(self) -> None:
        it = self.judged()
        it.judge.favours_first = True
        await it.run()
        assert it.log.verdicts[0].verdict == "tie"

    async def test_is_not_asked_about_answers_that_did_not_come(self) -> None:
        it = World({"judged": True}, model=ScriptedModel([[BROKEN]]))
        await it.run()
        assert it.judge.asked == 0
        assert {one.verdict for one in it.log.verdicts} == {None}
        assert isinstance(it.log.events[-1], RunEnded)


def test_a_verdict_needs_the_same_choice_in_both_orders() -> None:
    def said(choice: Any) -> Preferred:
        return Preferred(choice, "", SPENT)

    assert verdict_of((said("first"), said("second"))) == "worse"
    assert verdict_of((said("second"), said("first"))) == "better"
    assert verdict_of((said("second"), said("second"))) == "tie"
    assert verdict_of((said("tie"), said("first"))) == "tie"
    assert verdict_of(None) is None
