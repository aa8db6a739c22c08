"""Composition root of scheduler. Read this first: it lists every way in."""

from contextlib import AsyncExitStack
from datetime import timedelta

from services.scheduler.domain import schedule_decider
from services.scheduler.projections import Schedules
from services.scheduler.queries import ScheduleQueries
from services.scheduler.reactions import (
    KIND,
    Fire,
    ScheduleRetention,
    ScheduleSources,
    SetTimers,
)
from services.scheduler.settings import Settings
from services.scheduler.tables import metadata
from shared.adapters.read_model import ReadModel
from shared.contracts.gateway_erasure import RetentionSet
from shared.contracts.ingest import SourceCreated, SourceDeleted, SourceUpdated
from shared.contracts.scheduler import (
    GetSchedule,
    ScheduleCancelled,
    ScheduleFired,
    ScheduleSet,
)
from shared.kernel.clock import utc_now
from shared.runtime.clock_watch import when_set
from shared.runtime.erasing import take_part
from shared.runtime.platform import Platform
from shared.runtime.service import Service

__all__ = ["Settings", "build"]

SCHEDULES = ReadModel(
    service="scheduler",
    name="schedules",
    version=1,
    tables=metadata,
    owns={"schedule": schedule_decider},
    projection=Schedules(),
)


async def build(_settings: Settings, platform: Platform, _stack: AsyncExitStack) -> Service:
    """The service, not yet running."""
    service = Service(platform)
    store = service.keeps(SCHEDULES)
    service.owns(store)
    queries = ScheduleQueries(store)

    schedule = ScheduleSources(service.execute)
    service.reacts("schedule-sources", [SourceCreated, SourceUpdated, SourceDeleted], schedule)
    service.reacts("schedule-retention", [RetentionSet], ScheduleRetention(service.execute))
    set_timers = SetTimers(service.current, service.timers)
    service.reacts("set-timers", [ScheduleSet, ScheduleCancelled, ScheduleFired], set_timers)
    service.wakes(KIND, Fire(service.execute, set_timers))

    async def arm_all() -> None:
        await set_timers.arm_all(queries.all_waiting, utc_now)

    async def arm_anew(_by: timedelta) -> None:
        await arm_all()

    service.starts(arm_all)
    service.runs(lambda: when_set(arm_anew))
    service.answers(GetSchedule, queries.get_schedule)
    take_part(service, store)
    return service
