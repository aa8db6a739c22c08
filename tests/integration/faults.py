"""What can go wrong around an append, and the orders of a test's account."""

from collections.abc import Awaitable, Callable, Sequence

from typing_extensions import override

from shared.adapters.event_log import Append, EventLog
from shared.contracts.base import Done, Event, Metadata
from shared.kernel.errors import Unavailable, Unknown
from shared.kernel.ids import new_id
from shared.runtime.commands import CommandHandler
from tests.bank.messages import (
    OpenAccount,
    metadata,
)


class Crash(Exception):
    """The process is gone."""


Fault = Callable[[Callable[[], Awaitable[list[int]]]], Awaitable[list[int]]]
"""Gets the real append, and does it, or not, or half."""


class FaultyLog(EventLog):
    """A log whose next append goes wrong in a given way."""

    def __init__(self, log: EventLog, *faults: Fault) -> None:
        self.__dict__ |= log.__dict__
        self._faults = list(faults)

    @override
    async def append(self, events: Sequence[Append], metadata: Metadata) -> list[int]:
        async def really() -> list[int]:
            return await super(FaultyLog, self).append(events, metadata)

        return await (self._faults.pop(0)(really) if self._faults else really())


async def crash_before(_append: Callable[[], Awaitable[list[int]]]) -> list[int]:
    raise Crash


async def crash_after(append: Callable[[], Awaitable[list[int]]]) -> list[int]:
    await append()
    raise Crash


async def lost_on_the_way(_append: Callable[[], Awaitable[list[int]]]) -> list[int]:
    raise Unknown("no acknowledgement")


async def acknowledgement_lost(append: Callable[[], Awaitable[list[int]]]) -> list[int]:
    await append()
    raise Unknown("no acknowledgement")


async def log_away(_append: Callable[[], Awaitable[list[int]]]) -> list[int]:
    raise Unavailable("event log does not answer")


async def opened(handler: CommandHandler, tenant_id: str) -> str:
    account_id = new_id()
    order = OpenAccount(account_id=account_id, owner="Ada", number=account_id)
    assert isinstance(await handler.execute(order, metadata(tenant_id)), Done)
    return account_id


async def events(event_log: EventLog, tenant_id: str, account_id: str) -> list[Event]:
    return [r.event for r in await event_log.tail(tenant_id, "account", account_id)]
