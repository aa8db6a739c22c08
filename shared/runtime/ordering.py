"""Commands from one service to another."""

import nats.errors
from nats.js.errors import APIError

from shared.adapters.envelope import command_subject, metadata_headers
from shared.contracts.base import Command, Metadata
from shared.kernel.clock import utc_now
from shared.kernel.errors import Unavailable
from shared.kernel.ids import derived_id
from shared.runtime.platform import Platform


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
