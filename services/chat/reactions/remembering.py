"""Whether an answer may be given again, and the answer as it was given."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from services.chat.domain.grounding import Grounded
from services.chat.domain.prompt import Turn, cited_numbers
from services.chat.ports import AnswerMemory, ChatReader, Found, Query, Remembered, Spent, Topic
from services.chat.reactions.citing import cite
from services.chat.reactions.conversing import usage
from services.chat.reactions.speech import Speech, citations_data, sources_data
from shared.contracts.base import Metadata, Recorded
from shared.contracts.chat import BotSettings, GetTurn, QuestionAsked, RecordAnswer, Timings
from shared.kernel.errors import NotFound

REMEMBERED = "local/cache"
"""The model of an answer that is given again: none was asked, and none is paid."""


@dataclass(frozen=True, slots=True)
class Known:
    """An answer that was given before, and the context in an order that its numbers mean."""

    text: str
    support: float | None
    context: Sequence[Found]


@dataclass(frozen=True)
class RememberAnswers:
    """Recalls answers of a bot that is told to, and keeps new ones."""

    memory: AnswerMemory
    chats: ChatReader

    def topic(
        self,
        recorded: Recorded[QuestionAsked],
        bot: BotSettings,
        past: Sequence[Turn],
        languages: frozenset[str],
    ) -> Topic | None:
        """What an answer to this question depends on beside the sources; None: on what was said
        before, or on a draft, or the bot is not told to remember.
        """
        if past or not bot.cache_answers or recorded.event.draft is not None:
            return None
        return Topic(
            tenant_id=recorded.tenant_id,
            bot_profile_id=recorded.event.bot_profile_id,
            settings=hashlib.sha256(bot.model_dump_json().encode()).hexdigest(),
            question=recorded.event.question,
            languages=languages,
        )

    def query(self, topic: Topic | None) -> Query | None:
        """What a model made of this question when it was answered before."""
        found = None if topic is None else self.memory.recall(topic)
        return None if found is None else found.query

    def costs_nothing(self, topic: Topic | None) -> bool:
        """Whether an answer may be given again, and the question needs no model to be put."""
        found = None if topic is None else self.memory.recall(topic)
        if topic is None or found is None:
            return False
        return found.query is not None or not topic.languages

    async def recall(
        self, topic: Topic | None, context: Sequence[Found], meta: Metadata
    ) -> Known | None:
        """The answer as its chat shows it: what was erased there is not said again.

        It is forgotten once a passage that it cites is not found any more, or another one is found
        first. A chunk's id names its source's revision, so that is so after any change of a source
        that the answer cites.
        """
        found = None if topic is None else self.memory.recall(topic)
        if topic is None or found is None:
            return None
        order = arranged(context, found)
        text, support = await self._said(found.turn_id, meta)
        if order is None or not text:
            self.memory.forget(topic)
            return None
        return Known(text, support, order)

    def keep(
        self,
        topic: Topic | None,
        turn_id: str,
        answer: str,
        context: Sequence[Found],
        query: Query | None,
    ) -> None:
        """Remember that this turn's answer was grounded in `context`, found by a model's query."""
        if topic is not None:
            cited = {n: context[n - 1].hit.id for n in sorted(cited_numbers(answer))}
            self.memory.keep(topic, Remembered(turn_id, context[0].hit.id, cited, query))

    async def _said(self, turn_id: str, meta: Metadata) -> tuple[str, float | None]:
        try:
            turn = await self.chats.get_turn(GetTurn(turn_id=turn_id), meta)
        except NotFound:
            return "", None
        return "" if turn.message is None else turn.message.content, turn.support


async def repeat(
    recorded: Recorded[QuestionAsked],
    speech: Speech,
    known: Known,
    verdict: Grounded,
    retrieval_ms: float,
    spent_before: Spent | None,
) -> RecordAnswer:
    """Tell an answer again, and how it is recorded."""
    citations = cite(recorded.event.turn_id, known.context, verdict)
    await speech.once("sources", sources_data(citations))
    await speech.once("citations", citations_data(citations))
    await speech.say(known.text)
    return RecordAnswer(
        chat_id=recorded.event.chat_id,
        turn_id=recorded.event.turn_id,
        answer=speech.text,
        grounded=True,
        support=known.support,
        citations=citations,
        usage=usage(Spent(REMEMBERED, 0, 0), spent_before),
        timings=Timings(retrieval_ms=retrieval_ms, total_ms=retrieval_ms),
    )


def arranged(context: Sequence[Found], known: Remembered) -> list[Found] | None:
    """`context` with each cited passage at its number; None if one is missing or it begins anew."""
    if not context or known.first not in context[0].chunk_ids:
        return None
    at: dict[int, Found] = {}
    for n, chunk_id in known.cited.items():
        for one in context:
            if chunk_id in one.chunk_ids and n <= len(context):
                at[n] = one
    if len(at) < len(known.cited):
        return None
    placed = {one.hit.id for one in at.values()}
    others = iter([one for one in context if one.hit.id not in placed])
    return [at[n] if n in at else next(others) for n in range(1, len(context) + 1)]
