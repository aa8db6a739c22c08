"""Messages of the chat service: bots, conversations and the retrieval index."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from shared.contracts.base import (
    Command,
    Event,
    Keyed,
    Message,
    Page,
    PagedQuestion,
    Personal,
    Question,
)
from shared.contracts.chat_citations import Citation, SourceHit
from shared.contracts.chat_index import ChunkSettings
from shared.contracts.chat_replay import Replay

PersonalText = Annotated[str, Personal()]
Feedback = Literal["positive", "negative"]


class BotSettings(ChunkSettings):
    """What an owner can change about a bot."""

    name: str
    description: str = ""
    model: str = "gpt-4o-mini"
    embedding_model: str | None = None
    system_prompt: str = "You are a helpful assistant."
    temperature: float = Field(default=0.7, ge=0, le=2)
    max_tokens: int = Field(default=1024, ge=1, le=128_000)
    credentials_ref: str | None = None
    """Where in the vault the provider credentials lie."""
    is_active: bool = True
    floor: float | None = Field(default=None, ge=0, le=1)
    """Evidence below which the bot refuses; None: what was measured for the embedding model."""
    refusal_text: str | None = None
    """How the bot says that it does not know; None: a sentence in the question's language."""
    check_claims: bool = False
    """Whether a model checks that the cited passages support the answer; one more call a turn."""
    fallback_models: Annotated[tuple[str, ...], Field(max_length=3)] = ()
    """Asked in turn when the model fails before its first word."""
    link_hosts: Annotated[tuple[str, ...], Field(max_length=50)] = ()
    """Besides its sources' hosts, those that answers may link to; `*.example.com`: all below."""
    cache_answers: bool = False
    """Whether an answer is given again to the same question, while its sources stay as they are."""
    rerank_model: str | None = None
    """Puts the best passages in order, at `rerank_api_base` of the credentials; None: nobody."""
    top_k: int | None = Field(default=None, ge=1, le=20)
    """Passages that the model gets at most; None: five."""
    lexical_weight: float | None = Field(default=None, ge=0, le=1)
    """Weight of the lexical ranking in the fused one, the dense ranking has the rest; None: what
    was measured for the embedding model."""
    gate_suite_id: str | None = None
    """What shapes answers is then published only by a run of this suite without a loss."""


class BotProfileMessage(Keyed):
    aggregate: ClassVar[str] = "bot_profile"
    bot_profile_id: str

    @property
    @override
    def aggregate_id(self) -> str:
        return self.bot_profile_id


class CreateBotProfile(BotProfileMessage, Command):
    verb: ClassVar[str] = "create"
    settings: BotSettings


class Publication(Message):
    """Why the settings became what they are."""

    reason: str = ""
    run_id: str | None = None
    """The run that proved it, by this variant."""
    variant: int | None = None
    restores: int | None = None
    """The version whose settings these are again."""


class UpdateBotProfile(BotProfileMessage, Command):
    """Change the named fields of `BotSettings`, leave the others."""

    verb: ClassVar[str] = "update"
    changes: Mapping[str, Any]
    of_version: int | None = None
    """Only if the settings are still those of this version."""
    publication: Publication | None = None


class DeactivateBotProfile(BotProfileMessage, Command):
    verb: ClassVar[str] = "deactivate"


class BotProfileCreated(BotProfileMessage, Event):
    name: ClassVar[str] = "created"
    settings: BotSettings


class BotProfileUpdated(BotProfileMessage, Event):
    """The settings as they are from now on."""

    name: ClassVar[str] = "updated"
    settings: BotSettings
    publication: Publication | None = None


BotProfileCommand = CreateBotProfile | UpdateBotProfile | DeactivateBotProfile
BotProfileEvent = BotProfileCreated | BotProfileUpdated


class Usage(Message):
    """Tokens of one turn, by the count of the model that answered."""

    model: str
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


class Timings(Message):
    """Milliseconds from the start of the attempt that answered."""

    retrieval_ms: float = 0
    first_token_ms: float | None = None
    total_ms: float = 0


class ChatMessage(Keyed):
    aggregate: ClassVar[str] = "chat"
    chat_id: str

    @property
    @override
    def aggregate_id(self) -> str:
        return self.chat_id

    @property
    @override
    def data_subject(self) -> str:
        return f"chat/{self.chat_id}"


class Said(Message):
    """One message of a conversation."""

    role: Literal["user", "assistant"]
    content: str


PersonalTalk = Annotated[tuple[Said, ...], Personal(erased=())]


class ChatScope(Message):
    """The chats that somebody may see who is bound to one bot: those begun in the same way."""

    bot_profile_id: str
    visitor_id: str | None = None
    token_id: str | None = None


class AskQuestion(ChatMessage, Command):
    """Ask, in a new chat or one that exists. The command's id is the turn's id."""

    verb: ClassVar[str] = "ask"
    turn_id: str
    bot_profile_id: str
    new_chat: bool
    question: PersonalText
    before: PersonalTalk = ()
    """What was said before, where the client keeps the conversation."""
    visitor_id: str | None = None
    """Who asks in a web page. It can go on with its own chats only."""
    token_id: str | None = None
    """The token that asks, if that is bound to the bot. It can go on with its own chats only."""
    draft: Mapping[str, Any] | None = None
    replays: Replay | None = None


class RecordAnswer(ChatMessage, Command):
    verb: ClassVar[str] = "record_answer"
    turn_id: str
    answer: PersonalText
    grounded: bool
    citations: tuple[Citation, ...]
    usage: Usage
    timings: Timings
    support: float | None = None
    """Share of the cited claims that their passages support; None: not checked."""
    stopped: bool = False
    leaked: bool = False
    bot_version: int | None = None


class StopTurn(ChatMessage, Command):
    """End the answer where it is, and keep what was said."""

    verb: ClassVar[str] = "stop"
    turn_id: str


class RecordRefusal(ChatMessage, Command):
    verb: ClassVar[str] = "record_refusal"
    turn_id: str
    answer: PersonalText
    reason: str
    best_score: float
    usage: Usage
    timings: Timings
    bot_version: int | None = None


class RecordFailedTurn(ChatMessage, Command):
    verb: ClassVar[str] = "record_failed_turn"
    turn_id: str
    error: str
    detail: str
    retryable: bool
    status: int = 502
    retry_after: float | None = None


class SetFeedback(ChatMessage, Command):
    """What a reader thinks of an answer; None takes it back."""

    verb: ClassVar[str] = "set_feedback"
    message_id: str
    feedback: Feedback | None


class EraseChat(ChatMessage, Command):
    verb: ClassVar[str] = "erase"
    erasure_id: str


class QuestionAsked(ChatMessage, Event):
    """The first of a chat begins it."""

    name: ClassVar[str] = "question_asked"
    turn_id: str
    bot_profile_id: str
    message_id: str
    first: bool
    question: PersonalText
    before: PersonalTalk = ()
    visitor_id: str | None = None
    token_id: str | None = None
    draft: Mapping[str, Any] | None = None
    """Fields of `BotSettings` as they were tried; None: the bot answers as it is."""
    replays: Replay | None = None
    """A past turn that is tried again; its chat takes this one along when it is erased."""


class QuestionAnswered(ChatMessage, Event):
    name: ClassVar[str] = "answered"
    turn_id: str
    bot_profile_id: str
    message_id: str
    answer: PersonalText
    grounded: bool
    citations: tuple[Citation, ...]
    usage: Usage
    timings: Timings
    support: float | None = None
    stopped: bool = False
    """Whether it was ended before its end; the usage is then an estimate."""
    leaked: bool = False
    """Whether it was ended because the model began to tell the prompt itself."""
    draft: bool = False
    """Whether unsaved settings were tried: it is paid for, and is no visitor's answer."""
    bot_version: int | None = None


class TurnStopRequested(ChatMessage, Event):
    """Whoever answers ends the answer where it is."""

    name: ClassVar[str] = "stop_requested"
    turn_id: str


class QuestionRefused(ChatMessage, Event):
    """The knowledge base holds no answer, and the bot said so."""

    name: ClassVar[str] = "refused"
    turn_id: str
    bot_profile_id: str
    message_id: str
    answer: PersonalText
    reason: str
    best_score: float
    usage: Usage
    timings: Timings
    draft: bool = False
    """Whether unsaved settings were tried."""
    bot_version: int | None = None


class TurnFailed(ChatMessage, Event):
    """The question stays; no answer came. `detail` is fit for a visitor's eyes."""

    name: ClassVar[str] = "failed"
    turn_id: str
    bot_profile_id: str
    error: str
    detail: str
    retryable: bool
    status: int = 502
    retry_after: float | None = None


class FeedbackGiven(ChatMessage, Event):
    name: ClassVar[str] = "feedback_given"
    bot_profile_id: str
    message_id: str
    feedback: Feedback
    previous: Feedback | None = None


class FeedbackCleared(ChatMessage, Event):
    name: ClassVar[str] = "feedback_cleared"
    bot_profile_id: str
    message_id: str
    previous: Feedback


class ChatErased(ChatMessage, Event):
    """The chat's key is destroyed; what is left are ids and numbers."""

    name: ClassVar[str] = "erased"
    erasure_id: str
    open_turns: tuple[str, ...] = ()


TurnCommand = RecordAnswer | StopTurn | RecordRefusal | RecordFailedTurn
ChatCommand = AskQuestion | TurnCommand | SetFeedback | EraseChat
ChatEvent = (
    QuestionAsked
    | QuestionAnswered
    | TurnStopRequested
    | QuestionRefused
    | TurnFailed
    | FeedbackGiven
    | FeedbackCleared
    | ChatErased
)


class RetrievalIndexMessage(Keyed):
    """The index of one source."""

    aggregate: ClassVar[str] = "retrieval_index"
    source_id: str

    @property
    @override
    def aggregate_id(self) -> str:
        return self.source_id


class RecordIndexBuilt(RetrievalIndexMessage, Command):
    verb: ClassVar[str] = "record_built"
    run_id: str
    revision: int
    points: int


class IndexBuilt(RetrievalIndexMessage, Event):
    """All chunks of a revision are in the index and flushed."""

    name: ClassVar[str] = "built"
    run_id: str
    revision: int
    points: int


class RecordIndexFailed(RetrievalIndexMessage, Command):
    verb: ClassVar[str] = "record_failed"
    run_id: str
    revision: int
    reason: str


class IndexFailed(RetrievalIndexMessage, Event):
    """A revision could not be indexed; the one before goes on answering."""

    name: ClassVar[str] = "failed"
    run_id: str
    revision: int
    reason: str


RetrievalIndexCommand = RecordIndexBuilt | RecordIndexFailed
RetrievalIndexEvent = IndexBuilt | IndexFailed


class BotProfileView(Message):
    id: str
    tenant_id: str
    name: str
    description: str
    model: str
    embedding_model: str | None
    system_prompt: str
    temperature: float
    max_tokens: int
    has_credentials: bool
    is_active: bool
    floor: float | None = None
    refusal_text: str | None = None
    check_claims: bool = False
    fallback_models: tuple[str, ...] = ()
    link_hosts: tuple[str, ...] = ()
    chunk_size: int | None = None
    chunk_overlap: int | None = None
    cache_answers: bool = False
    rerank_model: str | None = None
    top_k: int | None = None
    lexical_weight: float | None = None
    gate_suite_id: str | None = None
    version: int = 1
    """Of the settings: rises with every change."""
    created_at: datetime
    updated_at: datetime


class BotProfileViews(Page):
    items: tuple[BotProfileView, ...]


class MessageView(Message):
    id: str
    chat_id: str
    turn_id: str | None = None
    role: Literal["system", "user", "assistant"]
    content: str
    prompt_tokens: int
    completion_tokens: int
    feedback: Feedback | None = None
    draft: bool = False
    refusal: bool = False
    created_at: datetime


class TurnView(Message):
    """A turn as it stands: `open` until it is answered, refused or failed."""

    turn_id: str
    chat_id: str
    status: Literal["open", "answered", "refused", "failed"]
    message: MessageView | None = None
    sources: tuple[SourceHit, ...] = ()
    citations: tuple[Citation, ...] = ()
    usage: Usage | None = None
    grounded: bool = False
    support: float | None = None
    stopped: bool = False
    reason: str | None = None
    """Why it was refused."""
    best_score: float | None = None
    """Of a refused turn: the best evidence that was found."""
    bot_version: int | None = None
    """Of the settings that it was given by."""
    error: str | None = None
    detail: str | None = None
    retryable: bool = False
    error_status: int | None = None
    retry_after: float | None = None


class GetBotProfile(Question[BotProfileView]):
    service: ClassVar[str] = "chat"
    name: ClassVar[str] = "get_bot_profile"
    bot_profile_id: str


class ListBotProfiles(PagedQuestion[BotProfileViews]):
    """All bots of the tenant, newest first, inactive ones included."""

    service: ClassVar[str] = "chat"
    name: ClassVar[str] = "list_bot_profiles"


class GetTurn(Question[TurnView]):
    service: ClassVar[str] = "chat"
    name: ClassVar[str] = "get_turn"
    turn_id: str
    scope: ChatScope | None = None
    """None: whichever chat it belongs to."""
