"""What is asked once more of a past turn: its question, what was said before, what it was given."""

import asyncio
from collections.abc import Awaitable, Callable

from sqlalchemy import select

from services.chat.domain.prompt import HISTORY
from services.chat.ports import Found, Hit
from services.chat.queries.turns import TurnQueries
from services.chat.tables import messages
from shared.adapters import language
from shared.adapters.blobs import Blobs
from shared.adapters.read_model import ReadModelStore
from shared.contracts.base import Event, Metadata, Recorded
from shared.contracts.chat import GetTurn, QuestionAsked
from shared.contracts.chat_citations import Citation
from shared.contracts.chat_history import GetReplayed, ReplayedTurn
from shared.contracts.chat_playground_views import GetAsked
from shared.contracts.chat_replay import Replay
from shared.kernel.errors import Conflict, NotFound

EventAt = Callable[[int], Awaitable[Recorded[Event] | None]]
"""By its position in the log."""


class ReplayQueries:
    """Reads the model `chat_chats`, the log for what only the question's event tells, and texts
    from the blobs.
    """

    def __init__(
        self, store: ReadModelStore, turns: TurnQueries, event_at: EventAt, blobs: Blobs
    ) -> None:
        self._store = store
        self._turns = turns
        self._event_at = event_at
        self._blobs = blobs

    async def get_replayed(self, question: GetReplayed, meta: Metadata) -> ReplayedTurn:
        """Raise `NotFound`, or `Conflict` for a turn that cannot be replayed in this way."""
        turn = await self._turns.get_turn(GetTurn(turn_id=question.turn_id), meta)
        asked = await self._turns.get_asked(GetAsked(turn_id=question.turn_id), meta)
        if turn.status == "open":
            raise Conflict("The turn has not ended")
        if question.passages == "then" and not turn.citations:
            raise Conflict("The turn was given no passages")
        return ReplayedTurn(bot_profile_id=asked.bot_profile_id, question=asked.question, turn=turn)

    async def past(self, tenant_id: str, replay: Replay) -> list[tuple[str, str]]:
        """Role and text of what was said before the question. Raises `NotFound`."""
        query = select(messages.c.sequence).where(
            messages.c.tenant_id == tenant_id,
            messages.c.turn_id == replay.turn_id,
            messages.c.role == "user",
        )
        async with self._store.reading(tenant_id) as db:
            sequence = await db.scalar(query)
        recorded = None if sequence is None else await self._event_at(sequence)
        if sequence is None or recorded is None or not isinstance(recorded.event, QuestionAsked):
            raise NotFound("Turn not found")
        event = recorded.event
        if event.replays is not None:
            return await self.past(tenant_id, event.replays)
        if event.before:
            return [(said.role, said.content) for said in event.before[-HISTORY:]]
        where = (tenant_id, event.chat_id, event.turn_id)
        return await self._turns.history(*where, HISTORY, before=sequence)

    async def given(self, tenant_id: str, turn_id: str, meta: Metadata) -> list[Found]:
        """The passages that a turn was given, from their revisions, in its order. What spoke for
        each was kept as one number.

        Raises `NotFound` or `Unavailable`.
        """
        turn = await self._turns.get_turn(GetTurn(turn_id=turn_id), meta)
        return [await self._found(tenant_id, citation) for citation in turn.citations]

    async def _found(self, tenant_id: str, citation: Citation) -> Found:
        whole = (await self._blobs.get(tenant_id, citation.text_ref)).decode()
        cited = whole[citation.start : citation.end]
        return await asyncio.to_thread(found_again, citation, cited)


def found_again(citation: Citation, text: str) -> Found:
    """A cited passage, as if it had just been found."""
    hit = Hit(
        id=citation.chunk_id,
        source_id=citation.source_id,
        revision=citation.revision,
        ordinal=citation.n,
        text=text,
        start=citation.start,
        end=citation.end,
        heading=citation.heading,
        score=citation.score,
        similarity=citation.score,
        page=citation.page,
    )
    return Found(
        hit=hit,
        coverage=citation.score,
        likeness=citation.score,
        chunk_ids=(citation.chunk_id,),
        source_name=citation.title or "",
        title=citation.title,
        url=citation.url,
        text_ref=citation.text_ref,
        authority=citation.authority,
        language=language.detect(text),
    )
