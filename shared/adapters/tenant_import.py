"""Brings a tenant from an archive into the log of an installation that does not have it.

The read models and the index follow by themselves, as after any event. Everything is looked at
before anything is written. Whoever is interrupted repeats it: what is there is passed over.
"""

import asyncio
import base64
import re
import secrets
import tempfile
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from shared.adapters.archived_events import Transcriber, event_of
from shared.adapters.blobs import Blobs
from shared.adapters.envelope import event_subject, tenant_subjects
from shared.adapters.event_log import MOST_EVENTS, EventLog
from shared.adapters.tenant_archive import ArchiveReader, EventLine
from shared.adapters.unfinished import Unfinished
from shared.adapters.vault import Vault
from shared.contracts.base import GLOBAL_TENANT, Event, Metadata, Recorded
from shared.contracts.gateway import (
    ApiTokenIssued,
    SlugClaimed,
    TenantImported,
    TenantRegistered,
    WidgetKeyCreated,
)
from shared.contracts.ingest import SourceCreated
from shared.contracts.webhooks import SecretRotated, WebhookCreated
from shared.kernel.clock import utc_now
from shared.kernel.errors import Conflict, StaleVersion, Unavailable, Unusable
from shared.kernel.ids import derived_id, new_id
from shared.kernel.tokens import SHOWN, new_token, token_hash

AT_ONCE = 200
"""Events of one append, unless more belong together."""
TRIES = 50
TOKEN_NAME = "after the import"  # noqa: S105  a label, not a secret
SECRET_REF = re.compile(r"webhook/[0-9A-Za-z_/-]{1,200}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of it."""

    tenant_id: str
    events: int
    blobs: int
    position: int
    """Of the last event here."""
    token: str | None
    """Of an owner, known to nobody else; None: it had been imported before."""


@dataclass
class _Findings:
    """What an archive holds, as far as it matters before it is taken."""

    registered: TenantRegistered
    unfinished: Unfinished = field(default_factory=Unfinished)
    sources: set[str] = field(default_factory=set)
    public_keys: set[str] = field(default_factory=set)
    secret_refs: set[str] = field(default_factory=set)


class TenantImport:
    """Raises `Unusable` for an archive that is damaged or not ours, `Conflict` where the tenant or
    something of it is there already, `Unavailable` if log or blobs do not answer: then repeat it.
    """

    def __init__(self, event_log: EventLog, blobs: Blobs, vault: Vault) -> None:
        self._log = event_log
        self._blobs = blobs
        self._vault = vault

    async def __call__(self, path: Path, slug: str | None = None) -> Imported:
        """With `slug` the tenant gets another one than it had."""
        with await asyncio.to_thread(ArchiveReader, path) as reader:
            manifest = reader.manifest
            found = await asyncio.to_thread(_examined, reader)
            owner = found.unfinished.owner()
            if owner is None:
                raise Unusable("the archive holds no owner who is active")
            archive = manifest.events_sha256
            done, expected, finished = await self._there(manifest.tenant_id, archive)
            if finished:
                return Imported(manifest.tenant_id, manifest.events, manifest.blobs, expected, None)
            if await self._vault.tenant_key(manifest.tenant_id) is None:
                raise Conflict("This tenant was erased here, which is for good")
            registered = found.registered
            if slug is not None:
                registered = registered.model_copy(update={"slug": slug})
            await self._check_free(manifest.tenant_id, registered, found)
            await self._take_blobs(reader)
            await self._make_secrets(manifest.tenant_id, found)
            log = _Appending(self._log, expected)
            transcriber = Transcriber(self._vault, manifest.tenant_id, archive)
            async with aclosing(_events(reader, found, archive, done)) as events:
                async for line, event in events:
                    told = registered if isinstance(event, TenantRegistered) else event
                    await log.add(await transcriber.record(line, told))
                    if isinstance(told, TenantRegistered):
                        claim = SlugClaimed(slug=told.slug, tenant_id=told.tenant_id)
                        record = await transcriber.record(_claiming(line), claim)
                        await log.add(record)
            await log.flush()
            token = new_token()
            imported = TenantImported(
                tenant_id=manifest.tenant_id, archive=archive, events=manifest.events
            )
            last = await self._finish(found, owner, token, imported)
            return Imported(manifest.tenant_id, manifest.events, manifest.blobs, last, token)

    async def _there(self, tenant_id: str, archive: str) -> tuple[int, int, bool]:
        """How many events of the archive are in the log, the tenant's last sequence, and whether
        all is done.
        """
        done = expected = 0
        finished = False
        history = self._log.history(0, [tenant_subjects(tenant_id)])
        async with aclosing(history) as batches:
            async for records in batches:
                for record in records:
                    if record.metadata.imported == archive:
                        done += 1
                    elif not done:
                        raise Conflict(
                            f"This installation has a tenant {tenant_id} already, and not from "
                            "this archive"
                        )
                    if isinstance(record.event, TenantImported):
                        finished = finished or record.event.archive == archive
                    expected = record.sequence
        return done, expected, finished

    async def _check_free(
        self, tenant_id: str, registered: TenantRegistered, found: _Findings
    ) -> None:
        claim = SlugClaimed(slug=registered.slug, tenant_id=tenant_id)
        taken = await self._log.last_of(GLOBAL_TENANT, claim.aggregate, claim.aggregate_id)
        if taken is not None and taken.event != claim:
            raise Conflict(f"{claim.taken}: name another one for this tenant")
        for source_id in found.sources:
            # The index knows passages by their source alone.
            if await self._log.tenant_with("source", source_id) not in (None, tenant_id):
                raise Conflict(f"Source {source_id} belongs to another tenant here")
        if not found.public_keys:
            return
        history = self._log.history(0, ["evt.*.widget_key.*.created"])
        async with aclosing(history) as batches:
            async for records in batches:
                for record in records:
                    event = record.event
                    if (
                        isinstance(event, WidgetKeyCreated)
                        and record.tenant_id != tenant_id
                        and event.public_key in found.public_keys
                    ):
                        raise Conflict(f"Widget key {event.public_key} belongs to another tenant")

    async def _take_blobs(self, reader: ArchiveReader) -> None:
        for digest in reader.digests:
            with tempfile.TemporaryFile() as file:
                await asyncio.to_thread(reader.copy_blob, digest, file)
                await self._blobs.put_file(reader.manifest.tenant_id, file)

    async def _make_secrets(self, tenant_id: str, found: _Findings) -> None:
        """Endpoints sign with secrets of this installation; rotating one shows it."""
        for ref in sorted(found.secret_refs):
            if await self._vault.get(tenant_id, ref) is None:
                secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
                await self._vault.put(tenant_id, ref, secret.encode())

    async def _finish(
        self, found: _Findings, owner: str, token: str, imported: TenantImported
    ) -> int:
        """State the schedules again, and tell last that all is here. Returns the last sequence."""
        issued = ApiTokenIssued(
            token_id=new_id(),
            token_name=TOKEN_NAME,
            token_hash=token_hash(token),
            token_prefix=token[:SHOWN],
            user_id=owner,
        )
        own: list[Event] = [*found.unfinished.restated(), issued, imported]
        last = 0
        for start in range(0, len(own), AT_ONCE):
            records = self._own(imported.tenant_id, own[start : start + AT_ONCE])
            last = await self._follow_on(imported.tenant_id, records)
        return last

    async def _follow_on(self, tenant_id: str, records: Sequence[Recorded[Event]]) -> int:
        """Append behind whatever is there: services follow such facts, and tell of it at once."""
        for _ in range(TRIES):
            expected = await self._log.last_sequence_in(tenant_id)
            with suppress(StaleVersion):
                return await self._log.transcribe(records, expected)
        raise Unavailable("the services write to this tenant all the time; import it again")

    @staticmethod
    def _own(tenant_id: str, events: Sequence[Event]) -> list[Recorded[Event]]:
        """What is not in the archive: facts of this installation, which it follows."""
        message_id = new_id()
        metadata = Metadata(
            tenant_id=tenant_id,
            message_id=message_id,
            correlation_id=message_id,
            actor="operator",
            now=utc_now(),
        )
        return [
            Recorded(event, metadata, derived_id("event", message_id, str(n)), 0)
            for n, event in enumerate(events)
        ]


class _Appending:
    """Appends in groups that never part what was appended together."""

    def __init__(self, event_log: EventLog, expected: int) -> None:
        self._log = event_log
        self._group: list[Recorded[Event]] = []
        self.expected = expected

    async def add(self, record: Recorded[Event]) -> None:
        group = self._group
        whole = group and group[-1].metadata.message_id != record.metadata.message_id
        if (len(group) >= AT_ONCE and whole) or len(group) >= MOST_EVENTS:
            await self.flush()
        self._group.append(record)

    async def flush(self) -> None:
        if not self._group:
            return
        try:
            self.expected = await self._log.transcribe(self._group, self.expected)
        except StaleVersion as error:
            raise Conflict(
                "Somebody else writes to this tenant, or its slug was taken meanwhile"
            ) from error
        self._group = []


def _examined(reader: ArchiveReader) -> _Findings:
    """Read all events. Raises `Unusable` for the first thing that is wrong."""
    tenant_id = reader.manifest.tenant_id
    found: _Findings | None = None
    for line in reader.lines():
        event = event_of(line)
        try:
            event_subject(tenant_id, event)
        except ValueError as error:
            raise Unusable(f"event {line.id} is about an id that cannot be one") from error
        about_tenant = event.aggregate in ("tenant", "directory")
        if about_tenant and event.aggregate_id != tenant_id:
            raise Unusable(f"event {line.id} is about another tenant than the archive")
        if isinstance(event, TenantRegistered):
            if found is not None:
                raise Unusable("the archive registers its tenant twice")
            found = _Findings(event)
        if found is None:
            raise Unusable("the archive does not begin with the tenant's registration")
        found.unfinished.see(event)
        _note(found, line, event)
    if found is None:
        raise Unusable("the archive holds no events")
    return found


def _note(found: _Findings, line: EventLine, event: Event) -> None:
    match event:
        case SourceCreated():
            found.sources.add(event.source_id)
        case WidgetKeyCreated():
            if event.public_key in found.public_keys:
                raise Unusable(f"event {line.id} makes a widget key twice")
            found.public_keys.add(event.public_key)
        case WebhookCreated() | SecretRotated():
            if not SECRET_REF.fullmatch(event.secret_ref):
                raise Unusable(f"event {line.id} keeps its secret where none of ours lies")
            found.secret_refs.add(event.secret_ref)
        case _:
            pass


async def _events(
    reader: ArchiveReader, found: _Findings, archive: str, done: int
) -> AsyncGenerator[tuple[EventLine, Event], None]:
    """What is to be appended, but for the first `done`: the archive, and how it ends here."""
    lines = islice(_all_lines(reader, found, archive), done, None)
    while batch := await asyncio.to_thread(list, islice(lines, AT_ONCE)):
        for line, event in batch:
            yield line, event


def _all_lines(
    reader: ArchiveReader, found: _Findings, archive: str
) -> Iterator[tuple[EventLine, Event]]:
    for line in reader.lines():
        yield line, event_of(line)
    now = utc_now()
    for n, event in enumerate(found.unfinished.ends()):
        name = derived_id("import", archive, str(n))
        line = EventLine(
            id=name,
            type=event.type(),
            at=now,
            actor="operator",
            command=name,
            correlation=name,
            body={},
        )
        yield line, event


def _claiming(line: EventLine) -> EventLine:
    """The claim on the slug, which stands beside the registration as it did before."""
    return line.model_copy(update={"id": derived_id("event", line.command, "1"), "body": {}})
