"""Does once more what a reaction of this service gave up."""

from collections.abc import Sequence

from nats.aio.client import Client

from shared.adapters.event_log import STREAM as LOG
from shared.contracts.base import Metadata
from shared.contracts.operations import Repeat, Repeated
from shared.kernel.errors import Conflict, MiniRagError, NotFound
from shared.runtime.consumer import Consumer, Delivery
from shared.runtime.lanes import Lanes
from shared.runtime.letters import Letter, read


class Repeating:
    """Repeats for the reactions among `consumers`, which may still become more."""

    def __init__(self, client: Client, consumers: Sequence[Consumer | Lanes]) -> None:
        self._client = client
        self._consumers = consumers

    async def answer(self, question: Repeat, _metadata: Metadata) -> Repeated:
        await self.repeat(await read(self._client, question.letter))
        return Repeated()

    async def repeat(self, letter: Letter) -> None:
        """Raise `NotFound` if no reaction here gave it up, `Conflict` if it failed again, or what
        it raises on purpose.
        """
        for consumer in self._consumers:
            if (
                isinstance(consumer, Consumer)
                and consumer.stream == letter.stream == LOG
                and consumer.name == letter.consumer
            ):
                try:
                    await consumer.repeat(_delivery(letter))
                except MiniRagError:
                    raise
                except Exception as error:
                    raise Conflict(f"it failed again: {error!r}") from error
                return
        raise NotFound(f"no reaction {letter.consumer} is here any more")


def _delivery(letter: Letter) -> Delivery:
    return Delivery(
        stream=letter.stream,
        consumer=letter.consumer,
        subject=letter.subject,
        headers=letter.headers,
        data=letter.data,
        attempt=1,
        sequence=letter.sequence,
    )
