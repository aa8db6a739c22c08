"""Test suites and runs as a projection, and what a chat that is erased takes along."""

from collections.abc import Callable, Sequence

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.chat.main import PLAYGROUND
from services.chat.queries.runs import RunQueries
from services.chat.queries.suites import SuiteQueries
from shared.adapters.read_model import ReadModel, ReadModelStore
from shared.contracts.base import Event, Recorded
from shared.contracts.chat import ChatErased
from shared.contracts.chat_playground import (
    RunCancelled,
    RunEnded,
    SuiteDeleted,
    SuiteQuestionRemoved,
    SuiteRenamed,
)
from shared.contracts.chat_playground_views import (
    FollowRun,
    GetRun,
    GetSuite,
    ListResults,
    ListRuns,
    ListSuites,
    ListTestQuestions,
)
from shared.kernel.errors import NotFound
from tests.bank.messages import metadata
from tests.integration.replay import ProjectionContract, replay
from tests.unit.chat.samples import USAGE
from tests.unit.chat.testing import SUITE, added, case, result, started, verdict

ENDED = RunEnded(run_id="r1")
FROM_CHAT = added("q3", case=case("Who am I?"), chat_id="c1")


class TestThePlayground(ProjectionContract):
    @pytest.fixture
    def engine(self, engines: Callable[[str], AsyncEngine]) -> AsyncEngine:
        return engines("chat")

    @pytest.fixture
    def model(self) -> ReadModel:
        return PLAYGROUND

    @pytest.fixture
    def events(self) -> Sequence[Event]:
        return (
            SUITE,
            added("q1", case=case("How long?", must=("seven",))),
            added("q2", case=case("How red?")),
            FROM_CHAT,
            SUITE.model_copy(update={"suite_id": "s2", "title": "Gone"}),
            SuiteRenamed(suite_id="s1", title="All guarantees"),
            SuiteDeleted(suite_id="s2"),
            started("q1", "q3", judged=True),
            result("q1", 0, rating_usage=USAGE.model_copy(update={"model": "judge"})),
            result("q1", 1),
            verdict("q1"),
            result("q3", 0, chat_id="c1", answer="You are Ada."),
            result("q3", 1, chat_id="c1", answer="You are Bob."),
            verdict("q3", chat_id="c1"),
            ENDED,
            SuiteQuestionRemoved(suite_id="s1", question_id="q2"),
            started("q1").model_copy(update={"run_id": "r2"}),
            RunCancelled(run_id="r2", reason="cancelled"),
        )

    async def test_shows_suites_and_their_questions(
        self, store: ReadModelStore, past: list[Recorded[Event]], tenant_id: str
    ) -> None:
        await replay(store, past)
        queries, meta = SuiteQueries(store), metadata(tenant_id)
        (suite,) = (await queries.list_suites(ListSuites(bot_profile_id="b1"), meta)).items
        assert (suite.id, suite.title, suite.questions) == ("s1", "All guarantees", 2)
        assert suite == await queries.get_suite(GetSuite(bot_profile_id="b1", suite_id="s1"), meta)
        page = await queries.list_test_questions(ListTestQuestions(suite_id="s1"), meta)
        assert [one.id for one in page.items] == ["q1", "q3"]
        assert page.items[0].case == case("How long?", must=("seven",))
        assert await queries.question_ids(tenant_id, "s1") == ["q1", "q3"]
        cases = await queries.cases(tenant_id, ["q2", "q3"])
        assert cases == {"q2": (case("How red?"), None), "q3": (case("Who am I?"), "c1")}

    async def test_shows_nothing_of_another_bot_or_tenant(
        self,
        store: ReadModelStore,
        past: list[Recorded[Event]],
        tenant_id: str,
        other_tenant_id: str,
    ) -> None:
        await replay(store, past)
        suites, runs = SuiteQueries(store), RunQueries(store)
        for bot, tenant in (("b2", tenant_id), ("b1", other_tenant_id)):
            meta = metadata(tenant)
            with pytest.raises(NotFound):
                await suites.get_suite(GetSuite(bot_profile_id=bot, suite_id="s1"), meta)
            with pytest.raises(NotFound):
                await runs.get_run(GetRun(bot_profile_id=bot, run_id="r1"), meta)
            assert (await runs.list_runs(ListRuns(bot_profile_id=bot), meta)).items == ()
        theirs = metadata(other_tenant_id)
        assert (await runs.list_results(ListResults(run_id="r1"), theirs)).items == ()

    async def test_shows_runs_with_what_they_took(
        self, store: ReadModelStore, past: list[Recorded[Event]], tenant_id: str
    ) -> None:
        await replay(store, past)
        queries, meta = RunQueries(store), metadata(tenant_id)
        page = await queries.list_runs(ListRuns(bot_profile_id="b1", counted=True), meta)
        assert [(one.id, one.status, one.reason) for one in page.items] == [
            ("r2", "cancelled", "cancelled"),
            ("r1", "ended", None),
        ]
        run = page.items[1]
        assert (run.results, run.results_expected, run.verdicts) == (4, 4, 2)
        assert (run.prompt_tokens, run.completion_tokens) == (700, 140)
        assert await queries.running(tenant_id) == 0

    async def test_tells_results_behind_a_position(
        self, store: ReadModelStore, past: list[Recorded[Event]], tenant_id: str
    ) -> None:
        await replay(store, past)
        queries, meta = RunQueries(store), metadata(tenant_id)
        question = FollowRun(bot_profile_id="b1", run_id="r1")
        news = await queries.follow_run(question, meta)
        told = [(one.question_id, one.variant, one.verdict) for one in news.items]
        # What a verdict came for is told again behind it.
        assert told == [("q1", 0, None), ("q1", 1, "better"), ("q3", 0, None), ("q3", 1, "better")]
        assert [one.question for one in news.items[1:3]] == ["How long?", "Who am I?"]
        behind = question.model_copy(update={"behind": news.items[1].position})
        assert len((await queries.follow_run(behind, meta)).items) == 2
        page = await queries.list_results(ListResults(run_id="r1", limit=3, counted=True), meta)
        assert (len(page.items), page.total) == (3, 4)
        rest = ListResults(run_id="r1", after=page.following)
        assert [one.answer for one in (await queries.list_results(rest, meta)).items] == [
            "You are Bob."
        ]

    async def test_forgets_what_is_from_a_chat_that_is_erased(
        self,
        store: ReadModelStore,
        past: list[Recorded[Event]],
        tenant_id: str,
        other_tenant_id: str,
    ) -> None:
        erased = ChatErased(chat_id="c1", erasure_id="e1")
        last = past[-1]
        gone = Recorded(erased, last.metadata, "e", last.sequence + 1)
        await replay(store, [*past, gone])
        suites, runs, meta = SuiteQueries(store), RunQueries(store), metadata(tenant_id)
        assert await suites.question_ids(tenant_id, "s1") == ["q1"]
        (told, _) = (await suites.cases(tenant_id, ["q3"]))["q3"]
        assert told == case("[erased]")
        page = await runs.list_results(ListResults(run_id="r1"), meta)
        assert [one.answer for one in page.items] == [
            *["Seven years [1]."] * 2,
            *["[erased]"] * 2,
        ]
        assert [one.verdict_reason for one in page.items] == ["", "It is right.", "", "[erased]"]
        assert page.items[2].question == "[erased]"
        assert not (
            await runs.list_results(ListResults(run_id="r1"), metadata(other_tenant_id))
        ).items
