"""Work that a tenant brings is taken in while not too much of it waits.

Ingest counts, so that all gateways see the same. It is asked before anything is ordered: a request
that is sent away leaves nothing, and may come again with its `Idempotency-Key`.
"""

from services.gateway.http.context import Caller
from shared.contracts.ingest_backlog import Admission, AskAdmission
from shared.kernel.errors import BacklogFull, Unavailable

ASK_SECONDS = 2.0


async def admit(caller: Caller, question: AskAdmission) -> None:
    """Raise `BacklogFull`, or what is wrong with the request besides.

    If ingest is away the order is taken all the same: it waits as any other does.
    """
    try:
        answer = await caller.gateway.bus.ask(
            question, Admission, caller.metadata, timeout=ASK_SECONDS
        )
    except Unavailable:
        return
    if answer.retry_after is not None:
        raise BacklogFull(
            "Too many sources are waiting for their ingestion; try again when some are done",
            retry_after=answer.retry_after,
        )
