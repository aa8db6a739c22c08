"""A question is put to a bot, and nobody listens: what it found, said and took."""

import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from services.chat.domain.grounding import Grounded, Silent, floor_of, judge
from services.chat.domain.output import OutputFilter
from services.chat.domain.prompt import cited_numbers, refusal
from services.chat.domain.scoring import Seen, Tried
from services.chat.ports import (
    Assistant,
    Found,
    LanguageModel,
    ModelFailed,
    Prompt,
    Query,
    Retriever,
    Spent,
    candidate,
)
from services.chat.reactions.answering import REFUSING, SUPPORTED
from services.chat.reactions.conversing import TOO_LONG, WITHHELD, shorter, usage
from services.chat.reactions.prompting import Prompting
from shared.contracts.chat import BotSettings, Usage
from shared.contracts.chat_playground import TestedPassage

KEPT = 10
"""Passages of a result."""
SNIPPET = 200

DetectLanguage = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Attempt:
    """How a question went."""

    tried: Tried
    passages: Sequence[TestedPassage]
    usage: Usage
    latency_ms: float


@dataclass(frozen=True)
class TryQuestion:
    """Answers as a turn does, without a conversation before it and with no memory of answers."""

    retriever: Retriever
    prompting: Prompting
    model: LanguageModel
    assistant: Assistant
    detect: DetectLanguage

    async def __call__(
        self, tenant_id: str, bot_profile_id: str, bot: BotSettings, question: str
    ) -> Attempt:
        """Raise `ModelFailed`, or `Unavailable` if it should be tried again."""
        started = time.perf_counter()
        query, before = await self._query(tenant_id, bot_profile_id, bot, question)
        retrieval = await self.retriever.retrieve(tenant_id, bot_profile_id, query)
        found = retrieval.found
        verdict = judge([candidate(one) for one in found], floor_of(bot.floor), bot.top_k)
        passages = _passages(found, verdict)
        if isinstance(verdict, Silent):
            said = bot.refusal_text or refusal(self.detect(question))
            tried = Tried(said, True, False, verdict.best, _seen(found, ()))
            taken = Usage(model=REFUSING) if before is None else usage(before)
            return Attempt(tried, passages, taken, _since(started))
        by_id = {one.hit.id: one for one in found}
        context = [by_id[chosen.chunk_id] for chosen in verdict.context]
        where = (tenant_id, bot_profile_id, bot, question)
        prompt, output, said, spent = await self._converse(*where, context)
        if not said.strip():
            code = WITHHELD if output.leaked else "llm_failed"
            raise ModelFailed(code, "The language model said nothing.", retryable=False)
        checked = await self.assistant.check(prompt, said) if bot.check_claims else None
        cites = bool(cited_numbers(said) & {passage.n for passage in prompt.passages})
        supported = checked is None or checked.support >= SUPPORTED
        tried = Tried(
            answer=said,
            refused=False,
            cites=cites and supported and not output.leaked,
            evidence=verdict.best,
            seen=_seen(found, [one.hit.id for one in context]),
        )
        taken = usage(spent, before, None if checked is None else checked.spent)
        return Attempt(tried, passages, taken, _since(started))

    async def _query(
        self, tenant_id: str, bot_profile_id: str, bot: BotSettings, question: str
    ) -> tuple[Query, Spent | None]:
        spoken = self.detect(question)
        known = await self.retriever.languages(tenant_id, bot_profile_id)
        if spoken is None or spoken in known or not known:
            return Query(question, lexical_weight=bot.lexical_weight), None
        task = await self.prompting.task(tenant_id, bot, question)
        put = await self.assistant.reword(task, (), known)
        if put is None:
            return Query(question, lexical_weight=bot.lexical_weight), None
        return Query(put.question, put.others, lexical_weight=bot.lexical_weight), put.spent

    async def _converse(
        self,
        tenant_id: str,
        bot_profile_id: str,
        bot: BotSettings,
        question: str,
        context: Sequence[Found],
    ) -> tuple[Prompt, OutputFilter, str, Spent]:
        """As `_speak`, with fewer passages for a model that cannot take them all."""
        where = (tenant_id, bot_profile_id, bot, question)
        prompt, output = await self.prompting.whole(*where, context, ())
        try:
            said, spent = await self._speak(prompt, output)
        except ModelFailed as failure:
            less = shorter(context, ())
            if failure.code != TOO_LONG or less is None:
                raise
            return await self._converse(*where, less[0])
        return prompt, output, said, spent

    async def _speak(self, prompt: Prompt, output: OutputFilter) -> tuple[str, Spent]:
        said, spent = "", Spent(self.model.name(prompt), 0, 0)
        async with aclosing(self.model.stream(prompt)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Spent):
                    spent = piece
                elif not output.leaked:
                    said += output.feed(piece.text)
        return said + output.rest(), spent


def _seen(found: Sequence[Found], used: Sequence[str]) -> list[Seen]:
    return [Seen(_names(one), one.hit.id in used) for one in found]


def _names(found: Found) -> frozenset[str]:
    names = (found.hit.source_id, found.source_name, found.title, found.url)
    return frozenset(name for name in names if name)


def _passages(found: Sequence[Found], verdict: Grounded | Silent) -> list[TestedPassage]:
    context = verdict.context if isinstance(verdict, Grounded) else ()
    numbers = {chosen.chunk_id: n for n, chosen in enumerate(context, 1)}
    told = [
        TestedPassage(
            rank=rank,
            n=numbers.get(one.hit.id),
            chunk_id=one.hit.id,
            source_id=one.hit.source_id,
            source_name=one.source_name,
            score=round(one.hit.score, 4),
            evidence=round(candidate(one).evidence, 4),
            snippet=one.hit.text[:SNIPPET],
        )
        for rank, one in enumerate(found, 1)
    ]
    return [one for one in told if one.n is not None or one.rank <= KEPT]


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
