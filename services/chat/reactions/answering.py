"""A question becomes an answer, a refusal or a failure."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from services.chat.domain.bots import Published, drafted
from services.chat.domain.chats import is_open, is_stopping
from services.chat.domain.followup import standalone
from services.chat.domain.grounding import Silent, floor_of, judge
from services.chat.domain.output import OutputFilter
from services.chat.domain.prompt import (
    HISTORY,
    Role,
    Turn,
    cited_numbers,
    refusal,
)
from services.chat.domain.spending import Amount, estimate
from services.chat.domain.tokens import estimated
from services.chat.ports import (
    Assistant,
    BotReader,
    ChatReader,
    Found,
    Frames,
    LanguageModel,
    ModelFailed,
    Prompt,
    Query,
    Retriever,
    Spent,
    Stops,
    candidate,
)
from services.chat.reactions.citing import cite
from services.chat.reactions.conversing import (
    TOO_LONG,
    WITHHELD,
    Leaked,
    Spoken,
    shorter,
    usage,
)
from services.chat.reactions.hearing import hear
from services.chat.reactions.prompting import Hosts, Prompting, Secret
from services.chat.reactions.remembering import RememberAnswers, repeat
from services.chat.reactions.replaying import Replays
from services.chat.reactions.speech import (
    Speech,
    citations_data,
    sources_data,
    tell_answered,
    tell_end,
    tell_erased,
)
from services.chat.reactions.spending import Purse
from shared.contracts.base import Command, Done, Metadata, Recorded
from shared.contracts.chat import (
    BotSettings,
    GetTurn,
    QuestionAsked,
    RecordAnswer,
    RecordFailedTurn,
    RecordRefusal,
    Timings,
    TurnStopRequested,
    Usage,
)
from shared.kernel import faults
from shared.kernel.errors import NotFound
from shared.kernel.faults import FaultPoint
from shared.kernel.precedence import Precedence

SUPPORTED = 0.8
"""Share of an answer's cited claims that must be supported for it to count as grounded."""
REFUSING = "local/none"
"""The model of a refusal: none was asked, and none is paid."""

FRAME_SECONDS = 0.055
"""Between two frames of an answer: nobody reads faster than twenty a second, and a gateway that
holds its readers to that has nothing to hold back."""

log = logging.getLogger(__name__)

Execute = Callable[[Command, Metadata, str], Awaitable[Done]]
Current = Callable[[str, str, str], Awaitable[Any]]
Newest = Callable[[str, str, str], Awaitable[int]]
"""The position of an aggregate's last event: of a tenant, a type and an id."""
DetectLanguage = Callable[[str], str | None]
WAY_SECONDS = 0.25
"""How long the end of an answer waits at most while others wait for their beginnings."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """Who is told what the model says, and until when it is listened to."""

    speech: Speech
    stopped: asyncio.Event
    started: float


@dataclass(frozen=True)
class StopAnswering:
    """Tells whoever answers a turn that it is to end where it is."""

    stops: Stops

    async def __call__(self, recorded: Recorded[TurnStopRequested]) -> None:
        await self.stops.tell(recorded.tenant_id, recorded.event.turn_id)


@dataclass(frozen=True)
class AnswerQuestion:
    """Retrieve, judge, answer or refuse. The turn is ended and stored whoever listens."""

    execute: Execute
    current: Current
    newest: Newest
    bots: BotReader
    chats: ChatReader
    retriever: Retriever
    hosts: Hosts
    model: LanguageModel
    assistant: Assistant
    purse: Purse
    frames: Frames
    secret: Secret
    detect: DetectLanguage
    stops: Stops
    answers: RememberAnswers
    replays: Replays
    frame_seconds: float = FRAME_SECONDS
    precedence: Precedence = field(default_factory=Precedence)

    async def __call__(self, recorded: Recorded[QuestionAsked]) -> None:
        """Raise `Unavailable` if it should be tried again."""
        event, meta = recorded.event, recorded.metadata
        await self.replays.end_with_its_origin(recorded)
        spent_at: int | None = None
        try:
            # A stop that is not heard from here on is in the log, and the chat's state tells it.
            async with self.stops.heard(recorded.tenant_id, event.turn_id) as stopped:
                before, waits = await asyncio.gather(
                    self.frames.stored(recorded.tenant_id, event.turn_id),
                    self._waits(recorded, stopped),
                )
                wordless = ExitStack()
                speech = Speech(
                    self.frames, recorded.tenant_id, event.turn_id, before, wordless.close
                )
                had_ended = speech.ended
                if waits:
                    started = time.perf_counter()
                    wordless.enter_context(self.precedence.first())
                    try:
                        with wordless:
                            spent_at = await self._answer(recorded, speech, stopped, started)
                    except ModelFailed as failure:
                        await self._fail(recorded, failure)
            if not speech.ended:
                await self._tell_end(speech, meta)
            if not had_ended:
                faults.passed(FaultPoint.CHAT_ENDED)
        finally:
            await self.purse.settle(event.turn_id, spent_at)

    async def _waits(self, recorded: Recorded[QuestionAsked], stopped: asyncio.Event) -> bool:
        """Whether the turn waits for its end; `stopped` is set if that is to be where it is.

        Behind the question there is mostly nothing yet, which the log tells faster than the rows.
        """
        tenant_id, chat_id = recorded.tenant_id, recorded.event.chat_id
        if await self.newest(tenant_id, "chat", chat_id) == recorded.sequence:
            return True
        chat = await self.current("chat", tenant_id, chat_id)
        if is_stopping(chat, recorded.event.turn_id):
            stopped.set()
        return is_open(chat, recorded.event.turn_id)

    async def given_up(self, recorded: Recorded[QuestionAsked], _reason: str) -> None:
        """After the last attempt the turn says so: no answer is generated for ever."""
        failure = ModelFailed("failed", "The answer failed.", retryable=True, status=503)
        await self._fail(recorded, failure)
        turn_id = recorded.event.turn_id
        before = await self.frames.stored(recorded.tenant_id, turn_id)
        speech = Speech(self.frames, recorded.tenant_id, turn_id, before)
        if not speech.ended:
            await self._tell_end(speech, recorded.metadata)

    async def _tell_end(self, speech: Speech, meta: Metadata) -> None:
        try:
            turn = await self.chats.get_turn(GetTurn(turn_id=speech.turn_id), meta)
        except NotFound:
            await tell_erased(speech)
        else:
            await tell_end(speech, turn)

    async def _answer(
        self,
        recorded: Recorded[QuestionAsked],
        speech: Speech,
        stopped: asyncio.Event,
        started: float,
    ) -> int:
        """The position of the event that tells what was taken."""
        event = recorded.event
        saved = await self.bots.settings(recorded.tenant_id, event.bot_profile_id)
        bot = drafted(saved, event.draft)
        past = await self._past(recorded)
        languages = await self._foreign(recorded)
        topic = self.answers.topic(recorded, bot, past, languages)
        free = self.answers.costs_nothing(topic)
        if not free:
            await self._reserve(recorded, bot, past)
        put_before = self.answers.query(topic)
        found, query, spent_before = await self._look(recorded, bot, past, languages, put_before)
        faults.passed(FaultPoint.CHAT_RETRIEVED)
        retrieval_ms = (time.perf_counter() - started) * 1000
        by_id = {one.hit.id: one for one in found}
        verdict = judge([candidate(one) for one in found], floor_of(bot.floor), bot.top_k)
        if isinstance(verdict, Silent):
            return await self._refuse(recorded, bot, speech, verdict, retrieval_ms, started)
        context = [by_id[chosen.chunk_id] for chosen in verdict.context]
        known = await self.answers.recall(topic, context, recorded.metadata)
        if known is not None:
            again = await repeat(recorded, speech, known, verdict, retrieval_ms, spent_before)
            again = again.model_copy(update={"bot_version": bot.version})
            return (await self._end(recorded, speech, again)).position
        if free:
            await self._reserve(recorded, bot, past)
        citations = cite(event.turn_id, context, verdict)
        await speech.once("sources", sources_data(citations))
        await speech.once("citations", citations_data(citations))
        prompt, spoken = await self._converse(
            recorded, bot, Hearing(speech, stopped, started), context, past
        )
        spent, was_stopped = spoken.spent, spoken.spent is None
        if spoken.leaked and not speech.text.strip():
            raise ModelFailed(WITHHELD, "The answer was withheld.", retryable=False)
        if spent is None:
            speech.stop()
            spent = self._estimate(prompt, speech.text)
        elif not speech.text.strip():
            raise ModelFailed("llm_failed", "The language model said nothing.", retryable=True)
        checks = bot.check_claims and not was_stopped
        checked = await self.assistant.check(prompt, speech.text) if checks else None
        cites = bool(cited_numbers(speech.text) & {citation.n for citation in citations})
        supported = checked is None or checked.support >= SUPPORTED
        grounded = cites and supported and not spoken.leaked
        command = RecordAnswer(
            chat_id=event.chat_id,
            turn_id=event.turn_id,
            answer=speech.text,
            grounded=grounded,
            support=None if checked is None else round(checked.support, 4),
            stopped=was_stopped,
            leaked=spoken.leaked,
            bot_version=bot.version,
            citations=citations,
            usage=usage(spent, spent_before, None if checked is None else checked.spent),
            timings=Timings(
                retrieval_ms=retrieval_ms,
                first_token_ms=spoken.first_token_ms,
                total_ms=(time.perf_counter() - started) * 1000,
            ),
        )
        faults.passed(FaultPoint.CHAT_SPOKEN)
        done = await self._end(recorded, speech, command)
        if grounded and not was_stopped and len(prompt.passages) == len(context):
            put = put_before if spent_before is None else query
            self.answers.keep(topic, event.turn_id, speech.text, context, put)
        return done.position

    async def _end(
        self, recorded: Recorded[QuestionAsked], speech: Speech, command: RecordAnswer
    ) -> Done:
        """Store an answer, and tell its end if it is known to be what ended the turn.

        Whose first word has not come waits for that more than who has read all of them for their
        end.
        """
        speech.begun()
        await self.precedence.give_way(WAY_SECONDS)
        done = await self.execute(command, recorded.metadata, "answer")
        faults.passed(FaultPoint.CHAT_ANSWERED)
        if done.made is not None and speech.text:
            await tell_answered(speech, command, str(done.made["message_id"]))
        return done

    async def _reserve(
        self, recorded: Recorded[QuestionAsked], bot: BotSettings, past: Sequence[Turn]
    ) -> None:
        """Before any provider is asked. Raise `ModelFailed` if a budget is used up."""
        event, tenant_id = recorded.event, recorded.tenant_id

        async def wanted() -> Amount:
            told = [bot.system_prompt, event.question, *(turn.content for turn in past)]
            prompt = await self._task(recorded, bot)
            return estimate(self.model.name(prompt), sum(map(len, told)), bot.max_tokens)

        day = recorded.at.date()
        await self.purse.admit(tenant_id, event.bot_profile_id, event.turn_id, day, wanted)

    async def _converse(
        self,
        recorded: Recorded[QuestionAsked],
        bot: BotSettings,
        hearing: Hearing,
        context: Sequence[Found],
        history: Sequence[Turn],
    ) -> tuple[Prompt, Spoken]:
        """As `_speak`, with less and less for a model that cannot take it all."""
        prompt, output = await self._prompt(recorded, bot, context, history)
        try:
            return prompt, await self._speak(hearing, prompt, output)
        except ModelFailed as failure:
            less = shorter(context, history)
            if failure.code != TOO_LONG or hearing.speech.text or less is None:
                raise
        return await self._converse(recorded, bot, hearing, *less)

    async def _speak(self, hearing: Hearing, prompt: Prompt, output: OutputFilter) -> Spoken:
        """Tell what the model says, as far as it may be told."""
        speech, first_token_ms = hearing.speech, None

        async def say(text: str) -> bool:
            nonlocal first_token_ms
            if first_token_ms is None:
                first_token_ms = (time.perf_counter() - hearing.started) * 1000
            told = await speech.say(output.feed(text))
            if output.leaked:
                raise Leaked
            return told

        if hearing.stopped.is_set():
            return Spoken()
        try:
            spent = await hear(self.model, prompt, say, hearing.stopped, self.frame_seconds)
        except Leaked:
            log.warning("an answer that told its prompt was cut", extra={"model": prompt.model})
            spent = None
        rest = output.rest()
        await speech.say(rest.rstrip() if spent is None else rest)
        return Spoken(spent, first_token_ms, output.leaked)

    def _estimate(self, prompt: Prompt, said: str) -> Spent:
        """What an answer took that was stopped before its model counted. One that never began
        took nothing.
        """
        if not said:
            return Spent(REFUSING, 0, 0)
        read = sum(len(turn.content) for turn in prompt.messages)
        return Spent(self.model.name(prompt), estimated(read), estimated(len(said)))

    async def _past(self, recorded: Recorded[QuestionAsked]) -> list[Turn]:
        event = recorded.event
        if event.before:
            return [Turn(said.role, said.content) for said in event.before[-HISTORY:]]
        past = await self.replays.past(recorded)
        if past is None and event.first:
            return []
        if past is None:
            where = (recorded.tenant_id, event.chat_id, event.turn_id)
            past = await self.chats.history(*where, HISTORY)
        return [Turn(_role(role), content) for role, content in past]

    async def _foreign(self, recorded: Recorded[QuestionAsked]) -> frozenset[str]:
        """The languages of the bot's sources, if the question is in none of them."""
        event = recorded.event
        spoken = self.detect(event.question)
        known = await self.retriever.languages(recorded.tenant_id, event.bot_profile_id)
        return known if spoken is not None and spoken not in known else frozenset()

    async def _look(
        self,
        recorded: Recorded[QuestionAsked],
        bot: BotSettings,
        past: Sequence[Turn],
        languages: frozenset[str],
        put_before: Query | None,
    ) -> tuple[Sequence[Found], Query | None, Spent | None]:
        """What there is to answer from, and by which query it was found."""
        given = await self.replays.given(recorded)
        if given is not None:
            return given, None, None
        query, spent = await self._query(recorded, bot, past, languages, put_before)
        query = replace(query, lexical_weight=bot.lexical_weight)
        where = (recorded.tenant_id, recorded.event.bot_profile_id)
        return (await self.retriever.retrieve(*where, query)).found, query, spent

    async def _query(
        self,
        recorded: Recorded[QuestionAsked],
        bot: BotSettings,
        past: Sequence[Turn],
        languages: frozenset[str],
        put_before: Query | None,
    ) -> tuple[Query, Spent | None]:
        """What to search for: by a model where the question alone would not find, else by rule."""
        question = recorded.event.question
        alone = standalone(question, [turn.content for turn in past if turn.role == "user"])
        if alone == question and not languages:
            return Query(alone), None
        if put_before is not None:
            return put_before, None
        reworded = await self.assistant.reword(await self._task(recorded, bot), past, languages)
        if reworded is None:
            return Query(alone), None
        return Query(reworded.question, reworded.others), reworded.spent

    async def _task(self, recorded: Recorded[QuestionAsked], bot: BotSettings) -> Prompt:
        """The prompt of a turn before anything was found."""
        prompting = Prompting(self.hosts, self.secret)
        return await prompting.task(recorded.tenant_id, bot, recorded.event.question)

    async def _prompt(
        self,
        recorded: Recorded[QuestionAsked],
        bot: BotSettings,
        context: Sequence[Found],
        history: Sequence[Turn],
    ) -> tuple[Prompt, OutputFilter]:
        """What the model is told, and the filter for what it says to that."""
        event, prompting = recorded.event, Prompting(self.hosts, self.secret)
        asked = (event.bot_profile_id, bot, event.question)
        return await prompting.whole(recorded.tenant_id, *asked, context, history)

    async def _refuse(
        self,
        recorded: Recorded[QuestionAsked],
        bot: Published,
        speech: Speech,
        verdict: Silent,
        retrieval_ms: float,
        started: float,
    ) -> int:
        event = recorded.event
        await speech.once("sources", sources_data(()))
        await speech.once("citations", citations_data(()))
        await speech.say(bot.refusal_text or refusal(self.detect(event.question)))
        command = RecordRefusal(
            chat_id=event.chat_id,
            turn_id=event.turn_id,
            answer=speech.text,
            reason=verdict.reason,
            best_score=verdict.best,
            bot_version=bot.version,
            usage=Usage(model=REFUSING),
            timings=Timings(
                retrieval_ms=retrieval_ms, total_ms=(time.perf_counter() - started) * 1000
            ),
        )
        faults.passed(FaultPoint.CHAT_SPOKEN)
        done = await self.execute(command, recorded.metadata, "refuse")
        faults.passed(FaultPoint.CHAT_ANSWERED)
        await speech.once("refused", {"reason": verdict.reason, "best_score": verdict.best})
        return done.position

    async def _fail(self, recorded: Recorded[QuestionAsked], failure: ModelFailed) -> None:
        command = RecordFailedTurn(
            chat_id=recorded.event.chat_id,
            turn_id=recorded.event.turn_id,
            error=failure.code,
            detail=failure.detail,
            retryable=failure.retryable,
            status=failure.status,
            retry_after=failure.retry_after,
        )
        await self.execute(command, recorded.metadata, "fail")


def _role(role: str) -> Role:
    return "assistant" if role == "assistant" else "user"
