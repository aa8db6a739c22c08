"""What an archive leaves open: its installation was at work when it was made."""

from collections.abc import Iterator

from shared.contracts.base import Event
from shared.contracts.chat import (
    ChatErased,
    QuestionAnswered,
    QuestionAsked,
    QuestionRefused,
    TurnFailed,
)
from shared.contracts.chat_index import (
    IndexSwitched,
    ReindexCancelled,
    ReindexFailed,
    ReindexStarted,
)
from shared.contracts.chat_playground import RunCancelled, RunEnded, RunStarted
from shared.contracts.gateway import (
    ApiTokenIssued,
    ApiTokenRevoked,
    UserCreated,
    UserDeactivated,
    UserErased,
    UserReactivated,
    UserUpdated,
)
from shared.contracts.ingest import (
    IngestionRequested,
    SourceCreated,
    SourceDeleted,
    SourceFailed,
    SourceIngested,
    SourceSettings,
    SourceUnchanged,
    SourceUpdated,
)
from shared.contracts.ingest_stages import SourceUndone
from shared.contracts.ingest_website import (
    CrawlBegun,
    CrawlCancelled,
    CrawlCounts,
    CrawlFinished,
    CrawlPagesFound,
    CrawlPagesRetired,
    CrawlPageVisited,
)

REASON = "The tenant was taken to another installation meanwhile. Start it again."


class Unfinished:
    """Folds events; holds no more than what is open."""

    def __init__(self) -> None:
        self._turns: dict[str, TurnFailed] = {}
        self._runs: dict[str, str] = {}
        self._crawls: dict[str, tuple[str, CrawlCounts]] = {}
        self._reindexes: dict[str, ReindexStarted] = {}
        self._tests: dict[str, RunCancelled] = {}
        self._tokens: dict[str, ApiTokenRevoked] = {}
        self._refreshed: dict[str, tuple[str, SourceSettings]] = {}
        self._gone: set[str] = set()
        self._owners: dict[str, bool] = {}

    def see(self, event: Event) -> None:
        """Take an event in."""
        self._chat(event)
        self._source(event)
        self._crawl(event)
        self._people(event)

    def ends(self) -> Iterator[Event]:
        """How it ends here: nobody goes on with it, and no credential opens anything."""
        yield from self._turns.values()
        yield from self._tests.values()
        for source_id, run_id in self._runs.items():
            yield SourceFailed(source_id=source_id, run_id=run_id, reason=REASON)
        for source_id, (run_id, counts) in self._crawls.items():
            yield CrawlCancelled(source_id=source_id, run_id=run_id, counts=counts)
        for started in self._reindexes.values():
            yield ReindexCancelled(
                bot_profile_id=started.bot_profile_id, generation=started.generation
            )
        yield from self._tokens.values()

    def restated(self) -> Iterator[SourceUpdated]:
        """Settings that are to be followed from now on, as schedules do."""
        for source_id, (bot_profile_id, settings) in self._refreshed.items():
            if source_id not in self._gone:
                yield SourceUpdated(
                    source_id=source_id,
                    bot_profile_id=bot_profile_id,
                    settings=settings,
                    changed=(),
                )

    def owner(self) -> str | None:
        """A user who may do everything."""
        return next((user_id for user_id, active in self._owners.items() if active), None)

    def _chat(self, event: Event) -> None:
        match event:
            case QuestionAsked():
                self._turns[event.turn_id] = TurnFailed(
                    chat_id=event.chat_id,
                    turn_id=event.turn_id,
                    bot_profile_id=event.bot_profile_id,
                    error="interrupted",
                    detail=REASON,
                    retryable=True,
                    status=503,
                )
            case QuestionAnswered() | QuestionRefused() | TurnFailed():
                self._turns.pop(event.turn_id, None)
            case ChatErased():
                for turn_id in event.open_turns:
                    self._turns.pop(turn_id, None)
            case RunStarted():
                self._tests[event.run_id] = RunCancelled(run_id=event.run_id, reason=REASON)
            case RunEnded() | RunCancelled():
                self._tests.pop(event.run_id, None)
            case ReindexStarted():
                self._reindexes[event.bot_profile_id] = event
            case IndexSwitched() | ReindexCancelled() | ReindexFailed():
                self._reindexes.pop(event.bot_profile_id, None)
            case _:
                pass

    def _source(self, event: Event) -> None:
        match event:
            case IngestionRequested() | SourceUndone(restored=int()):
                self._runs[event.source_id] = event.run_id
            case SourceIngested() | SourceFailed() | SourceUnchanged():
                self._runs.pop(event.source_id, None)
            case SourceDeleted():
                self._runs.pop(event.source_id, None)
                self._gone.add(event.source_id)
            case SourceCreated() | SourceUpdated():
                settings = event.settings
                if settings.refresh_cron or settings.refresh_schedule not in (None, "none"):
                    self._refreshed[event.source_id] = (event.bot_profile_id, settings)
                else:
                    self._refreshed.pop(event.source_id, None)
            case _:
                pass
        if isinstance(event, SourceUndone) and event.undeleted:
            self._gone.discard(event.source_id)

    def _crawl(self, event: Event) -> None:
        match event:
            case CrawlBegun():
                self._crawls[event.source_id] = (event.run_id, CrawlCounts())
            case CrawlPagesFound() | CrawlPageVisited() | CrawlPagesRetired():
                if event.source_id in self._crawls:
                    self._crawls[event.source_id] = (event.run_id, event.counts)
            case CrawlFinished() | CrawlCancelled():
                self._crawls.pop(event.source_id, None)
            case _:
                pass

    def _people(self, event: Event) -> None:
        match event:
            case ApiTokenIssued():
                self._tokens[event.token_id] = ApiTokenRevoked(
                    token_id=event.token_id, token_hash=event.token_hash
                )
            case ApiTokenRevoked():
                self._tokens.pop(event.token_id, None)
            case UserCreated(role="owner"):
                self._owners[event.user_id] = True
            case UserUpdated(role="owner"):
                self._owners.setdefault(event.user_id, True)
            case UserUpdated(role="admin" | "member") | UserErased():
                self._owners.pop(event.user_id, None)
            case UserDeactivated() | UserReactivated():
                if event.user_id in self._owners:
                    self._owners[event.user_id] = isinstance(event, UserReactivated)
            case _:
                pass
