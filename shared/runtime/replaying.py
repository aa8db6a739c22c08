"""Does what people ordered about the dead letters of this service."""

from collections.abc import Awaitable, Callable
from contextlib import suppress

from shared.adapters.event_log import STREAM as LOG
from shared.contracts.base import Recorded
from shared.contracts.gateway_letters import DeadLetterDiscarded, LetterOrdered, RecordReplay
from shared.kernel.errors import NotFound
from shared.runtime import letters
from shared.runtime.letters import Letter
from shared.runtime.ordering import order
from shared.runtime.platform import Platform

NAME = "dead-letters"
REASON_LIMIT = 2000
GONE = "it is not kept any more"

Repeat = Callable[[Letter], Awaitable[None]]
"""Does what a reaction gave up. Raises what it fails by."""


class Replaying:
    """Tries a letter once for each order. At least once: whoever dies between the work and its
    report does it again, as with everything that is delivered.
    """

    def __init__(self, platform: Platform, repeat: Repeat) -> None:
        self._platform = platform
        self._repeat = repeat

    async def __call__(self, recorded: Recorded[LetterOrdered]) -> None:
        """Raise `Unavailable` if it should be tried again."""
        event = recorded.event
        if event.service != self._platform.service:
            return
        client = self._platform.client
        letter = await letters.find(client, event.stream, event.subject, event.dead_letter_id)
        if isinstance(event, DeadLetterDiscarded):
            if letter is not None:
                await self._take_away(letter)
            return
        failure = GONE if letter is None else await self._again(letter)
        await self._tell(recorded, failure)
        if letter is not None and failure is None:
            await self._take_away(letter)

    async def give_up(self, recorded: Recorded[LetterOrdered], reason: str) -> None:
        """An order that failed at every attempt does not stay open for ever."""
        if recorded.event.service == self._platform.service:
            await self._tell(recorded, reason)

    async def _again(self, letter: Letter) -> str | None:
        """Why it failed, if it did."""
        try:
            if letter.stream == LOG:
                await self._repeat(letter)
            else:
                await letters.send_again(self._platform.client, letter)
        except Exception as error:  # noqa: BLE001  whatever it is, whoever ordered it is told
            return str(error) or repr(error)
        return None

    async def _tell(self, recorded: Recorded[LetterOrdered], failure: str | None) -> None:
        told = RecordReplay(
            dead_letter_id=recorded.event.dead_letter_id,
            failure=failure and failure[:REASON_LIMIT],
        )
        await order(self._platform, told, recorded.metadata, "replayed")

    async def _take_away(self, letter: Letter) -> None:
        with suppress(NotFound):
            await letters.discard(self._platform.client, letter.number)
