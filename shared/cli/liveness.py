"""`minirag healthcheck --live`: whether the event loop of the process in this container turns.

It loads no client of anything: probes start it again and again, beside what they ask about.
"""

from importlib import import_module

from pydantic import ValidationError

from shared.kernel.errors import Unavailable, Unusable
from shared.runtime.heartbeat import beats
from shared.runtime.settings import ServiceSettings, complaints


def check_live(service: str) -> None:
    """Raise `Unavailable` if the event loop of the process stands still. Asks nobody else."""
    file = settings_of(service).heartbeat_file
    if file is None:
        raise Unusable("MINIRAG_HEARTBEAT_FILE is not set, so nothing shows that the loop turns")
    if not beats(file):
        raise Unavailable(f"{service} has not touched {file} for half a minute")


def settings_of(service: str) -> ServiceSettings:
    """As the service itself reads them."""
    try:
        found: ServiceSettings = import_module(f"services.{service}.settings").Settings()
    except ModuleNotFoundError as error:
        raise Unusable(f"there is no service {service!r} here") from error
    except ValidationError as error:
        raise Unusable("; ".join(complaints(error))) from None
    return found
