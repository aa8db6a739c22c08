"""Does once more what a reaction of this service gave up."""

from collections.abc import Awaitable, Callable, Sequence

from nats.aio.client import Client

from shared.adapters.event_log import STREAM as LOG
from shared.contracts.base import Metadata
from shared.contracts.operations import Repeat, Repeated
from shared.kernel.errors import Conflict, MiniRagError, NotFound
from shared.runtime.consumer import Consumer, Delivery
from shared.runtime.lanes import Lanes
from shared.runtime.letters import Letter, read


def repeating(
    client: Client, consumers: Sequence[Consumer | Lanes]
) -> Callable[[Repeat, Metadata], Awaitable[Repeated]]:
    """Answers `Repeat` for the reactions among `consumers`."""

    async def repeat(question: Repeat, _metadata: Metadata) -> Repeated:
        letter = await read(client, question.letter)
        for consumer in consumers:
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
                return Repeated()
        raise NotFound(f"no reaction {letter.consumer} is here any more")

    return repeat


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
