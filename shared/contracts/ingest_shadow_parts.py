"""Messages of ingest about parts of shadow indexes: a source's revision, cut and embedded for one
of a run's own indexes (`RunPlan.indexes`), while the bot goes on answering from its own.
"""

from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from shared.contracts.base import Command, Event, Keyed
from shared.contracts.ingest import Prepared


class PartMessage(Keyed):
    aggregate: ClassVar[str] = "shadow_part"
    part_id: str
    run_id: str
    index: int = Field(ge=0)
    """Number of the run's index."""
    source_id: str

    @property
    @override
    def aggregate_id(self) -> str:
        return self.part_id


class RecordPartPrepared(PartMessage, Command):
    verb: ClassVar[str] = "record_prepared"
    bot_profile_id: str
    prepared: Prepared


class RecordPartFailed(PartMessage, Command):
    verb: ClassVar[str] = "record_failed"
    bot_profile_id: str
    reason: str


class PartPrepared(PartMessage, Event):
    """The revision is ready to be put into the run's index."""

    name: ClassVar[str] = "prepared"
    bot_profile_id: str
    prepared: Prepared


class PartFailed(PartMessage, Event):
    """The revision cannot be made ready for the run's index."""

    name: ClassVar[str] = "failed"
    bot_profile_id: str
    reason: str


PartCommand = RecordPartPrepared | RecordPartFailed
PartEvent = PartPrepared | PartFailed
