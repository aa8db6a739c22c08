"""`minirag healthcheck`: whether the service in this very container does its work, for probes."""

import asyncio

import nats
import nats.errors

from shared.adapters.envelope import metadata_headers
from shared.cli.liveness import settings_of
from shared.contracts.base import Metadata
from shared.contracts.operations import GetHealth, ServiceHealth
from shared.embedded import loopback
from shared.kernel.clock import utc_now
from shared.kernel.errors import Unavailable
from shared.kernel.ids import new_id
from shared.runtime.bus import own_subject
from shared.runtime.neighbours import REFUSED
from shared.runtime.settings import ServiceSettings

ANSWER_SECONDS = 5.0
OK = 200


async def check_ready(service: str) -> None:
    """Raise `Unavailable` if the service cannot do its work now."""
    settings = settings_of(service)
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            if service == "gateway":
                await _ask_gateway(settings)
            else:
                await _ask(service, settings)
    except TimeoutError as error:
        raise Unavailable(f"{service} does not answer") from error


async def _ask_gateway(settings: ServiceSettings) -> None:
    host, port = loopback.reachable(getattr(settings, "host")), getattr(settings, "port")  # noqa: B009  of the gateway's settings, which this layer does not import
    if await loopback.status(port, "/readyz", host=host) != OK:
        raise Unavailable("the gateway is not ready")


async def _ask(service: str, settings: ServiceSettings) -> None:
    """The health question, put to the replica on this host."""
    try:
        client = await nats.connect(
            settings.nats_url.get_secret_value(),
            name=f"minirag-{service}-probe",
            allow_reconnect=False,
            connect_timeout=2,
            error_cb=_silent,
        )
    except (OSError, nats.errors.Error) as error:
        raise Unavailable("the broker is not reachable") from error
    try:
        reply = await client.request(
            own_subject(service, GetHealth.name),
            GetHealth().model_dump_json().encode(),
            timeout=ANSWER_SECONDS,
            headers={**metadata_headers(_metadata()), "content-type": "application/json"},
        )
    except nats.errors.Error as error:
        raise Unavailable(f"{service} does not answer") from error
    finally:
        await client.close()
    if reply.headers and REFUSED in reply.headers:
        raise Unavailable(f"{service} cannot tell how it does")
    health = ServiceHealth.model_validate_json(reply.data)
    if health.status != "ok":
        raise Unavailable(f"{service} is {health.status}: {health.detail}")


def _metadata() -> Metadata:
    return Metadata(
        tenant_id="_", message_id=new_id(), correlation_id=new_id(), actor="probe", now=utc_now()
    )


async def _silent(_error: Exception) -> None:
    """The caller is told by an exception already."""
