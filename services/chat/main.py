"""Composition root of chat. Read this first: it lists every way in."""

import asyncio
from contextlib import AsyncExitStack
from functools import partial

from services.chat.adapters import lexical
from services.chat.adapters.answer_memory import RecentAnswers
from services.chat.adapters.assistant import ModelAssistant
from services.chat.adapters.judge import ModelJudge
from services.chat.adapters.models import LanguageModels
from services.chat.adapters.opening import (
    embedding_models,
    language_models,
    reranker,
    vector_indexes,
)
from services.chat.adapters.query_embedder import BotEmbedder
from services.chat.adapters.reranking import RerankingRetriever
from services.chat.adapters.retriever import AnsweringRows, HybridRetriever
from services.chat.adapters.shadow_retriever import ShadowRetriever
from services.chat.adapters.stops import StopSignals
from services.chat.domain.bot_index import bot_index_decider
from services.chat.domain.bots import bot_decider
from services.chat.domain.chats import chat_decider
from services.chat.domain.index import index_decider
from services.chat.domain.runs import run_decider
from services.chat.domain.shadow_index import ShadowIndex
from services.chat.domain.suites import suite_decider
from services.chat.handlers import CheckBot, CheckChat, CheckPlayground, answer_made
from services.chat.ports import Retriever
from services.chat.projections.bots import Bots
from services.chat.projections.chats import Chats
from services.chat.projections.flushing import indexing
from services.chat.projections.playground import Playground
from services.chat.projections.spending import SpendingRows
from services.chat.queries.bot_index import BotIndexQueries
from services.chat.queries.bots import BotQueries
from services.chat.queries.chats import ChatQueries
from services.chat.queries.erasing import ErasureQueries
from services.chat.queries.index import IndexQueries
from services.chat.queries.playground import PlaygroundQueries
from services.chat.queries.providers import ProviderQueries
from services.chat.queries.replays import ReplayQueries
from services.chat.queries.retrieval import RetrievalQueries
from services.chat.queries.runs import RunQueries
from services.chat.queries.shadow_indexes import ShadowIndexQueries
from services.chat.queries.shadow_plans import ShadowPlans
from services.chat.queries.spending import SpendingQueries
from services.chat.queries.suites import SuiteQueries
from services.chat.queries.turns import TurnQueries
from services.chat.reactions.answering import AnswerQuestion, StopAnswering
from services.chat.reactions.erasing import DestroyKeyFirst, EndErased, EraseChats
from services.chat.reactions.indexing import FEW, TellIndexed
from services.chat.reactions.prompting import Prompting
from services.chat.reactions.reindexing import (
    EndReindex,
    ReindexBot,
    RetireReplaced,
    SwitchWhenWhole,
)
from services.chat.reactions.remembering import RememberAnswers
from services.chat.reactions.replaying import Replays
from services.chat.reactions.running import RetrieverOf, RunTests
from services.chat.reactions.shadow_indexes import AskWhenWhole, EndIncomplete, EndWithBot
from services.chat.reactions.spending import Purse
from services.chat.reactions.trying import TryQuestion
from services.chat.settings import Settings
from services.chat.tables import (
    bots_metadata,
    chats_metadata,
    index_metadata,
    playground_metadata,
    spending_metadata,
)
from shared.adapters import language, minilm, static_embedder
from shared.adapters.frames import FrameChannel
from shared.adapters.memo import Memo
from shared.adapters.read_model import ReadModel, ReadModelStore
from shared.adapters.vault import Vault
from shared.contracts.analytics import BudgetCreated, BudgetDeleted, BudgetUpdated
from shared.contracts.chat import (
    AskQuestion,
    BotProfileCreated,
    BotProfileUpdated,
    ChatErased,
    CreateBotProfile,
    DeactivateBotProfile,
    GetBotProfile,
    GetTurn,
    ListBotProfiles,
    QuestionAnswered,
    QuestionAsked,
    QuestionRefused,
    SetFeedback,
    StopTurn,
    TurnStopRequested,
    UpdateBotProfile,
)
from shared.contracts.chat_history import (
    CountChats,
    CountChatsOfVisitor,
    CountOldChats,
    GetChat,
    GetMessage,
    GetReplayed,
    ListChats,
    ListMessages,
)
from shared.contracts.chat_index import (
    GetBotIndex,
    IndexSwitched,
    PrepareReindex,
    ReindexStarted,
    RetryReindex,
)
from shared.contracts.chat_playground import (
    AddQuestions,
    CancelRun,
    CreateSuite,
    DeleteSuite,
    RemoveQuestion,
    RenameSuite,
    ResultRecorded,
    RunCancelled,
    RunContinued,
    RunEnded,
    RunStarted,
    StartRun,
    VerdictRecorded,
)
from shared.contracts.chat_playground_views import (
    CompareRun,
    EstimateRun,
    FollowRun,
    GetAsked,
    GetBotVersion,
    GetRun,
    GetSuite,
    ListBotVersions,
    ListResults,
    ListRuns,
    ListSuites,
    ListTestQuestions,
    PrepareRun,
)
from shared.contracts.chat_providers import TryProvider
from shared.contracts.chat_retrieval import FindBotProfile, GetCitation, Retrieve
from shared.contracts.gateway_erasure import ErasureRequested
from shared.contracts.ingest import SourceDeleted, SourcePrepared, SourceUpdated
from shared.contracts.ingest_shadow import ShadowFailed, ShadowPrepared
from shared.contracts.ingest_shadow_parts import PartFailed, PartPrepared
from shared.runtime.erasing import EndTenant, Together, take_part
from shared.runtime.ordering import order
from shared.runtime.platform import Platform
from shared.runtime.service import Service

__all__ = ["Settings", "build"]

RUNS_AT_ONCE = 4
"""Runs of all tenants that one process works on at a time."""
BOTS = ReadModel(
    service="chat",
    name="bots",
    version=7,
    tables=bots_metadata,
    owns={"bot_profile": bot_decider},
    projection=Bots(),
)
CHATS = ReadModel(
    service="chat",
    name="chats",
    version=7,
    tables=chats_metadata,
    owns={"chat": chat_decider},
    projection=Chats(),
    erased=("chat", "visitor", "retention"),
)
SPENDING = ReadModel(
    service="chat",
    name="spending",
    version=2,
    tables=spending_metadata,
    owns={},
    projection=SpendingRows(),
    listens=[
        (event.aggregate, event.name)
        for event in (
            BudgetCreated,
            BudgetUpdated,
            BudgetDeleted,
            QuestionAnswered,
            QuestionRefused,
            ResultRecorded,
            VerdictRecorded,
        )
    ],
)
PLAYGROUND = ReadModel(
    service="chat",
    name="playground",
    version=1,
    tables=playground_metadata,
    owns={"test_suite": suite_decider, "test_run": run_decider},
    projection=Playground(),
    listens=[(ChatErased.aggregate, ChatErased.name)],
    erased=("chat", "visitor", "retention"),
)


async def build(settings: Settings, platform: Platform, stack: AsyncExitStack) -> Service:
    """The service, not yet running."""
    indexes = vector_indexes(settings, stack)
    index_model = ReadModel(
        service="chat",
        name="index",
        version=5,
        tables=index_metadata,
        owns={"retrieval_index": index_decider, "bot_index": bot_index_decider},
        projection=indexing(indexes, platform.blobs, lexical),
        listens=[
            (event.aggregate, event.name)
            for event in (
                *(SourcePrepared, SourceUpdated, SourceDeleted, ShadowPrepared),
                *(PartPrepared, RunStarted, RunEnded, RunCancelled),
            )
        ],
    )
    service = Service(platform)
    bots, chats, spending, index = (
        *(service.keeps(model) for model in (BOTS, CHATS, SPENDING)),
        # Whoever took a source away does not expect the next answer to be made of it.
        service.keeps(index_model, awaited=True),
    )
    bot_queries, chat_queries = BotQueries(bots), ChatQueries(chats)
    _takes_questions(service, platform.vault, chats, bot_queries)
    service.takes(index, [RetryReindex])

    turn_queries, index_queries = TurnQueries(chats, platform.blobs), IndexQueries(index)
    _tells(service, bot_queries, chat_queries, turn_queries)

    models = await language_models(settings, stack)
    embedding = await embedding_models(settings, stack)
    questions = BotEmbedder(embedding, bot_queries, platform.vault.get)
    rerank = await reranker(settings, stack)

    def retrieving(rows: AnsweringRows) -> Retriever:
        hybrid = HybridRetriever(indexes, rows, questions)
        return RerankingRetriever(hybrid, rerank, bot_queries, platform.vault.get)

    retriever, shadows = retrieving(index_queries), ShadowIndexQueries(index)

    def in_shadow(one: ShadowIndex) -> Retriever:
        return ShadowRetriever(retrieving(shadows.of(one)), indexes, shadows, one)

    _shows(service, platform, bot_queries, retriever, models)

    stops = StopSignals(platform.client)
    spending_queries = SpendingQueries(spending)
    _follow(service, platform, bot_queries.memo, index_queries.memo, spending_queries.memo)
    answer = AnswerQuestion(
        execute=service.execute,
        current=service.current,
        newest=platform.event_log.last_sequence_of,
        bots=bot_queries,
        chats=turn_queries,
        retriever=retriever,
        hosts=index_queries.hosts,
        model=models,
        assistant=ModelAssistant(models),
        purse=Purse(spending_queries, service.shown("spending")),
        frames=FrameChannel(platform.client),
        secret=platform.vault.get,
        detect=language.detect,
        stops=stops,
        answers=RememberAnswers(RecentAnswers(), turn_queries),
        replays=_replays(service, platform, chats, turn_queries),
        precedence=platform.neighbours.precedence,
    )
    service.reacts(
        "answer-question",
        [QuestionAsked],
        answer,
        awaited=True,
        concurrency=settings.turns_at_once,
        attempts=4,
        given_up=answer.given_up,
    )
    stop = StopAnswering(stops)
    service.reacts("stop-answering", [TurnStopRequested], stop, attempts=4, awaited=True)
    tell = TellIndexed(service.execute, service.shown("index"))
    service.reacts("tell-indexed", [SourcePrepared], tell, concurrency=FEW, given_up=tell.given_up)

    _erases(service, platform, chats, stops)
    begin = ReindexBot(
        execute=service.execute,
        current=service.current,
        secret=platform.vault.get,
        effective=embedding.effective,
        bundled=static_embedder.MODEL,
    )
    plans = ShadowPlans(begin.wanted, static_embedder.MODEL)
    tests = _tests(service, bots, turn_queries, answer, models, plans, in_shadow)
    take_part(service, bots, chats, index, spending, tests, end_tenant=_index_anew(service))
    _reindexes(service, begin, bot_queries, index_queries)
    _shadow_indexes(service, shadows)

    async def drop_unused() -> None:
        index_queries.memo.clear()
        found = await indexes.names()  # the engine first: a row is there before its vector index
        used = await index_queries.collection_names() | await shadows.collection_names()
        for name in found - used:
            await indexes.drop(name)

    async def same_engine() -> None:
        """Rows may point to an index whose files were lost: then it is made anew."""
        if not await index_queries.collection_names() <= await indexes.names():
            await service.rebuild("index")
        await drop_unused()

    service.after_rebuild("index", drop_unused)
    service.starts(same_engine)
    service.starts(_load)
    service.starts(stops.follow)
    service.depends("qdrant", indexes.state)
    return service


def _takes_questions(
    service: Service, vault: Vault, chats: ReadModelStore, bots: BotQueries
) -> None:
    """The ways into chats."""
    bot = partial(service.current, "bot_profile", memo=bots.memo)
    check = CheckChat(service.current, bot, ChatQueries(chats).get_message)
    commands = (AskQuestion, StopTurn, SetFeedback)
    before = DestroyKeyFirst(vault)
    service.takes(chats, commands, check=check, before=before, made=answer_made)


def _tells(
    service: Service, bot_queries: BotQueries, chat_queries: ChatQueries, turn_queries: TurnQueries
) -> None:
    """The ways to see bots, and what was said."""
    service.answers(GetBotProfile, bot_queries.get_bot_profile, bot_queries.memo)
    service.answers(FindBotProfile, bot_queries.find_bot_profile, bot_queries.memo)
    service.answers(ListBotProfiles, bot_queries.list_bot_profiles, bot_queries.memo)
    service.answers(GetChat, chat_queries.get_chat)
    service.answers(ListChats, chat_queries.list_chats)
    service.answers(CountChats, chat_queries.count_chats)
    service.answers(ListMessages, chat_queries.list_messages)
    service.answers(GetMessage, chat_queries.get_message)
    service.answers(GetTurn, turn_queries.get_turn)
    service.answers(GetCitation, turn_queries.get_citation)


def _shows(
    service: Service,
    platform: Platform,
    bots: BotQueries,
    retriever: Retriever,
    models: LanguageModels,
) -> None:
    """The ways to see what a bot would do, without having it answer."""
    retrieval = RetrievalQueries(bots, retriever, language.detect)
    service.answers(Retrieve, retrieval.retrieve)
    trials = ProviderQueries(bots, models, platform.vault.get, platform.vault.open)
    service.answers(TryProvider, trials.try_provider)


def _follow(service: Service, platform: Platform, *memos: Memo) -> None:
    """What a turn reads and hardly any event changes is kept between turns."""
    for memo in memos:
        service.starts(partial(memo.follow, platform.client))


def _replays(
    service: Service, platform: Platform, chats: ReadModelStore, turns: TurnQueries
) -> Replays:
    """The way into past turns."""
    replayed = ReplayQueries(chats, turns, platform.event_log.at, platform.blobs)
    service.answers(GetReplayed, replayed.get_replayed)
    return Replays(service.execute, service.current, replayed)


async def _load() -> None:
    """Read what every question needs, so that the first one does not hold up the event loop."""
    await asyncio.to_thread(language.load)
    await asyncio.to_thread(static_embedder.load)


def _tests(
    service: Service,
    kept: ReadModelStore,
    turns: TurnQueries,
    answer: AnswerQuestion,
    models: LanguageModels,
    plans: ShadowPlans,
    in_shadow: RetrieverOf,
) -> ReadModelStore:
    """The ways into bots, which runs prove, test suites and runs; and what keeps the latter."""
    store, bots = service.keeps(PLAYGROUND), BotQueries(kept)
    suites, runs = SuiteQueries(store), RunQueries(store)
    check = CheckPlayground(service.current, runs.running)
    suite_commands = (CreateSuite, RenameSuite, DeleteSuite, AddQuestions, RemoveQuestion)
    service.takes(store, [*suite_commands, StartRun, CancelRun], check=check)
    service.answers(GetSuite, suites.get_suite)
    service.answers(ListSuites, suites.list_suites)
    service.answers(ListTestQuestions, suites.list_test_questions)
    service.answers(GetAsked, turns.get_asked)
    service.answers(GetRun, runs.get_run)
    service.answers(ListRuns, runs.list_runs)
    service.answers(ListResults, runs.list_results)
    service.answers(FollowRun, runs.follow_run)
    prompting = Prompting(answer.hosts, answer.secret)
    sums = PlaygroundQueries(bots, suites, runs, models, models.generates, prompting.task, plans)
    check_bot = CheckBot(_missing(), sums)
    service.takes(kept, [CreateBotProfile, UpdateBotProfile, DeactivateBotProfile], check=check_bot)
    service.answers(GetBotVersion, bots.get_bot_version)
    service.answers(ListBotVersions, sums.list_bot_versions)
    service.answers(PrepareRun, sums.prepare_run)
    service.answers(EstimateRun, sums.estimate_run)
    service.answers(CompareRun, sums.compare_run)
    run = RunTests(
        execute=service.execute,
        current=service.current,
        versions=bots,
        tests=suites,
        answers=runs,
        attempt=TryQuestion(answer.retriever, prompting, models, answer.assistant, answer.detect),
        model=models,
        judge=ModelJudge(models),
        prompting=prompting,
        purse=answer.purse,
        shadow=in_shadow,
    )
    service.reacts(
        "run-tests",
        [RunStarted, RunContinued],
        run,
        concurrency=RUNS_AT_ONCE,
        given_up=run.given_up,
    )
    return store


def _erases(
    service: Service, platform: Platform, chats: ReadModelStore, stops: StopSignals
) -> None:
    """The ways into erasing chats."""
    queries = ErasureQueries(chats)
    service.answers(CountChatsOfVisitor, queries.count_of_visitor)
    service.answers(CountOldChats, queries.count_old)
    frames, shown = FrameChannel(platform.client), service.shown("chats")
    erase = EraseChats(service.execute, partial(order, platform), queries, frames, shown)
    service.reacts("erase-chats", [ErasureRequested], erase)
    service.reacts("end-erased", [ChatErased], EndErased(stops, frames))


def _missing() -> frozenset[str]:
    """Embedding models of the product's own that this installation does not have."""
    return frozenset() if minilm.is_installed() else frozenset({minilm.MODEL})


def _index_anew(service: Service) -> EndTenant:
    """An engine keeps the bytes of points that were taken out; an index made anew has none."""
    rebuild = Together(partial(service.rebuild, "index"))

    async def end_tenant(_tenant_id: str) -> None:
        await rebuild()

    return end_tenant


def _reindexes(service: Service, begin: ReindexBot, bots: BotQueries, rows: IndexQueries) -> None:
    """The ways into the indexes of bots."""
    service.reacts("reindex-bot", [BotProfileCreated, BotProfileUpdated], begin)
    shown = service.shown("index")
    switch = SwitchWhenWhole(service.execute, rows, shown)
    service.reacts("switch-index", [ReindexStarted, ShadowPrepared, SourceDeleted], switch)
    service.reacts("retire-index", [IndexSwitched], RetireReplaced(service.execute, shown))
    service.reacts("end-reindex", [ShadowFailed], EndReindex(service.execute))
    queries = BotIndexQueries(bots, rows, service.current, begin.wanted, _missing())
    service.answers(GetBotIndex, queries.get_bot_index)
    service.answers(PrepareReindex, queries.prepare_reindex)


def _shadow_indexes(service: Service, rows: ShadowIndexQueries) -> None:
    """The ways into what runs ask beside the indexes of bots."""
    ask = AskWhenWhole(service.execute, rows, service.shown("index"))
    service.reacts("ask-when-whole", [RunStarted, PartPrepared, SourceDeleted], ask)
    service.reacts("end-incomplete", [PartFailed], EndIncomplete(service.execute))
    end = EndWithBot(service.execute, rows)
    service.reacts("end-runs-with-bot", [BotProfileUpdated], end)
