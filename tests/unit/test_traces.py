"""The search for traces finds them: else its finding none would prove nothing."""

import base64
import gzip
import json
import zlib
from pathlib import Path

import pytest

from tests.e2e.traces import traces

MARKS = "„Äpfel“"
TEXT = f"Größe {MARKS} 0123456789abcdef"
WRITINGS = {
    "utf-8": TEXT.encode(),
    "utf-16": TEXT.encode("utf-16"),
    "json": json.dumps({"text": TEXT}).encode(),
    "json in json": json.dumps({"body": json.dumps({"text": TEXT})}).encode(),
    "zlib": zlib.compress(TEXT.encode()),
    "gzip": gzip.compress(TEXT.encode()),
    **{f"base64 behind {n}": base64.b64encode(b"x" * n + TEXT.encode()) for n in range(4)},
    "base64 for addresses": base64.urlsafe_b64encode(f"ab{TEXT} and more".encode()),
}


@pytest.mark.parametrize("name", WRITINGS)
def test_text_is_found_in_every_writing(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(WRITINGS[name])
    assert traces(tmp_path, TEXT) == [f"file: {TEXT}"]
    assert traces(tmp_path, "Something else that is not there") == []


@pytest.mark.parametrize(
    "data", [b"PK\x03\x04 and no more", b"\x1f\x8b\x08 likewise", b"\x78\x9c!"]
)
def test_a_file_that_cannot_be_unpacked_is_looked_through_as_it_is(
    data: bytes, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(data + TEXT.encode())
    assert traces(tmp_path, TEXT) == [f"file: {TEXT}"]


def test_a_bomb_is_not_blown_up(tmp_path: Path) -> None:
    (tmp_path / "bomb").write_bytes(gzip.compress(bytes(100_000_000)))
    assert traces(tmp_path, TEXT) == []
