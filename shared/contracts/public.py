"""Public events: what the outside may know of the log, over webhooks and the event feed.

A stable subset: ids, names and numbers, never personal text, secrets or internals. Each public
event follows from one event of the log and has its id. Payloads only grow optional fields.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any, ClassVar, Literal

from shared.contracts.analytics import Period, ThresholdReached, Unit
from shared.contracts.base import Event, Message
from shared.contracts.chat import (
    BotProfileCreated,
    BotProfileUpdated,
    FeedbackCleared,
    FeedbackGiven,
    QuestionAnswered,
    QuestionAsked,
    QuestionRefused,
    TurnFailed,
)
from shared.contracts.ingest import (
    IngestionStarted,
    SourceCreated,
    SourceDeleted,
    SourceFailed,
    SourceIngested,
    SourceUnchanged,
    SourceUpdated,
)
from shared.contracts.ingest_stages import SourceUndone
from shared.contracts.ingest_website import CrawlPageVisited
from shared.contracts.webhooks import DisabledReason, WebhookDisabled

ERROR_LIMIT = 500
"""Characters of an error text; the public contract's limit."""


class PublicEvent(Message):
    """A payload. Its type stands beside it, in a header or a field."""

    type: ClassVar[str]


class SourceWasCreated(PublicEvent):
    """A source was created; nothing of it is ingested yet."""

    type: ClassVar[str] = "source.created"
    source_id: str
    bot_profile_id: str
    parent_id: str | None
    source_type: str
    source_name: str


class SourceWasUpdated(PublicEvent):
    """The settings of a source were changed."""

    type: ClassVar[str] = "source.updated"
    source_id: str
    bot_profile_id: str
    source_name: str
    is_active: bool


class SourceWasDeleted(PublicEvent):
    """A source was deleted; it answers no more."""

    type: ClassVar[str] = "source.deleted"
    source_id: str
    bot_profile_id: str
    parent_id: str | None


class SourceWasRestored(PublicEvent):
    """The last change to a source, or its deletion, was undone. If there is an earlier revision to
    answer again, `source.ingested` follows.
    """

    type: ClassVar[str] = "source.restored"
    source_id: str
    parent_id: str | None
    undeleted: bool


class SourceIngestionStarted(PublicEvent):
    """A source is being fetched, read and indexed."""

    type: ClassVar[str] = "source.ingestion_started"
    source_id: str


class SourceWasIngested(PublicEvent):
    """A source is ready: what it holds answers questions from now on."""

    type: ClassVar[str] = "source.ingested"
    source_id: str
    source_name: str
    document_count: int
    chunk_count: int


class SourceWasUnchanged(PublicEvent):
    """A source was fetched again and holds what it held before."""

    type: ClassVar[str] = "source.unchanged"
    source_id: str


class WebsitePageVisited(PublicEvent):
    """The import of a website came past a page: what became of it, and how far the import is."""

    type: ClassVar[str] = "source.page_visited"
    source_id: str
    url: str
    outcome: str
    reason: str | None
    page_source_id: str | None
    """The source that answers for the page."""
    visited: int
    found: int


class SourceHasFailed(PublicEvent):
    """A source could not be ingested; `error` tells why, for people."""

    type: ClassVar[str] = "source.failed"
    source_id: str
    error: str


class BotProfileWasCreated(PublicEvent):
    """A bot was created."""

    type: ClassVar[str] = "bot_profile.created"
    bot_profile_id: str
    bot_name: str


class BotProfileWasUpdated(PublicEvent):
    """The settings of a bot were changed, or it was switched on or off."""

    type: ClassVar[str] = "bot_profile.updated"
    bot_profile_id: str
    bot_name: str
    is_active: bool


class ChatQuestion(PublicEvent):
    """Somebody asked a question."""

    type: ClassVar[str] = "chat.question"
    chat_id: str
    message_id: str
    bot_profile_id: str
    turn_id: str
    new_chat: bool
    draft: bool = False
    """Whether somebody tries unsaved settings of the bot."""


class ChatMessageSent(PublicEvent):
    """A question was answered, or refused because no source holds an answer."""

    type: ClassVar[str] = "chat.message"
    chat_id: str
    message_id: str
    bot_profile_id: str
    turn_id: str
    grounded: bool
    refused: bool
    draft: bool = False
    """Whether somebody tries unsaved settings of the bot."""


class ChatHasFailed(PublicEvent):
    """No answer came; `code` tells why."""

    type: ClassVar[str] = "chat.failed"
    chat_id: str
    bot_profile_id: str
    turn_id: str
    code: str
    retryable: bool


class ChatFeedback(PublicEvent):
    """A reader said what an answer is worth, or took it back."""

    type: ClassVar[str] = "chat.feedback"
    chat_id: str
    message_id: str
    bot_profile_id: str
    feedback: Literal["positive", "negative"] | None


class UsageThreshold(PublicEvent):
    """So much of a budget is used up; told once a period for each threshold."""

    type: ClassVar[str] = "usage.threshold"
    budget_id: str
    bot_profile_id: str | None
    period: Period
    period_start: date
    threshold_percent: int
    used: float
    limit: float
    unit: Unit


class WebhookWasDisabled(PublicEvent):
    """A webhook gets nothing any more: its receiver is gone, or failed for days."""

    type: ClassVar[str] = "webhook.disabled"
    webhook_id: str
    reason: DisabledReason
    failing_since: datetime | None


Translate = Callable[[Any], PublicEvent]


def _source_created(event: SourceCreated) -> SourceWasCreated:
    return SourceWasCreated(
        source_id=event.source_id,
        bot_profile_id=event.bot_profile_id,
        parent_id=event.parent_id,
        source_type=event.source_type,
        source_name=event.settings.name,
    )


def _source_updated(event: SourceUpdated) -> SourceWasUpdated:
    return SourceWasUpdated(
        source_id=event.source_id,
        bot_profile_id=event.bot_profile_id,
        source_name=event.settings.name,
        is_active=event.settings.is_active,
    )


def _source_deleted(event: SourceDeleted) -> SourceWasDeleted:
    return SourceWasDeleted(
        source_id=event.source_id, bot_profile_id=event.bot_profile_id, parent_id=event.parent_id
    )


def _source_undone(event: SourceUndone) -> SourceWasRestored:
    return SourceWasRestored(
        source_id=event.source_id, parent_id=event.parent_id, undeleted=event.undeleted
    )


def _ingestion_started(event: IngestionStarted) -> SourceIngestionStarted:
    return SourceIngestionStarted(source_id=event.source_id)


def _source_ingested(event: SourceIngested) -> SourceWasIngested:
    return SourceWasIngested(
        source_id=event.source_id,
        source_name=event.source_name,
        document_count=event.document_count,
        chunk_count=event.chunk_count,
    )


def _source_unchanged(event: SourceUnchanged) -> SourceWasUnchanged:
    return SourceWasUnchanged(source_id=event.source_id)


def _page_visited(event: CrawlPageVisited) -> WebsitePageVisited:
    return WebsitePageVisited(
        source_id=event.source_id,
        url=event.url,
        outcome=event.outcome,
        reason=None if event.reason is None else event.reason[:ERROR_LIMIT],
        page_source_id=event.child_id,
        visited=event.counts.visited,
        found=event.counts.found,
    )


def _source_failed(event: SourceFailed) -> SourceHasFailed:
    return SourceHasFailed(source_id=event.source_id, error=event.reason[:ERROR_LIMIT])


def _bot_created(event: BotProfileCreated) -> BotProfileWasCreated:
    return BotProfileWasCreated(bot_profile_id=event.bot_profile_id, bot_name=event.settings.name)


def _bot_updated(event: BotProfileUpdated) -> BotProfileWasUpdated:
    return BotProfileWasUpdated(
        bot_profile_id=event.bot_profile_id,
        bot_name=event.settings.name,
        is_active=event.settings.is_active,
    )


def _asked(event: QuestionAsked) -> ChatQuestion:
    return ChatQuestion(
        chat_id=event.chat_id,
        message_id=event.message_id,
        bot_profile_id=event.bot_profile_id,
        turn_id=event.turn_id,
        new_chat=event.first,
        draft=event.draft is not None,
    )


def _answered(event: QuestionAnswered | QuestionRefused) -> ChatMessageSent:
    return ChatMessageSent(
        chat_id=event.chat_id,
        message_id=event.message_id,
        bot_profile_id=event.bot_profile_id,
        turn_id=event.turn_id,
        grounded=isinstance(event, QuestionAnswered) and event.grounded,
        refused=isinstance(event, QuestionRefused),
        draft=event.draft,
    )


def _failed(event: TurnFailed) -> ChatHasFailed:
    return ChatHasFailed(
        chat_id=event.chat_id,
        bot_profile_id=event.bot_profile_id,
        turn_id=event.turn_id,
        code=event.error,
        retryable=event.retryable,
    )


def _feedback(event: FeedbackGiven | FeedbackCleared) -> ChatFeedback:
    return ChatFeedback(
        chat_id=event.chat_id,
        message_id=event.message_id,
        bot_profile_id=event.bot_profile_id,
        feedback=event.feedback if isinstance(event, FeedbackGiven) else None,
    )


def _threshold(event: ThresholdReached) -> UsageThreshold:
    return UsageThreshold(
        budget_id=event.budget_id,
        bot_profile_id=event.bot_profile_id,
        period=event.period,
        period_start=event.period_start,
        threshold_percent=event.threshold,
        used=event.used,
        limit=event.limit,
        unit=event.unit,
    )


def _disabled(event: WebhookDisabled) -> WebhookWasDisabled:
    return WebhookWasDisabled(
        webhook_id=event.webhook_id, reason=event.reason, failing_since=event.failing_since
    )


TRANSLATIONS: Mapping[type[Event], tuple[type[PublicEvent], Translate]] = {
    SourceCreated: (SourceWasCreated, _source_created),
    SourceUpdated: (SourceWasUpdated, _source_updated),
    SourceDeleted: (SourceWasDeleted, _source_deleted),
    SourceUndone: (SourceWasRestored, _source_undone),
    IngestionStarted: (SourceIngestionStarted, _ingestion_started),
    SourceIngested: (SourceWasIngested, _source_ingested),
    SourceUnchanged: (SourceWasUnchanged, _source_unchanged),
    CrawlPageVisited: (WebsitePageVisited, _page_visited),
    SourceFailed: (SourceHasFailed, _source_failed),
    BotProfileCreated: (BotProfileWasCreated, _bot_created),
    BotProfileUpdated: (BotProfileWasUpdated, _bot_updated),
    QuestionAsked: (ChatQuestion, _asked),
    QuestionAnswered: (ChatMessageSent, _answered),
    QuestionRefused: (ChatMessageSent, _answered),
    TurnFailed: (ChatHasFailed, _failed),
    FeedbackGiven: (ChatFeedback, _feedback),
    FeedbackCleared: (ChatFeedback, _feedback),
    ThresholdReached: (UsageThreshold, _threshold),
    WebhookDisabled: (WebhookWasDisabled, _disabled),
}
"""By the event of the log: what the outside sees of it."""
PUBLIC_TYPES: Mapping[str, type[PublicEvent]] = {
    shape.type: shape for shape, _ in TRANSLATIONS.values()
}
"""Every public type, and the shape of its payload."""


def public_event(event: Event) -> PublicEvent | None:
    """What the outside may know of `event`; None: nothing."""
    found = TRANSLATIONS.get(type(event))
    return None if found is None else found[1](event)


def events_behind(types: tuple[str, ...] | None = None) -> list[type[Event]]:
    """The events of the log that become these public types; all of them, if none are named."""
    return [
        event for event, (shape, _) in TRANSLATIONS.items() if types is None or shape.type in types
    ]
