"""An archive of a tenant: written in pieces, and refused in words unless it is whole and ours."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.archived_events import event_of
from shared.adapters.tenant_archive import ArchiveReader, ArchiveWriter, EventLine
from shared.contracts.chat import BotProfileCreated, BotSettings
from shared.contracts.gateway import ApiTokenIssued, SessionEnded, SlugClaimed
from shared.contracts.ingest import SourceCreated, SourceSettings
from shared.kernel.errors import Unusable

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BLOB = b"some text"
DIGEST = hashlib.sha256(BLOB).hexdigest()


def line(n: int = 1, **fields: Any) -> EventLine:
    given = {
        "id": f"e{n}",
        "type": "chat.question_asked.v1",
        "at": NOW,
        "actor": "user/u1",
        "command": f"c{n}",
        "correlation": "r",
        "body": {"n": n},
    }
    return EventLine.model_validate({**given, **fields})


def archive(count: int = 3) -> bytes:
    writer = ArchiveWriter()
    parts = [writer.events([line(n)]) for n in range(count)]
    parts.append(writer.blob(DIGEST, BLOB))
    parts.append(writer.end("t1", NOW, "0.1.0"))
    return b"".join(parts)


Change = Callable[[dict[str, bytes]], None]


def changed(path: Path, change: Change) -> Path:
    """An archive in which something was changed by hand."""
    with zipfile.ZipFile(io.BytesIO(archive())) as before:
        members = {name: before.read(name) for name in before.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w") as after:
        for name, data in members.items():
            after.writestr(name, data)
    return path


def manifest(**fields: Any) -> Change:
    def change(members: dict[str, bytes]) -> None:
        told = json.loads(members["manifest.json"])
        members["manifest.json"] = json.dumps({**told, **fields}).encode()

    return change


def replaced(name: str, data: bytes) -> Change:
    return lambda members: members.__setitem__(name, data)


def read_all(path: Path) -> list[EventLine]:
    with ArchiveReader(path) as reader:
        for digest in reader.digests:
            reader.copy_blob(digest, io.BytesIO())
        return list(reader.lines())


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(archive())
    assert read_all(path) == [line(n) for n in range(3)]
    into = io.BytesIO()
    with ArchiveReader(path) as reader:
        assert (reader.manifest.tenant_id, reader.manifest.events) == ("t1", 3)
        assert reader.digests == (DIGEST,)
        reader.copy_blob(DIGEST, into)
    assert into.getvalue() == BLOB


REFUSED: Mapping[str, tuple[Change, str]] = {
    "another version": (manifest(version=2), "version 2"),
    "another format": (manifest(format="zip"), "no archive of a tenant"),
    "a manifest of another shape": (manifest(events="many"), "manifest"),
    "fields that nobody knows": (manifest(keys="x"), "keys"),
    "too few blobs": (manifest(blobs=2), "2"),
    "a manifest that is no JSON": (replaced("manifest.json", b"{"), "manifest"),
    "no manifest": (lambda m: m.__delitem__("manifest.json"), "lacks manifest.json"),
    "no events": (lambda m: m.__delitem__("events.jsonl"), "lacks events.jsonl"),
    "other events": (replaced("events.jsonl", b""), "not those that were written"),
    "a blob of other bytes": (replaced(f"blobs/{DIGEST}", b"other"), "holds other bytes"),
    "a path out of it": (replaced("../../etc/passwd", b"x"), "does not belong there"),
    "an absolute path": (replaced("/etc/passwd", b"x"), "does not belong there"),
    "a path within": (replaced("blobs/../x", b"x"), "does not belong there"),
    "a name that is no digest": (replaced("blobs/ABC", b"x"), "does not belong there"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_is_refused_in_words(name: str, tmp_path: Path) -> None:
    change, told = REFUSED[name]
    with pytest.raises(Unusable, match=told):
        read_all(changed(tmp_path / "a.zip", change))


@pytest.mark.parametrize("bad", [b"{}\n", b"no json\n", b'"text"\n'])
def test_a_line_that_is_no_event_is_named(bad: bytes, tmp_path: Path) -> None:
    def change(members: dict[str, bytes]) -> None:
        members["events.jsonl"] = bad
        manifest(events=1, events_sha256=hashlib.sha256(bad).hexdigest())(members)

    with pytest.raises(Unusable, match="line 1"):
        read_all(changed(tmp_path / "a.zip", change))


def test_a_member_that_is_there_twice(tmp_path: Path) -> None:
    path = changed(tmp_path / "a.zip", lambda _members: None)
    with zipfile.ZipFile(path, "a") as twice, pytest.warns(UserWarning, match="Duplicate"):
        twice.writestr("events.jsonl", b"")
    with pytest.raises(Unusable, match="twice"):
        ArchiveReader(path)


def test_every_way_to_be_cut_is_refused(tmp_path: Path) -> None:
    whole = archive()
    path = tmp_path / "a.zip"
    for length in range(0, len(whole) - 1, 37):
        path.write_bytes(whole[:length])
        with pytest.raises(Unusable):
            read_all(path)


def test_every_byte_that_changes_is_seen_or_means_nothing(tmp_path: Path) -> None:
    whole = archive()
    right = [line(n) for n in range(3)]
    path = tmp_path / "a.zip"
    for at in range(0, len(whole), 5):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        try:
            found = read_all(path)
        except Unusable:
            continue
        assert found == right


@pytest.mark.parametrize("field", ["id", "actor", "command", "correlation", "cause", "trace"])
@pytest.mark.parametrize("value", ["a\r\nNats-Rollup: all", "", "x" * 201, "a b"])
def test_nothing_slips_into_headers(field: str, value: str) -> None:
    with pytest.raises(ValueError, match=field):
        line(1, **{field: value})


class TestEvents:
    def test_secrets_are_taken_out(self) -> None:
        bot = BotProfileCreated(
            bot_profile_id="b1", settings=BotSettings(name="x", credentials_ref="bot/b1")
        )
        source = SourceCreated(
            source_id="s1",
            bot_profile_id="b1",
            source_type="nyxcore",
            settings=SourceSettings(name="x", token_ref="source/s1"),
        )
        token = ApiTokenIssued(
            token_id="k1",
            token_name="x",
            token_hash="hash",
            token_prefix="nrag_live_abc",
            user_id="u1",
        )
        for event in (bot, source, token):
            text = event_of(
                line(type=event.type(), body=event.model_dump(mode="json"))
            ).model_dump_json()
            assert not any(secret in text for secret in ("bot/b1", "source/s1", '"hash"'))

    @pytest.mark.parametrize(
        "event",
        [SlugClaimed(slug="acme", tenant_id="t2"), SessionEnded(session_id="s", reason="logout")],
    )
    def test_what_belongs_to_an_installation_is_refused(
        self, event: SlugClaimed | SessionEnded
    ) -> None:
        with pytest.raises(Unusable, match="do not belong there"):
            event_of(line(type=event.type(), body=event.model_dump(mode="json")))

    def test_a_type_of_a_newer_version(self) -> None:
        with pytest.raises(Unusable, match="newer version"):
            event_of(line(type="chat.sung.v9"))

    def test_a_body_of_another_shape(self) -> None:
        with pytest.raises(Unusable, match="shape"):
            event_of(line(type="source.created.v1", body={"source_id": 7}))
