"""The order in which a service leaves: nobody comes in, then nothing is taken, then nothing asked.

Whoever is still inside needs the rest: an open request gives orders and asks questions.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import nats.errors
from faststream.nats import NatsBroker
from faststream.nats.subscriber.usecases import ConcurrentCoreSubscriber

from shared.runtime.consumer import Consumer
from shared.runtime.lanes import Lanes

log = logging.getLogger(__name__)

ASKED_SECONDS = 10.0
"""Whoever asks waits no longer for an answer."""
LOOK_SECONDS = 0.02
QUIET_LOOKS = 3
"""A question goes through as many hands before it is seen to be worked on."""

Serve = Callable[[asyncio.Event], Coroutine[Any, Any, None]]


async def worked(
    consumers: Sequence[Consumer | Lanes],
    servers: Sequence[Serve],
    stopping: asyncio.Event,
    served: asyncio.Event,
    closed: asyncio.Event,
) -> None:
    """Serve and take until `stopping` is set, and finish what was begun.

    `served` is set once what is served has drained. Jobs, which may be long, are not taken any
    more by then; all other messages are taken until `closed` is set. Raises what ended one.
    """
    async with asyncio.TaskGroup() as work:
        for consumer in consumers:
            work.create_task(consumer.run(stopping if isinstance(consumer, Lanes) else closed))
        async with asyncio.TaskGroup() as serving:
            for serve in servers:
                serving.create_task(serve(stopping))
            serving.create_task(stopping.wait())
        served.set()


async def answered(broker: NatsBroker) -> None:
    """Have no more questions sent here, and answer those that were: nobody else will."""
    if not broker.connection.is_connected:
        return  # nobody can ask
    asked = [one for one in broker.subscribers if isinstance(one, ConcurrentCoreSubscriber)]
    try:
        async with asyncio.timeout(ASKED_SECONDS):
            await asyncio.gather(*(_answered(one) for one in asked))
    except (nats.errors.Error, TimeoutError) as error:
        log.warning("questions may be unanswered", extra={"error": repr(error)})


async def _answered(asked: ConcurrentCoreSubscriber) -> None:
    if asked.subscription is None:
        return
    await asked.subscription.drain()  # type: ignore[no-untyped-call]  # nats-py has no types there
    asked.subscription = None  # the broker would end it once more when it stops, and complain
    quiet = 0
    while quiet < QUIET_LOOKS:
        await asyncio.sleep(LOOK_SECONDS)
        waiting = asked.receive_stream.statistics().current_buffer_used
        quiet = 0 if waiting or asked.limiter.value < asked.max_workers else quiet + 1
