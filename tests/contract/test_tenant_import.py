"""A tenant comes into a real log from an archive: once, whole, and sealed with its keys here."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pytest
from nats.aio.client import Client
from typing_extensions import override

from shared.adapters.blobs import Blobs
from shared.adapters.envelope import Codec, tenant_subjects
from shared.adapters.event_log import Append, EventLog
from shared.adapters.tenant_archive import ArchiveWriter, EventLine
from shared.adapters.tenant_export import exported
from shared.adapters.tenant_import import TenantImport
from shared.adapters.vault import Vault
from shared.contracts.base import GLOBAL_TENANT, Event, Recorded
from shared.contracts.chat import QuestionAsked, TurnFailed
from shared.contracts.gateway import (
    ApiTokenIssued,
    ApiTokenRevoked,
    SlugClaimed,
    TenantImported,
    TenantRegistered,
    UserCreated,
)
from shared.contracts.ingest import SourceCreated, SourceSettings, SourceUpdated
from shared.kernel.clock import utc_now
from shared.kernel.errors import Conflict, Unavailable, Unusable
from shared.kernel.ids import new_id
from tests.bank.messages import metadata

BLOB = b"The ferret weighs seven kilograms."
QUESTIONS = 450
"""More than two appends hold."""


def told(tenant_id: str, slug: str, source_id: str) -> list[Event]:
    settings = SourceSettings(name="Animals", refresh_schedule="daily", token_ref="stolen")
    questions = [
        QuestionAsked(
            chat_id="c1",
            turn_id=f"t{n}",
            bot_profile_id="b1",
            message_id=f"m{n}",
            first=n == 0,
            question=f"What is number {n}?",
        )
        for n in range(QUESTIONS)
    ]
    ended = [
        TurnFailed(
            chat_id="c1",
            turn_id=f"t{n}",
            bot_profile_id="b1",
            error="x",
            detail="x",
            retryable=False,
        )
        for n in range(QUESTIONS - 1)
    ]
    return [
        TenantRegistered(tenant_id=tenant_id, tenant_name="Acme", slug=slug),
        UserCreated(
            tenant_id=tenant_id,
            user_id="u1",
            email="owner@acme.example",
            email_hash="",
            display_name="Olga",
            role="owner",
            password_ref="p",
        ),
        ApiTokenIssued(
            token_id="k1",
            token_name="x",
            token_hash="h",
            token_prefix="p",
            user_id="u1",
        ),
        SourceCreated(
            source_id=source_id, bot_profile_id="b1", source_type="url", settings=settings
        ),
        *questions,
        *ended,
    ]


def archive(path: Path, tenant_id: str, events: Sequence[Event]) -> Path:
    writer, registration = ArchiveWriter(), new_id()
    lines = [
        EventLine(
            id=new_id(),
            type=event.type(),
            at=utc_now(),
            actor="user/u1",
            command=registration if n <= 2 else new_id(),
            correlation="r",
            body=event.model_dump(mode="json"),
        )
        for n, event in enumerate(events)
    ]
    parts = [
        writer.events(lines),
        writer.blob(hashlib.sha256(BLOB).hexdigest(), BLOB),
        writer.end(tenant_id, utc_now(), "0.1.0"),
    ]
    path.write_bytes(b"".join(parts))
    return path


class Interrupted(EventLog):
    """A log whose connection is lost before so many appends are stored."""

    appends = 0

    @override
    async def transcribe(self, records: Sequence[Recorded[Event]], expected: int) -> int:
        if self.appends == 0:
            raise Unavailable("the connection is lost")
        self.appends -= 1
        return await super().transcribe(records, expected)


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs.open((tmp_path / "blobs").as_uri())


@pytest.fixture
def file(tmp_path: Path, tenant_id: str) -> Path:
    events = told(tenant_id, f"slug-{tenant_id}", new_id())
    return archive(tmp_path / "tenant.zip", tenant_id, events)


async def stored(event_log: EventLog, tenant_id: str) -> list[Recorded[Event]]:
    history = event_log.history(0, [tenant_subjects(tenant_id)])
    return [record async for records in history for record in records]


async def test_the_whole_history_arrives_in_order(
    event_log: EventLog, vault: Vault, blobs: Blobs, file: Path, tenant_id: str
) -> None:
    done = await TenantImport(event_log, blobs, vault)(file)
    records = await stored(event_log, tenant_id)
    events = [record.event for record in records]
    assert [e.question for e in events if isinstance(e, QuestionAsked)] == [
        f"What is number {n}?" for n in range(QUESTIONS)
    ]
    assert isinstance(events[0], TenantRegistered)
    claimed = await event_log.last_of(GLOBAL_TENANT, "tenant_slug", f"slug-{tenant_id}")
    assert claimed is not None
    assert claimed.event == SlugClaimed(slug=f"slug-{tenant_id}", tenant_id=tenant_id)
    assert isinstance(records[-1].event, TenantImported)
    assert done.position == records[-1].sequence
    assert await blobs.get(tenant_id, hashlib.sha256(BLOB).hexdigest()) == BLOB


async def test_what_was_open_ends_and_schedules_are_stated_again(
    event_log: EventLog, vault: Vault, blobs: Blobs, file: Path, tenant_id: str
) -> None:
    await TenantImport(event_log, blobs, vault)(file)
    records = await stored(event_log, tenant_id)
    failed = [r for r in records if isinstance(r.event, TurnFailed)]
    assert len(failed) == QUESTIONS
    assert any(isinstance(r.event, ApiTokenRevoked) for r in records)
    # Only these are followed by the services: what followed from the others came with them.
    own = [record.event for record in records if record.metadata.imported is None]
    assert [type(event) for event in own] == [SourceUpdated, ApiTokenIssued, TenantImported]
    assert isinstance(own[0], SourceUpdated)
    assert own[0].settings.token_ref is None


async def test_personal_text_is_sealed_with_keys_of_this_installation(
    event_log: EventLog, client: Client, vault: Vault, blobs: Blobs, file: Path, tenant_id: str
) -> None:
    await TenantImport(event_log, blobs, vault)(file)
    raw = await client.jetstream().get_last_msg("EVENTS", f"evt.{tenant_id}.directory.>")
    assert raw.data is not None
    assert b"olga" not in raw.data.lower()
    assert b"acme.example" not in raw.data
    (user,) = [r.event for r in await stored(event_log, tenant_id) if "email" in str(r.event)]
    assert isinstance(user, UserCreated)
    assert user.email == "owner@acme.example"
    assert user.email_hash


@pytest.mark.parametrize("appends", [0, 1, 2, 3, 4, 5])
async def test_an_interrupted_import_is_repeated_to_the_same_end(
    event_log: EventLog,
    client: Client,
    codec: Codec,
    vault: Vault,
    blobs: Blobs,
    file: Path,
    tenant_id: str,
    appends: int,
) -> None:
    lost = Interrupted(client, codec, "tests")
    lost.appends = appends
    with pytest.raises(Unavailable):
        await TenantImport(lost, blobs, vault)(file)
    await TenantImport(event_log, blobs, vault)(file)
    assert (await TenantImport(event_log, blobs, vault)(file)).token is None
    records = await stored(event_log, tenant_id)
    kept = [record for record in records if record.metadata.imported is not None]
    assert len({record.event_id for record in records}) == len(records)
    # The turn that was open, and the token.
    assert len(kept) == 4 + QUESTIONS + (QUESTIONS - 1) + 2
    assert [type(r.event) for r in records].count(TenantImported) == 1


async def test_the_same_archive_again_does_nothing(
    event_log: EventLog, vault: Vault, blobs: Blobs, file: Path, tenant_id: str
) -> None:
    first = await TenantImport(event_log, blobs, vault)(file)
    before = await stored(event_log, tenant_id)
    again = await TenantImport(event_log, blobs, vault)(file)
    assert first.token is not None
    assert again.token is None
    assert await stored(event_log, tenant_id) == before


async def test_a_tenant_that_is_here_already_is_left_alone(
    event_log: EventLog, vault: Vault, blobs: Blobs, file: Path, tenant_id: str
) -> None:
    registered = TenantRegistered(tenant_id=tenant_id, tenant_name="Other", slug="other")
    await event_log.append([Append(registered, 0)], metadata(tenant_id))
    with pytest.raises(Conflict, match="already"):
        await TenantImport(event_log, blobs, vault)(file)
    assert len(await stored(event_log, tenant_id)) == 1


async def test_a_slug_that_is_taken_can_be_another(
    event_log: EventLog, vault: Vault, blobs: Blobs, file: Path, tenant_id: str
) -> None:
    claim = SlugClaimed(slug=f"slug-{tenant_id}", tenant_id="somebody")
    await event_log.append([Append(claim, 0)], metadata(tenant_id))
    with pytest.raises(Conflict, match="slug"):
        await TenantImport(event_log, blobs, vault)(file)
    assert not await stored(event_log, tenant_id)
    await TenantImport(event_log, blobs, vault)(file, f"other-{tenant_id}")
    first = (await stored(event_log, tenant_id))[0].event
    assert isinstance(first, TenantRegistered)
    assert first.slug == f"other-{tenant_id}"


async def test_a_source_of_another_tenant_is_not_taken_over(
    event_log: EventLog,
    vault: Vault,
    blobs: Blobs,
    tmp_path: Path,
    tenant_id: str,
    other_tenant_id: str,
) -> None:
    source_id = new_id()
    theirs = SourceCreated(
        source_id=source_id,
        bot_profile_id="b1",
        source_type="url",
        settings=SourceSettings(name="x"),
    )
    await event_log.append([Append(theirs, 0)], metadata(other_tenant_id))
    events = told(tenant_id, f"slug-{tenant_id}", source_id)
    path = archive(tmp_path / "a.zip", tenant_id, events)
    with pytest.raises(Conflict, match="another tenant"):
        await TenantImport(event_log, blobs, vault)(path)
    assert not await stored(event_log, tenant_id)


@pytest.mark.parametrize("wrong", ["elsewhere", "headless", "ownerless", "twice", "untellable"])
async def test_a_history_that_cannot_be_one_is_refused_before_anything_is_written(
    event_log: EventLog, vault: Vault, blobs: Blobs, tmp_path: Path, tenant_id: str, wrong: str
) -> None:
    events = told(tenant_id, f"slug-{tenant_id}", new_id())
    registered = events[0]
    histories: dict[str, list[Event]] = {
        "elsewhere": [
            *events,
            TenantRegistered(tenant_id="another", tenant_name="x", slug="x"),
        ],
        "headless": events[1:],
        "ownerless": [event for event in events if not isinstance(event, UserCreated)],
        "twice": [*events, registered],
        "untellable": [*events, ApiTokenRevoked(token_id="a.b.>", token_hash="h")],
    }
    path = archive(tmp_path / "a.zip", tenant_id, histories[wrong])
    with pytest.raises(Unusable):
        await TenantImport(event_log, blobs, vault)(path)
    assert not await stored(event_log, tenant_id)


async def test_what_is_exported_again_tells_the_same(
    event_log: EventLog, vault: Vault, blobs: Blobs, file: Path, tmp_path: Path, tenant_id: str
) -> None:
    await TenantImport(event_log, blobs, vault)(file)
    pieces = [piece async for piece in exported(event_log, blobs, vault, tenant_id)]
    again = tmp_path / "again.zip"
    again.write_bytes(b"".join(pieces))
    with pytest.raises(Conflict, match="already"):
        await TenantImport(event_log, blobs, vault)(again)
