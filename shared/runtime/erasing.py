"""What every service does when something is erased: clear what it keeps, and say so."""

from collections.abc import Sequence

import nats.errors
from nats.js.errors import APIError

from shared.adapters.envelope import command_subject, metadata_headers
from shared.adapters.read_model import ReadModelStore
from shared.contracts.base import Command, Metadata, Recorded
from shared.contracts.gateway_erasure import ErasureTold, RecordErasurePart
from shared.kernel.clock import utc_now
from shared.kernel.errors import Unavailable
from shared.kernel.ids import derived_id
from shared.runtime.platform import Platform
from shared.runtime.service import Service

SHOWN_SECONDS = 30.0
ATTEMPTS = 1000
"""An erasure is not given up because something is away for hours."""


def take_part(service: Service, *stores: ReadModelStore) -> None:
    """Clear these read models of what is erased, in the service that keeps them."""
    clear = Clear(service, stores)
    service.reacts("erase", [ErasureTold], clear, concurrency=1, attempts=ATTEMPTS)


class Clear:
    """Waits until the rows show what is erased, then takes their old versions from the disk."""

    def __init__(self, service: Service, stores: Sequence[ReadModelStore]) -> None:
        self._service = service
        self._stores = stores

    async def __call__(self, recorded: Recorded[ErasureTold]) -> None:
        """Raise `Unavailable` if it should be tried again."""
        event = recorded.event
        for store in self._stores:
            if event.kind not in store.model.erased:
                continue
            shown = self._service.shown(store.model.name)
            if await shown(recorded.sequence, SHOWN_SECONDS) < recorded.sequence:
                raise Unavailable(f"{store.schema} does not show the erasure yet")
            await store.scrub()
        part = RecordErasurePart(erasure_id=event.erasure_id, service=self._service.name)
        await order(self._service.platform, part, recorded.metadata, "erased")


async def order(platform: Platform, command: Command, cause: Metadata, purpose: str) -> None:
    """Store a command to another service; the same cause and purpose store it once.

    Raises `Unavailable` if it is not known to be stored.
    """
    command_id = derived_id("command", cause.message_id, purpose, platform.service)
    metadata = cause.caused(
        message_id=command_id, now=utc_now(), actor=f"service/{platform.service}"
    )
    body = await platform.codec.encode(command, metadata.tenant_id)
    subject = command_subject(metadata.tenant_id, command)
    headers = {**metadata_headers(metadata), "Nats-Msg-Id": command_id}
    try:
        await platform.client.jetstream(timeout=10).publish(
            subject, body, headers=headers, stream="CMDS"
        )
    except (nats.errors.Error, APIError, TimeoutError) as error:
        raise Unavailable("the order is not known to be stored") from error
