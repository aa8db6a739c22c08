"""The broker's door for subscribers from outside: who gets in, to hear what, and until when.

The broker asks who a connection is (NATS ADR-26, auth callout); the answer is a user JWT that
allows to hear the public events of one tenant. It allows neither to publish nor the JetStream API.
"""

import json
import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import jwt
import nats
import nats.errors
from jwt.algorithms import OKPAlgorithm
from nats.aio.client import Client
from nats.aio.msg import Msg

from services.gateway.ports import Principal
from shared.adapters.envelope import Codec, Erased
from shared.adapters.nkeys import account_of, private_key
from shared.adapters.read_model import of_whole_tenant
from shared.contracts.gateway import ApiTokenRevoked, TenantDeactivated, UserDeactivated
from shared.contracts.gateway_erasure import ErasureTold
from shared.kernel.errors import MiniRagError, Unavailable
from shared.kernel.ids import new_id

log = logging.getLogger(__name__)

ALGORITHM = "ed25519-nkey"
ACCOUNT = "$G"
"""Where the services are too; what sets subscribers apart are their permissions."""
QUESTIONS = "$SYS.REQ.USER.AUTH"
GATEWAYS = "gateway"
CONNECTION_SECONDS = 900
"""After which a connection ends and its client comes back with a token that must still be good:
the bound when nobody could be told that it was revoked."""
SUBSCRIPTIONS = 50
CUTTING = (ApiTokenRevoked, ErasureTold, UserDeactivated, TenantDeactivated)
"""After these, open connections are cut."""
SHOWN_SECONDS = 10.0
ANSWER_SECONDS = 0.5
PAGE = 1024

Admit = Callable[[str], Awaitable[Principal]]
"""Who a credential speaks for. Raises `MiniRagError` for one that may not follow events."""
Shown = Callable[[int, float], Awaitable[int]]
"""Waits until the rows that `Admit` reads show a position of the log."""


class BrokerDoor:
    """Answers the broker, together with all other gateways."""

    def __init__(
        self, client: Client, codec: Codec, url: str, seed: str, admit: Admit, shown: Shown
    ) -> None:
        """`url` is the services' own. Raises `Unusable` for a seed that is none."""
        self._client = client
        self._codec = codec
        self._system_url = re.sub(r"//[^:@/]+:", "//system:", url)
        self._key = private_key(seed)
        self._issuer = account_of(seed)
        self._admit = admit
        self._shown = shown
        self._jws = jwt.PyJWS(algorithms=[])
        self._jws.register_algorithm(ALGORITHM, OKPAlgorithm())

    async def start(self) -> None:
        """Answer from now on, and cut whose token, user or tenant is shut out."""
        await self._client.subscribe(QUESTIONS, queue=GATEWAYS, cb=self._on_question)
        for event in CUTTING:
            subject = f"live.*.{event.aggregate}.*.{event.name}"
            await self._client.subscribe(subject, queue=GATEWAYS, cb=self._on_end)

    async def _on_question(self, message: Msg) -> None:
        # Nobody but the broker and the services can publish there, so its signature tells nothing.
        read = self._jws.decode_complete(message.data, options={"verify_signature": False})
        question = json.loads(read["payload"])["nats"]
        given = question["connect_opts"]
        answer: dict[str, Any] = {"type": "authorization_response", "version": 2}
        try:
            found = await self._admit(given.get("auth_token") or given.get("pass") or "")
        except MiniRagError as error:
            answer["error"] = str(error)
        else:
            answer["jwt"] = self._user(found, question["user_nkey"])
        claims = {
            "sub": question["user_nkey"],
            "aud": question["server_id"]["id"],
            "nats": answer,
        }
        await message.respond(self._signed(claims).encode())

    def _user(self, found: Principal, key: str) -> str:
        ends = time.time() + CONNECTION_SECONDS
        if found.expires_at is not None:
            ends = min(ends, found.expires_at.timestamp())
        permissions = {
            "pub": {"deny": [">"]},
            "sub": {"allow": [f"public.{found.tenant_id}.>"]},
            "subs": SUBSCRIPTIONS,
            "data": -1,
            "payload": -1,
        }
        claims = {
            "sub": key,
            "aud": ACCOUNT,
            "name": f"{found.tenant_id}.{found.user_id}.{found.id}",
            "exp": int(ends),
            "nats": {"type": "user", "version": 2, **permissions},
        }
        return self._signed(claims)

    def _signed(self, claims: dict[str, Any]) -> str:
        whole = {**claims, "iss": self._issuer, "iat": int(time.time()), "jti": new_id()}
        return self._jws.encode(json.dumps(whole).encode(), self._key, ALGORITHM)

    async def _on_end(self, message: Msg) -> None:
        if (name := await self._whose(message)) is None:
            return
        # Else whoever is cut could come back at once, by rows that do not know yet.
        sequence = int((message.headers or {})["Nats-Sequence"])
        await self._shown(sequence, SHOWN_SECONDS)
        try:
            await self._cut(re.compile(name))
        except (nats.errors.Error, OSError, TimeoutError) as error:
            log.warning("open connections not cut", extra={"error": repr(error)})

    async def _whose(self, message: Msg) -> str | None:
        """The names of connections that are to be cut, as a regular expression."""
        _, tenant_id, aggregate, aggregate_id, _ = message.subject.split(".")
        everybody = rf"{tenant_id}\.[^.]*\.[^.]*"
        if aggregate == ApiTokenRevoked.aggregate:
            return rf"{tenant_id}\.[^.]*\.{aggregate_id}"
        if aggregate == TenantDeactivated.aggregate:
            return everybody
        try:
            event = (await self._codec.recorded(0, message.headers or {}, message.data)).event
        except (Erased, Unavailable):
            return everybody  # whoever it is about is one of them
        if isinstance(event, UserDeactivated):
            return rf"{tenant_id}\.{event.user_id}\.[^.]*"
        return everybody if of_whole_tenant(event) else None

    async def _cut(self, name: re.Pattern[str]) -> None:
        async with _connected(self._system_url) as system:
            for server, connections in (await _connections(system)).items():
                for cid, user in connections.items():
                    if name.fullmatch(user):
                        kick = json.dumps({"cid": cid}).encode()
                        await system.request(f"$SYS.REQ.SERVER.{server}.KICK", kick, timeout=5)


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Client]:
    """As the system's user, for a moment: it is needed once in a long while."""
    client = await nats.connect(url, name="minirag-gateway-door", allow_reconnect=False)
    try:
        yield client
    finally:
        await client.close()


async def _connections(system: Client) -> dict[str, dict[int, str]]:
    """By server, the number of every connection and who it is."""
    found: dict[str, dict[int, str]] = {}
    offset, more = 0, True
    while more:
        more = False
        question = json.dumps({"auth": True, "limit": PAGE, "offset": offset}).encode()
        async for answer in _answers(system, "$SYS.REQ.SERVER.PING.CONNZ", question):
            page = answer["data"]["connections"]
            known = found.setdefault(answer["server"]["id"], {})
            known |= {one["cid"]: one.get("authorized_user", "") for one in page}
            more = more or len(page) == PAGE
        offset += PAGE
    return found


async def _answers(system: Client, subject: str, question: bytes) -> AsyncIterator[dict[str, Any]]:
    """Of all servers, until none has answered for a moment."""
    inbox = system.new_inbox()
    subscription = await system.subscribe(inbox)
    await system.publish(subject, question, reply=inbox)
    with suppress(nats.errors.TimeoutError):
        while True:
            yield json.loads((await subscription.next_msg(timeout=ANSWER_SECONDS)).data)
    await subscription.unsubscribe()
