"""Messages on the wire: CloudEvents attributes as headers, the body as JSON, all of it sealed.

A body is sealed with the key of its tenant, and personal text in it with the key of its subject
besides. A sealed body begins with a byte that no JSON begins with, so that those which an earlier
version wrote in clear are told apart.

Headers follow the NATS protocol binding of CloudEvents 1.0 in binary mode. All values are ASCII by
construction: ids, names of types, timestamps.
"""

import base64
import hashlib
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Protocol, TypeVar

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.contracts.base import (
    GLOBAL_TENANT,
    Command,
    Event,
    Keyed,
    Metadata,
    Personal,
    Recorded,
)
from shared.kernel.decoding import EventRegistry, UnknownEvent
from shared.kernel.errors import NotFound, TooLarge, Unusable
from shared.kernel.ids import subject_token
from shared.telemetry import spans

MAX_BODY = 1_000_000
"""Bytes of one message; the broker's `max_payload` is a little more."""
NONCE = 12
CIPHER = "$personal"
SEALED = b"\x01"
"""How a sealed body begins; behind it come the nonce and the text (AES-256-GCM)."""
SEALED_AT = len(SEALED) + NONCE
"""Where the sealed text begins."""

K = TypeVar("K", bound=Keyed)

Stored = tuple[int, Mapping[str, str], bytes]
"""A message of the log: its sequence, headers and body."""


class DataKeys(Protocol):
    """Where the keys of data subjects come from."""

    async def data_key(self, tenant_id: str, subject: str, *, create: bool) -> bytes | None:
        """None if it was destroyed, which is for good, or, without `create`, never made."""
        ...


class SealingKeys(DataKeys, Protocol):
    """Where the keys of whole tenants come from as well."""

    async def tenant_key(self, tenant_id: str) -> bytes | None:
        """Made when there is none. None if the tenant was erased, which is for good."""
        ...


class Erased(LookupError):
    """The message is of a tenant that was erased: nobody can, or shall, read it any more."""


def tenant_of(event: Event, metadata: Metadata) -> str:
    """Which tenant's part of the log the event belongs to."""
    return GLOBAL_TENANT if event.spans_tenants else metadata.tenant_id


def only_tenant(tenant_id: str, records: Sequence[Recorded[Event]]) -> str | None:
    """`tenant_id`, if the parts of log and rows that these belong to are this tenant's alone."""
    others = any(
        record.tenant_id != tenant_id or tenant_of(record.event, record.metadata) != tenant_id
        for record in records
    )
    return None if others else tenant_id


def event_subject(tenant_id: str, event: Event) -> str:
    prefix = aggregate_subject(tenant_id, event.aggregate, event.aggregate_id)
    return f"{prefix}.{event.name}"


def tenant_subjects(tenant_id: str) -> str:
    """Subjects of everything that a tenant's part of the log holds."""
    return f"evt.{subject_token(tenant_id)}.>"


def aggregate_subject(tenant_id: str, aggregate: str, aggregate_id: str) -> str:
    """Subject of an aggregate's events, without the event's name."""
    return f"evt.{subject_token(tenant_id)}.{aggregate}.{subject_token(aggregate_id)}"


def command_subject(tenant_id: str, command: Command) -> str:
    return (
        f"cmd.{subject_token(tenant_id)}.{command.aggregate}"
        f".{subject_token(command.aggregate_id)}.{command.verb}"
    )


def metadata_headers(metadata: Metadata) -> dict[str, str]:
    headers = {
        "ce-specversion": "1.0",
        "ce-time": metadata.now.isoformat(),
        "ce-tenant": metadata.tenant_id,
        "ce-actor": metadata.actor,
        "ce-correlationid": metadata.correlation_id,
        "cmd-id": metadata.message_id,
    }
    if metadata.causation_id:
        headers["ce-causationid"] = metadata.causation_id
    if traceparent := spans.traceparent(metadata.traceparent):
        headers["traceparent"] = traceparent
    if metadata.origin:
        headers["ce-origin"] = metadata.origin
    if metadata.imported:
        headers["ce-imported"] = metadata.imported
    return headers


def read_metadata(headers: Mapping[str, str]) -> Metadata:
    # Faster than `model_construct`, which is written in Python.
    return Metadata.model_validate(
        {
            "tenant_id": headers["ce-tenant"],
            "message_id": headers["cmd-id"],
            "correlation_id": headers["ce-correlationid"],
            "causation_id": headers.get("ce-causationid"),
            "actor": headers["ce-actor"],
            "now": datetime.fromisoformat(headers["ce-time"]),
            "traceparent": headers.get("traceparent"),
            "origin": headers.get("ce-origin"),
            "imported": headers.get("ce-imported"),
        }
    )


def event_headers(event: Event, event_id: str, metadata: Metadata, service: str) -> dict[str, str]:
    return {
        **metadata_headers(metadata),
        "Nats-Msg-Id": event_id,
        "ce-id": event_id,
        "ce-type": event.type(),
        "ce-source": f"/minirag/{service}",
        "ce-subject": f"{event.aggregate}/{event.aggregate_id}",
        "ce-datacontenttype": "application/json",
    }


class Codec:
    """Turns messages into bodies and back, sealing and opening them."""

    def __init__(self, keys: SealingKeys, registry: EventRegistry) -> None:
        self._keys = keys
        self._registry = registry

    async def encode(self, message: Keyed, tenant_id: str) -> bytes:
        """Raise `TooLarge` if it does not fit into one message, `NotFound` if the tenant was
        erased.
        """
        body = message.model_dump(mode="json")
        personal = dict(_personal(type(message)))
        if personal and (subject := message.data_subject):
            key = await self._keys.data_key(tenant_id, subject, create=True)
            for name, mark in personal.items():
                if key is None:  # the subject was erased: its words are not to come back
                    body[name] = mark.erased
                    continue
                nonce = os.urandom(NONCE)
                aad = _associated(tenant_id, subject, name)
                sealed = AESGCM(key).encrypt(nonce, orjson.dumps(body[name]), aad)
                body[name] = {
                    CIPHER: base64.b64encode(nonce + sealed).decode(),
                    "of": subject,
                    "key": _fingerprint(key),
                }
        encoded = orjson.dumps(body)
        if len(encoded) > MAX_BODY:
            raise TooLarge(f"{len(encoded)} bytes do not fit into one message")
        if not _sealable(type(message), tenant_id):
            return encoded
        if (key := await self._keys.tenant_key(tenant_id)) is None:
            raise NotFound("Tenant not found")
        nonce = os.urandom(NONCE)
        return SEALED + nonce + AESGCM(key).encrypt(nonce, encoded, tenant_id.encode())

    async def decode(self, cls: type[K], data: bytes, tenant_id: str) -> K:
        """Raise `Erased` if the tenant was, `InvalidTag` if it was sealed otherwise."""
        body = orjson.loads(await self.clear(data, tenant_id))
        if not data.startswith(SEALED):
            await self._refuse_erased(cls, tenant_id)
        return cls.model_validate(await self._open(cls, body, tenant_id))

    async def decode_event(self, type_name: str, data: bytes, tenant_id: str) -> Event:
        """Raise `UnknownEvent` for a type this version does not know; else as `decode`."""
        body = orjson.loads(await self.clear(data, tenant_id))
        cls = self._registry.event_class(type_name, body)
        if not data.startswith(SEALED):
            await self._refuse_erased(cls, tenant_id)
        return self._registry.decode(type_name, await self._open(cls, body, tenant_id))

    async def recorded(
        self, sequence: int, headers: Mapping[str, str], data: bytes
    ) -> Recorded[Event]:
        """The event of one message of the log. Raises `UnknownEvent`, `Erased`, and `Unusable` if
        the vault is not the one that belongs to the log.
        """
        metadata = read_metadata(headers)
        try:
            event = await self.decode_event(headers["ce-type"], data, metadata.tenant_id)
        except InvalidTag as error:
            raise _sealed_otherwise(sequence, metadata.tenant_id) from error
        return Recorded(event, metadata, headers["ce-id"], sequence)

    async def recorded_or_erased(
        self, sequence: int, headers: Mapping[str, str], data: bytes
    ) -> Recorded[Event] | None:
        """As `recorded`; None if its tenant was erased, and `Unusable` for an unknown type too."""
        try:
            return await self.recorded(sequence, headers, data)
        except Erased:
            return None
        except UnknownEvent as error:
            raise Unusable(
                f"event {sequence} is of a type only a newer version knows: {error}"
            ) from error

    async def recorded_all(self, stored: Sequence[Stored]) -> list[Recorded[Event] | None]:
        """As `recorded_or_erased`, for many.

        Most are of few tenants, of a type as it is, and hold no personal text. Those are read
        without a turn of the event loop each.
        """
        ciphers: dict[str, AESGCM | None] = {}
        found: list[Recorded[Event] | None] = []
        for sequence, headers, data in stored:
            tenant_id, type_name = headers["ce-tenant"], headers["ce-type"]
            cls = self._registry.newest(type_name)
            if cls is None or _personal(cls) or not data.startswith(SEALED):
                found.append(await self.recorded_or_erased(sequence, headers, data))
                continue
            if tenant_id not in ciphers:
                key = await self._keys.tenant_key(tenant_id)
                ciphers[tenant_id] = None if key is None else AESGCM(key)
            if (cipher := ciphers[tenant_id]) is None:
                found.append(None)
                continue
            try:
                clear = cipher.decrypt(data[1:SEALED_AT], data[SEALED_AT:], tenant_id.encode())
            except InvalidTag as error:
                raise _sealed_otherwise(sequence, tenant_id) from error
            event = cls.model_validate(orjson.loads(clear))
            found.append(Recorded(event, read_metadata(headers), headers["ce-id"], sequence))
        return found

    async def clear(self, data: bytes, tenant_id: str) -> bytes:
        """The body as JSON, in which personal text is still sealed. Raises as `decode`."""
        if not data.startswith(SEALED):
            return data
        if (key := await self._keys.tenant_key(tenant_id)) is None:
            raise Erased(tenant_id)
        return AESGCM(key).decrypt(data[1:SEALED_AT], data[SEALED_AT:], tenant_id.encode())

    async def _refuse_erased(self, cls: type[Keyed], tenant_id: str) -> None:
        """What an earlier version wrote in clear is to be gone too, as far as this one shows it."""
        if _sealable(cls, tenant_id) and await self._keys.tenant_key(tenant_id) is None:
            raise Erased(tenant_id)

    async def _open(self, cls: type[Keyed], body: dict[str, Any], tenant_id: str) -> dict[str, Any]:
        for name, mark in _personal(cls):
            sealed = body.get(name)
            if not isinstance(sealed, dict) or CIPHER not in sealed:
                continue
            subject = sealed["of"]
            key = await self._keys.data_key(tenant_id, subject, create=False)
            # A subject that came back after an erasure has another key; the old text stays gone.
            if key is None or sealed.get("key") not in (None, _fingerprint(key)):
                body[name] = mark.erased
                continue
            raw = base64.b64decode(sealed[CIPHER])
            aad = _associated(tenant_id, subject, name)
            body[name] = orjson.loads(AESGCM(key).decrypt(raw[:NONCE], raw[NONCE:], aad))
        return body


def _sealed_otherwise(sequence: int, tenant_id: str) -> Unusable:
    return Unusable(
        f"event {sequence} of tenant {tenant_id} was sealed with a key that the vault does not "
        "hold: restore the vault together with the log"
    )


def _sealable(cls: type[Keyed], tenant_id: str) -> bool:
    return not cls.in_clear and tenant_id != GLOBAL_TENANT


@cache
def _personal(cls: type[Keyed]) -> tuple[tuple[str, Personal], ...]:
    """The personal fields of a class: asked for every message that is read."""
    return tuple(cls.personal_fields())


def _fingerprint(key: bytes) -> str:
    """Tells keys apart and nothing about them: 64 bits of the SHA-256 of 256 random ones."""
    return hashlib.sha256(key).hexdigest()[:16]


def _associated(tenant_id: str, subject: str, field: str) -> bytes:
    return f"{tenant_id}|{subject}|{field}".encode()
