"""`Idempotency-Key`: a POST that comes again within a day gets the answer that it got.

After draft-ietf-httpapi-idempotency-key-header-07. What a request makes follows from a random seed
that is kept before it is handled. So whatever is killed on the way, handling it again makes the
same thing with the same ids and the same secrets, and the broker sees the same command.
"""

import asyncio
import hashlib
import logging
import os
from collections.abc import Mapping
from datetime import datetime, timedelta

import orjson
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway.http.fingerprints import Body
from services.gateway.ports import Principal, Replay, Replays
from shared.kernel.clock import utc_now
from shared.kernel.errors import InvalidCommand, MiniRagError, TooLarge
from shared.kernel.ids import derived_id
from shared.web import sse
from shared.web.problem import ProblemError

log = logging.getLogger(__name__)

LONGEST_KEY = 255
LEASE = timedelta(seconds=10)
"""After which another takes over what somebody began, dead or slow: both make the same thing."""
PATIENCE_SECONDS = 15.0
LOOK_SECONDS = (0.05, 0.1, 0.2, 0.4)
LARGEST_ANSWER = 4_000_000
NOT_KEPT = frozenset({401, 408, 425, 429})
"""These tell about the moment, not about the request. Nor is anything kept from 500 on."""
FIRST_FAULT = 500
OPERATION = "/v1/operations/"
REPLAYED = "Idempotency-Replayed"


class Idempotency:
    """Within the door: a key is the caller's own, not the tenant's. Two visitors with the same
    key must not see each other's answers.
    """

    def __init__(self, app: ASGIApp, replays: Replays) -> None:
        self._app = app
        self._replays = replays

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        key = headers.get("idempotency-key")
        if key is None or "refused" in scope["state"]:
            await self._app(scope, receive, send)
            return
        if not (0 < len(key) <= LONGEST_KEY and key.isprintable()):
            raise InvalidCommand("An Idempotency-Key has 1 to 255 printable characters")
        name = name_of(scope, key)
        body = Body(receive, headers.get("content-type", ""))
        fingerprint = await body.fingerprint()
        found = await self._begin(name, fingerprint)
        if isinstance(found, Held):
            await Answering(self._app, self._replays, name, body, found).run(scope, send)
            return
        if fingerprint is None:
            _same(found, await body.drain())
        answer = Response(found.body, found.status or 200, dict(found.headers))
        answer.headers[REPLAYED] = "true"
        await answer(scope, receive, send)

    async def _begin(self, name: str, fingerprint: str | None) -> "Held | Replay":
        """Take the work, or have the answer. Raises if it is another request, or still running."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE_SECONDS
        looks = 0
        while True:
            kept = await self._replays.get(name)
            now = utc_now()
            if kept is None:
                fresh = Replay(
                    seed=os.urandom(32), fingerprint=fingerprint, leased_until=now + LEASE
                )
                revision = await self._replays.put(name, fresh, 0)
                if revision is not None:
                    return Held(fresh, revision)
                continue
            replay, revision = kept
            _same(replay, fingerprint)
            if replay.status is not None:
                return replay
            if replay.by_repeating:
                return Held(replay, revision)
            if not _leased(replay, now):
                taken = replay.model_copy(update={"leased_until": now + LEASE})
                mine = await self._replays.put(name, taken, revision)
                if mine is not None:
                    return Held(taken, mine)
                continue
            if loop.time() > deadline:
                raise ProblemError(
                    409,
                    "idempotency-in-flight",
                    "A request with this Idempotency-Key is still being handled.",
                    {"Retry-After": "5"},
                )
            await asyncio.sleep(LOOK_SECONDS[min(looks, len(LOOK_SECONDS) - 1)])
            looks += 1


class Held:
    """Work that is ours to do, and the entry that says so."""

    def __init__(self, replay: Replay, revision: int) -> None:
        self.replay = replay
        self.revision = revision


class Answering:
    """One request on its way through the application, with its answer noted."""

    def __init__(self, app: ASGIApp, replays: Replays, name: str, body: Body, held: Held) -> None:
        self._app = app
        self._replays = replays
        self._name = name
        self._body = body
        self._held = held
        self._start: Message | None = None
        self._said = bytearray()
        self._through = held.replay.by_repeating

    async def run(self, scope: Scope, send: Send) -> None:
        """The answer is kept before it is sent: nobody has seen one that cannot come again."""
        scope["state"]["seed"] = self._held.replay.seed

        async def send_kept(message: Message) -> None:
            if self._through:
                await send(message)
            elif message["type"] == "http.response.start":
                self._start = message
                if (
                    Headers(raw=message["headers"])
                    .get("content-type", "")
                    .startswith(sse.MEDIA_TYPE)
                ):
                    await self._repeat_instead()
                    await send(message)
            else:
                self._said += message.get("body", b"")
                if not message.get("more_body", False):
                    await self._keep()
                    await self._flush(send)
                elif len(self._said) > LARGEST_ANSWER:
                    await self._repeat_instead()
                    await self._flush(send, more=True)

        try:
            await self._app(scope, self._body.receive, send_kept)
        except BaseException:
            if not self._through:
                await self._let_go()
            raise

    async def _flush(self, send: Send, *, more: bool = False) -> None:
        assert self._start is not None  # noqa: S101  ASGI: the start comes first
        await send(self._start)
        await send({"type": "http.response.body", "body": bytes(self._said), "more_body": more})

    async def _keep(self) -> None:
        assert self._start is not None  # noqa: S101  ASGI: the start comes first
        status = int(self._start["status"])
        headers = MutableHeaders(raw=self._start["headers"])
        pending = headers.get("location", "").startswith(OPERATION)
        if status >= FIRST_FAULT or status in NOT_KEPT or pending:
            await self._let_go()
            return
        answered = self._held.replay.model_copy(
            update={
                "fingerprint": self._body.seen(),
                "leased_until": None,
                "status": status,
                "headers": tuple(headers.items()),
                "body": bytes(self._said),
            }
        )
        try:
            await self._put(answered)
        except TooLarge:
            await self._repeat_instead()

    async def _repeat_instead(self) -> None:
        """Nothing of it is kept: doing it again gives the same."""
        self._through = True
        update = {
            "by_repeating": True,
            "fingerprint": self._held.replay.fingerprint,
            "leased_until": None,
        }
        await self._put(self._held.replay.model_copy(update=update))

    async def _let_go(self) -> None:
        """The next one with this key does it anew, and with the same seed."""
        await self._put(self._held.replay.model_copy(update={"leased_until": None}))

    async def _put(self, replay: Replay) -> None:
        """What was done is done: that it cannot be noted is no reason to tell otherwise."""
        try:
            await self._replays.put(self._name, replay, self._held.revision)
        except TooLarge:
            raise
        except MiniRagError as error:
            log.warning("answer not kept for its key", extra={"error": str(error)})


def name_of(scope: Mapping[str, object], key: str) -> str:
    """Where the answer to this key of this caller on this route is kept."""
    state = scope["state"]
    principal = state.get("principal") if isinstance(state, dict) else None
    tenant_id, actor = "_", "anybody"
    if isinstance(principal, Principal):
        tenant_id, actor = principal.tenant_id, principal.actor
    query = scope["query_string"]
    parts = (actor, str(scope["path"]), repr(query), key)
    return f"{tenant_id}.{hashlib.sha256(orjson.dumps(parts)).hexdigest()}"


def command_id_of(seed: bytes) -> str:
    """The id of the one command of the request that has this seed."""
    return derived_id("request", seed.hex())


def _leased(replay: Replay, now: datetime) -> bool:
    """Whether somebody is at work; not by a lease longer than any: the clock was put back since."""
    until = replay.leased_until
    return until is not None and now <= until <= now + 2 * LEASE


def _same(replay: Replay, fingerprint: str | None) -> None:
    known = replay.fingerprint
    if known is not None and fingerprint is not None and known != fingerprint:
        raise ProblemError(
            422,
            "idempotency-key-reused",
            "This Idempotency-Key came with another body before.",
            field="Idempotency-Key",
        )
