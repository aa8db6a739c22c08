"""What a run with indexes of its own waits for, and what ends it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from services.chat.reactions.shadow_indexes import AskWhenWhole, EndIncomplete, EndWithBot
from shared.contracts.base import Command, Done, Metadata
from shared.contracts.chat import BotProfileUpdated, BotSettings
from shared.contracts.chat_index import IndexSettings
from shared.contracts.chat_playground import CancelRun, ContinueRun
from shared.contracts.ingest import SourceDeleted
from shared.contracts.ingest_shadow_parts import PartFailed, PartPrepared
from shared.kernel.errors import Unavailable
from tests.unit.chat.testing import started
from tests.unit.ingest.samples import prepared
from tests.unit.samples import TENANT, recorded

PART: dict[str, Any] = {
    "part_id": "p1",
    "run_id": "r1",
    "index": 0,
    "source_id": "s1",
    "bot_profile_id": "b1",
}
INDEXED = started(indexes=(IndexSettings(chunk_size=200),))


@dataclass
class Rows:
    """Runs of the bot, of which some are whole; as far as the projection has come."""

    complete: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    behind: int = 0
    asked: list[str] = field(default_factory=list)
    ordered: list[Command] = field(default_factory=list)

    async def whole(self, tenant_id: str, bot_profile_id: str) -> Sequence[str]:
        assert tenant_id == TENANT
        self.asked.append(bot_profile_id)
        return self.complete

    async def of_bot(self, tenant_id: str, bot_profile_id: str) -> Sequence[str]:
        assert (tenant_id, bot_profile_id) == (TENANT, "b1")
        return [*self.complete, *self.others]

    async def shown(self, position: int, _seconds: float) -> int:
        return position - self.behind

    async def execute(self, command: Command, _cause: Metadata, _purpose: str) -> Done:
        self.ordered.append(command)
        return Done(position=1)


class TestARunAsksItsFirstQuestion:
    @pytest.mark.parametrize(
        "event",
        [
            INDEXED,
            PartPrepared(**PART, prepared=prepared()),
            SourceDeleted(source_id="s1", bot_profile_id="b1"),
        ],
    )
    async def test_once_every_source_is_in_its_indexes(
        self, event: PartPrepared | SourceDeleted
    ) -> None:
        it = Rows(complete=["r1", "r2"])
        await AskWhenWhole(it.execute, it, it.shown)(recorded(event))
        assert it.asked == ["b1"]
        assert it.ordered == [ContinueRun(run_id=one, stretch=1) for one in ("r1", "r2")]

    async def test_not_before_the_rows_show_the_fact(self) -> None:
        it = Rows(complete=["r1"], behind=1)
        with pytest.raises(Unavailable):
            await AskWhenWhole(it.execute, it, it.shown)(recorded(INDEXED))
        assert it.ordered == []

    async def test_by_itself_where_it_has_no_indexes(self) -> None:
        it = Rows(complete=["r1"])
        await AskWhenWhole(it.execute, it, it.shown)(recorded(started()))
        assert (it.asked, it.ordered) == ([], [])


class TestARunEnds:
    async def test_with_the_reason_why_a_source_could_not_be_cut_or_embedded(self) -> None:
        it = Rows()
        failed = PartFailed(**PART, reason="no key")
        await EndIncomplete(it.execute)(recorded(failed))
        reason = "An index for a variant could not be made: no key"
        assert it.ordered == [CancelRun(run_id="r1", reason=reason)]

    async def test_when_its_bot_is_switched_off_or_deleted(self) -> None:
        it = Rows(complete=["r1"], others=["r2"])
        there, gone = (
            BotProfileUpdated(bot_profile_id="b1", settings=BotSettings(name="B", is_active=active))
            for active in (True, False)
        )
        await EndWithBot(it.execute, it)(recorded(there))
        assert it.ordered == []
        await EndWithBot(it.execute, it)(recorded(gone))
        assert [(one.run_id, type(one)) for one in it.ordered] == [  # type: ignore[attr-defined]  # of a run
            ("r1", CancelRun),
            ("r2", CancelRun),
        ]
