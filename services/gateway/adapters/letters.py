"""Dead letters of one tenant, from where all of them lie."""

from collections import deque
from collections.abc import Sequence

from nats.aio.client import Client
from typing_extensions import override

from services.gateway.ports import DeadLetter, DeadLetters
from shared.runtime import letters
from shared.runtime.letters import Letter

SHOWN = 100
LOOKED_AT = 1000
"""Of a tenant, the oldest first; who has more has an operator who is told."""


class TenantLetters(DeadLetters):
    """Reads the stream `DLQ` under the tenant's own subjects."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @override
    async def of_tenant(self, tenant_id: str) -> Sequence[DeadLetter]:
        newest: deque[DeadLetter] = deque(maxlen=SHOWN)
        seen = 0
        async for letter in letters.of_tenant(self._client, tenant_id):
            newest.appendleft(_shown(letter))
            seen += 1
            if seen == LOOKED_AT:
                break
        return tuple(newest)


def _shown(letter: Letter) -> DeadLetter:
    """Without its body and its reason: a reason is an error's own text, and may tell anything."""
    return DeadLetter.about(
        letter.subject, id=letter.letter_id, given_up=letter.given_up, service=letter.service
    )
