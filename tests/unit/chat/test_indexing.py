"""What is told once a revision is in the index, or never will be."""

import pytest

from services.chat.reactions.indexing import TellIndexed
from shared.contracts.base import Command, Done, Metadata
from shared.contracts.chat import RecordIndexBuilt, RecordIndexFailed
from shared.kernel.errors import Unavailable
from tests.unit.ingest.samples import was_prepared
from tests.unit.samples import recorded


class TestTellingThatARevisionIsIn:
    @staticmethod
    def reaction(reached: int) -> tuple[TellIndexed, list[Command]]:
        ordered: list[Command] = []

        async def execute(command: Command, _meta: Metadata, _purpose: str) -> Done:
            ordered.append(command)
            return Done(position=1)

        async def await_shown(_position: int, _seconds: float) -> int:
            return reached

        return TellIndexed(execute, await_shown), ordered

    async def test_waits_until_the_rows_show_it(self) -> None:
        tell, ordered = self.reaction(reached=6)
        with pytest.raises(Unavailable):
            await tell(recorded(was_prepared(), 7))
        assert ordered == []

    async def test_then_tells_it(self) -> None:
        tell, ordered = self.reaction(reached=7)
        await tell(recorded(was_prepared(), 7))
        assert ordered == [RecordIndexBuilt(source_id="s1", run_id="r1", revision=1, points=3)]

    async def test_or_that_it_never_will(self) -> None:
        tell, ordered = self.reaction(reached=0)
        await tell.given_up(recorded(was_prepared(), 7), "disk full")
        assert ordered == [
            RecordIndexFailed(source_id="s1", run_id="r1", revision=1, reason="disk full")
        ]
