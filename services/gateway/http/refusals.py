"""What is sent away is answered at next to no price.

Above the capacity the price of a refusal decides how much is still done. So it is made here, in
front of everything else: without a span, without a log line of its own, and without asking whether
the credential still holds.
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable, Sequence

import orjson
from prometheus_client import Counter as Metric
from starlette.types import Scope, Send

from shared.kernel.ids import new_id
from shared.telemetry import metrics
from shared.web.metering import OTHER, method_of
from shared.web.middleware import HSTS, REQUEST_ID, RETRY_SECONDS, SECURITY_HEADERS, too_many
from shared.web.problem import MEDIA_TYPE

log = logging.getLogger(__name__)

Answer = tuple[list[tuple[bytes, bytes]], bytes]
"""Headers and a body."""

STATUS = 503
TELL_SECONDS = 1.0
HEADERS = tuple(
    (name.lower().encode(), value.encode())
    for name, value in (
        *SECURITY_HEADERS.items(),
        ("Content-Type", MEDIA_TYPE),
        ("Cache-Control", "no-store"),
    )
)
RETRIES = tuple((b"retry-after", str(seconds).encode()) for seconds in RETRY_SECONDS)
STRICT = (b"strict-transport-security", HSTS.encode())


def _in_a_moment(tell: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_later(TELL_SECONDS, tell)


class Refusals:
    """Answers 503, the problem `overloaded`, and counts."""

    def __init__(
        self,
        allowed_origins: Sequence[str],
        exposed: Sequence[str],
        later: Callable[[Callable[[], None]], None] = _in_a_moment,
    ) -> None:
        """Pages of `allowed_origins` may read it, and the headers that are `exposed`."""
        self._anywhere = "*" in allowed_origins
        self._allowed = frozenset(origin.encode() for origin in allowed_origins)
        self._exposed = (b"access-control-expose-headers", ", ".join(exposed).encode())
        self._counters: dict[tuple[str, str], tuple[Metric, Metric]] = {}
        self._later = later
        self._lately: Counter[str] = Counter()
        self._owners: Counter[str] = Counter()

    async def answer(self, scope: Scope, send: Send, name: str, owner: str) -> None:
        """Send away a request of the class `name`."""
        head, body = self.made(scope, name, owner)
        await send({"type": "http.response.start", "status": STATUS, "headers": head})
        await send({"type": "http.response.body", "body": body})

    def made(self, scope: Scope, name: str, owner: str) -> Answer:
        """What a request of the class `name` is told, which is counted."""
        self._count(name, method_of(scope))
        self._note(name, owner)
        request_id, origin = "", None
        for header, value in scope["headers"]:
            if header == b"x-request-id":
                request_id = value.decode("latin-1")
            elif header == b"origin":
                origin = value
        if not REQUEST_ID.fullmatch(request_id):
            request_id = new_id()
        body = orjson.dumps(
            {
                "type": "urn:minirag:problem:overloaded",
                "title": "Service Unavailable",
                "status": STATUS,
                "detail": too_many(name),
                "instance": scope["path"],
                "request_id": request_id,
            }
        )
        head = [
            *HEADERS,
            random.choice(RETRIES),  # noqa: S311  nobody gains by guessing it
            (b"x-request-id", request_id.encode()),
            (b"content-length", b"%d" % len(body)),
        ]
        if scope["scheme"] == "https":
            head.append(STRICT)
        if origin is not None and (self._anywhere or origin in self._allowed):
            head += ((b"access-control-allow-origin", origin), (b"vary", b"Origin"), self._exposed)
        return head, body

    def _count(self, name: str, method: str) -> None:
        counters = self._counters.get((name, method))
        if counters is None:
            answered = metrics.HTTP_REQUESTS.labels(method, OTHER, STATUS)
            counters = metrics.TURNED_AWAY.labels(name), answered
            self._counters[name, method] = counters
        for counter in counters:
            counter.inc()

    def _note(self, name: str, owner: str) -> None:
        if not self._lately:
            self._later(self._tell)
        self._lately[name] += 1
        self._owners[owner] += 1

    def _tell(self) -> None:
        """One line for all who were sent away within a second."""
        ((owner, count),) = self._owners.most_common(1)
        about = {**self._lately, "owners": len(self._owners), "most_of": owner, "of_these": count}
        log.info("sent away", extra=about)
        self._lately.clear()
        self._owners.clear()
