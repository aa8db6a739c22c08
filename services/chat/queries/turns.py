"""Questions about turns and citations."""

from sqlalchemy import Integer, bindparam, or_, select

from services.chat.queries.scope import within
from services.chat.tables import chats, citations, messages, turns
from shared.adapters.blobs import Blobs
from shared.adapters.read_model import ReadModelStore
from shared.contracts.base import Metadata
from shared.contracts.chat import (
    GetTurn,
    MessageView,
    TurnView,
    Usage,
)
from shared.contracts.chat_citations import Citation
from shared.contracts.chat_playground_views import AskedView, GetAsked
from shared.contracts.chat_retrieval import CitationText, GetCitation
from shared.kernel.errors import NotFound

AROUND = 300
"""Characters shown before and behind a cited passage."""
# Made once, as every turn asks them.
_TURN = select(turns).where(
    turns.c.tenant_id == bindparam("of_tenant"), turns.c.turn_id == bindparam("of_turn")
)
_MESSAGE = select(messages).where(
    messages.c.tenant_id == bindparam("of_tenant"), messages.c.id == bindparam("of_message")
)
_OF_CHAT = (
    messages.c.tenant_id == bindparam("of_tenant"),
    messages.c.chat_id == bindparam("of_chat"),
)
_UNSAID = select(messages.c.turn_id).where(
    *_OF_CHAT, or_(messages.c.refusal, messages.c.content == "")
)
_HISTORY = (
    select(messages.c.role, messages.c.content)
    .where(
        *_OF_CHAT,
        messages.c.turn_id != bindparam("not_of_turn"),
        messages.c.turn_id.not_in(_UNSAID.scalar_subquery()),
    )
    .order_by(messages.c.sequence.desc())
    .limit(bindparam("at_most", type_=Integer))
)


class TurnQueries:
    """Reads the model `chat_chats`, and cited text from the blobs."""

    def __init__(self, store: ReadModelStore, blobs: Blobs) -> None:
        self._store = store
        self._blobs = blobs

    async def get_turn(self, question: GetTurn, meta: Metadata) -> TurnView:
        """Raise `NotFound` if the tenant has no such turn."""
        query = _TURN
        if narrower := within(question.scope, meta.tenant_id, turns.c.chat_id):
            query = query.where(*narrower)
        mine = {"of_tenant": meta.tenant_id, "of_turn": question.turn_id}
        async with self._store.reading(meta.tenant_id) as db:
            row = (await db.execute(query, mine)).mappings().one_or_none()
            if row is None:
                raise NotFound("Turn not found")
            message = None
            if row["message_id"] is not None:
                said = {"of_tenant": meta.tenant_id, "of_message": row["message_id"]}
                found = await db.execute(_MESSAGE, said)
                message = MessageView.model_validate(dict(found.mappings().one()))
        cited = tuple(Citation.model_validate(item) for item in row["citations"])
        return TurnView.model_validate(
            dict(row)
            | {
                "message": message,
                "citations": cited,
                "sources": tuple(citation.hit for citation in cited),
                "usage": None if row["usage"] is None else Usage.model_validate(row["usage"]),
            }
        )

    async def history(
        self, tenant_id: str, chat_id: str, turn_id: str, limit: int, *, before: int | None = None
    ) -> list[tuple[str, str]]:
        """Role and text of the last `limit` messages of other turns, oldest first; only of those
        `before` a position in the log, if one is given.

        Refusals and the questions they answered are left out: they would teach the model to
        refuse. So are answers that were stopped before the first word.
        """
        mine = {
            "of_tenant": tenant_id,
            "of_chat": chat_id,
            "not_of_turn": turn_id,
            "at_most": limit,
        }
        query = _HISTORY if before is None else _HISTORY.where(messages.c.sequence < before)
        async with self._store.reading(tenant_id) as db:
            rows = (await db.execute(query, mine)).all()
        return [(row.role, row.content) for row in reversed(rows)]

    async def get_asked(self, question: GetAsked, meta: Metadata) -> AskedView:
        """Raise `NotFound` if the tenant has no such turn."""
        query = (
            select(messages.c.chat_id, messages.c.content.label("question"), chats.c.bot_profile_id)
            .join(
                chats,
                (chats.c.tenant_id == messages.c.tenant_id) & (chats.c.id == messages.c.chat_id),
            )
            .where(
                messages.c.tenant_id == meta.tenant_id,
                messages.c.turn_id == question.turn_id,
                messages.c.role == "user",
            )
        )
        async with self._store.reading(meta.tenant_id) as db:
            row = (await db.execute(query)).mappings().one_or_none()
        if row is None:
            raise NotFound("Turn not found")
        return AskedView.model_validate(dict(row))

    async def get_citation(self, question: GetCitation, meta: Metadata) -> CitationText:
        """The passage as it stood in its revision. Raises `NotFound` or `Unavailable`."""
        query = select(citations.c.citation).where(
            citations.c.tenant_id == meta.tenant_id,
            citations.c.id == question.citation_id,
            *within(question.scope, meta.tenant_id, citations.c.chat_id),
        )
        async with self._store.reading(meta.tenant_id) as db:
            found = await db.scalar(query)
        if found is None:
            raise NotFound("Citation not found")
        citation = Citation.model_validate(found)
        text = (await self._blobs.get(meta.tenant_id, citation.text_ref)).decode()
        return CitationText(
            citation=citation,
            text=text[citation.start : citation.end],
            before=text[max(0, citation.start - AROUND) : citation.start],
            after=text[citation.end : citation.end + AROUND],
        )
