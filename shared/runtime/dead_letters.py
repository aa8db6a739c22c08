"""Where messages go that were given up: kept whole in `DLQ`, and told as a fact in the log."""

import nats.errors
from nats.aio.client import Client

from shared.adapters.envelope import read_metadata
from shared.adapters.event_log import Append, EventLog
from shared.contracts.operations import DeadLetterRecorded
from shared.kernel.clock import utc_now
from shared.kernel.errors import NotFound, StaleVersion, Unavailable
from shared.kernel.ids import derived_id
from shared.runtime.consumer import Delivery

REASON_LIMIT = 2000


class DeadLetters:
    """Records what could not be done, once, however often it is tried."""

    def __init__(self, client: Client, event_log: EventLog, service: str) -> None:
        self._js = client.jetstream()
        self._log = event_log
        self._service = service

    async def record(self, delivery: Delivery, reason: str) -> None:
        """Raise `Unavailable` if the letter could not be stored; the message then comes again."""
        letter_id = derived_id(
            "dead letter", delivery.stream, delivery.consumer, str(delivery.sequence)
        )
        headers = {
            key: value for key, value in delivery.headers.items() if not key.startswith("Nats-")
        }
        headers |= {
            "Nats-Msg-Id": letter_id,
            "reason": _ascii(reason),
            "id": letter_id,
            "consumer": delivery.consumer,
            "sequence": str(delivery.sequence),
        }
        try:
            await self._js.publish(
                f"dlq.{delivery.stream}.{delivery.subject}",
                delivery.data,
                headers=headers,
                stream="DLQ",
            )
        except (nats.errors.Error, TimeoutError) as error:
            raise Unavailable("dead letter not stored") from error
        try:
            cause = read_metadata(delivery.headers)
        except (KeyError, ValueError):
            return  # it does not tell whose it is, so nobody's log can
        metadata = cause.caused(
            message_id=letter_id, now=utc_now(), actor=f"service/{self._service}"
        )
        event = DeadLetterRecorded(
            dead_letter_id=letter_id,
            service=self._service,
            stream=delivery.stream,
            subject=delivery.subject,
            attempts=delivery.attempt,
            reason=reason[:REASON_LIMIT],
        )
        try:
            await self._log.append([Append(event, expected=0)], metadata)
        except (StaleVersion, NotFound):
            return  # told before, or of a tenant that was erased


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode().replace("\n", " ")[:500]
