"""Takes what waits for a tenant, or was kept for it for a while, out of the broker's streams."""

from collections.abc import Iterator

import nats.errors
from nats.aio.client import Client

from shared.adapters.topology import IDEMPOTENCY_BUCKET
from shared.contracts.base import Command
from shared.contracts.gateway_erasure import ErasureMessage
from shared.kernel.errors import Unavailable
from shared.kernel.ids import subject_token
from shared.kernel.registry import released

SECONDS = 60.0


async def sweep(client: Client, tenant_id: str) -> None:
    """Leave of a tenant that was erased only the orders about its erasure, and the log.

    Raises `Unavailable`.
    """
    js = client.jetstream(timeout=SECONDS)
    try:
        for stream, subject in _places(subject_token(tenant_id)):
            await js.purge_stream(stream, subject=subject)
    except (nats.errors.Error, TimeoutError) as error:
        raise Unavailable("what waits for the tenant was not removed") from error


def _places(tenant: str) -> Iterator[tuple[str, str]]:
    aggregates = {command.aggregate for command in released(Command)}
    for aggregate in sorted(aggregates - {ErasureMessage.aggregate}):
        yield "CMDS", f"cmd.{tenant}.{aggregate}.>"
    yield "JOBS", f"job.{tenant}.>"
    yield "SCHED", f"sched.{tenant}.>"
    yield "SCHED", f"tick.{tenant}.>"
    yield "TOK", f"tok.{tenant}.>"
    yield "DLQ", f"dlq.*.*.{tenant}.>"
    yield f"KV_{IDEMPOTENCY_BUCKET}", f"$KV.{IDEMPOTENCY_BUCKET}.{tenant}.>"
