"""What a delivery holds: the command or the event in it, and who sent it why."""

from typing import TypeVar

from pydantic import ValidationError

from shared.adapters.envelope import Codec, Erased, read_metadata
from shared.contracts.base import Command, Event, Metadata, Recorded
from shared.kernel.decoding import UnknownEvent
from shared.runtime.consumer import Delivery, Poison

C = TypeVar("C", bound=Command)


def metadata_of(delivery: Delivery) -> Metadata:
    """Raise `Poison` if it does not tell whose it is."""
    try:
        return read_metadata(delivery.headers)
    except (KeyError, ValueError) as error:
        raise Poison(f"headers are incomplete: {error}") from error


async def command_of(codec: Codec, cls: type[C], delivery: Delivery, metadata: Metadata) -> C:
    """Raise `Poison` if it cannot be understood, `Erased` if its tenant was erased."""
    try:
        return await codec.decode(cls, delivery.data, metadata.tenant_id)
    except ValueError as error:
        raise Poison(f"cannot read the command: {error}") from error


async def event_of(codec: Codec, delivery: Delivery) -> Recorded[Event] | None:
    """None if its tenant was erased: nothing follows from it any more. Raise `Poison` if it cannot
    be understood.
    """
    try:
        return await codec.recorded(delivery.sequence, delivery.headers, delivery.data)
    except Erased:
        return None
    except (UnknownEvent, ValidationError, KeyError) as error:
        raise Poison(f"cannot read the event: {error}") from error
