"""What the log says about dead letters, as the gateway's rows show it."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.gateway.main import LETTERS
from services.gateway.queries import LetterQueries
from shared.adapters.read_model import ReadModel, ReadModelStore
from shared.contracts.base import Event, Recorded
from shared.contracts.gateway_letters import (
    DeadLetterDiscarded,
    DeadLetterReplayed,
    DeadLetterReplayFailed,
    DeadLetterReplayOrdered,
    ListSettledLetters,
    Settled,
    SettledLetter,
)
from shared.contracts.operations import DeadLetterRecorded
from tests.bank.messages import metadata
from tests.integration.replay import ProjectionContract, replay

SUBJECT = "job.t.source.s1.parse"
PLACE = {"service": "ingest", "stream": "JOBS", "subject": SUBJECT}


def given_up(letter_id: str) -> DeadLetterRecorded:
    return DeadLetterRecorded(dead_letter_id=letter_id, attempts=3, reason="broken", **PLACE)


def ordered(letter_id: str) -> DeadLetterReplayOrdered:
    return DeadLetterReplayOrdered(dead_letter_id=letter_id, **PLACE)


def discarded(letter_id: str) -> DeadLetterDiscarded:
    return DeadLetterDiscarded(dead_letter_id=letter_id, **PLACE)


def by(records: Sequence[Recorded[Event]], *actors: str) -> list[Recorded[Event]]:
    """The same facts, each done by one of these."""
    pairs = zip(records, actors, strict=True)
    return [
        replace(one, metadata=one.metadata.model_copy(update={"actor": actor}))
        for one, actor in pairs
    ]


class TestLetters(ProjectionContract):
    @pytest.fixture
    def engine(self, engines: Callable[[str], AsyncEngine]) -> AsyncEngine:
        return engines("gateway")

    @pytest.fixture
    def model(self) -> ReadModel:
        return LETTERS

    @pytest.fixture
    def events(self) -> Sequence[Event]:
        return (
            given_up("open"),
            given_up("again"),
            given_up("gone"),
            given_up("done"),
            ordered("again"),
            DeadLetterReplayFailed(dead_letter_id="again", reason="broken still"),
            ordered("done"),
            discarded("gone"),
            DeadLetterReplayed(dead_letter_id="done"),
            discarded("again"),
        )

    async def settled(
        self, store: ReadModelStore, tenant_id: str, status: Settled
    ) -> tuple[SettledLetter, ...]:
        meta = metadata(tenant_id, "question")
        question = ListSettledLetters(status=status)
        return (await LetterQueries(store).list_settled_letters(question, meta)).letters

    async def test_shows_what_was_settled_by_whom_and_when(
        self,
        store: ReadModelStore,
        past: list[Recorded[Event]],
        tenant_id: str,
        other_tenant_id: str,
    ) -> None:
        ingest, ada, ben = "service/ingest", "user/ada", "token/t1"
        actors = (*[ingest] * 4, ada, ingest, ada, ben, ingest, ada)
        await replay(store, by(past, *actors))
        (done,) = await self.settled(store, tenant_id, "replayed")
        assert (done.id, done.service, done.subject) == ("done", "ingest", SUBJECT)
        assert (done.settled_by, done.user_id) == (ada, "ada")
        assert (done.given_up, done.settled_at) == (past[3].at, past[8].at)
        let_go = await self.settled(store, tenant_id, "discarded")
        assert [(one.id, one.settled_by, one.user_id, one.settled_at) for one in let_go] == [
            ("again", ada, "ada", past[9].at),
            ("gone", ben, None, past[7].at),
        ]
        assert await self.settled(store, other_tenant_id, "discarded") == ()
