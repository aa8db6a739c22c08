"""Looks for what somebody wrote in every file, however it is written there."""

import base64
import io
import json
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from ahocorasick_rs import BytesAhoCorasick

ZLIB = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
GZIP, ZIP = b"\x1f\x8b\x08", b"PK\x03\x04"
LARGEST = 5_000_000
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError)
"""What unpacking raises: also of members that are encrypted or packed in an unknown way."""


def spellings(text: str) -> set[bytes]:
    """The bytes of `text` in every writing that a file may have it in.

    Base64 depends on where in its triple the text begins; what comes before and behind is cut off.
    """
    raw = text.encode()
    found = {
        raw,
        text.encode("utf-16-le"),
        text.encode("utf-16-be"),
        json.dumps(text)[1:-1].encode(),
        json.dumps(json.dumps(text)[1:-1])[1:-1].encode(),
    }
    for one in (raw, text.encode("utf-16-le")):
        for shift in range(3):
            whole = base64.b64encode(b"\0" * shift + one)
            core = whole[4 if shift else 0 : -4].rstrip(b"=")
            found |= {core, core.replace(b"+", b"-").replace(b"/", b"_")}
    return found


def traces(data_dir: Path, *texts: str) -> list[str]:
    """`file: text` for each of `texts` that stands in a file."""
    wanted = [(written, text) for text in texts for written in spellings(text)]
    all_at_once = BytesAhoCorasick([written for written, _ in wanted])
    found = set()
    for file in sorted(data_dir.rglob("*")):
        try:
            if not file.is_file():
                continue
            data = file.read_bytes()
        except FileNotFoundError:
            continue  # a server removed it while we looked
        for content in (data, *unpacked(data)):
            found |= {
                f"{file.relative_to(data_dir)}: {wanted[n][1]}"
                for n, _, _ in all_at_once.find_matches_as_indexes(content, overlapping=True)
            }
    return sorted(found)


def unpacked(data: bytes) -> Iterator[bytes]:
    """What compressed parts of a file hold, up to a size each; nothing of a damaged one.

    Files that attack by what they unpack to may lie beside those that are looked for.
    """
    try:
        if data.startswith(ZIP):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                for name in archive.namelist():
                    with archive.open(name) as member:
                        yield member.read(LARGEST)
        elif data.startswith(GZIP):
            yield zlib.decompressobj(wbits=31).decompress(data, LARGEST)
        elif data.startswith(ZLIB):
            yield zlib.decompressobj().decompress(data, LARGEST)
    except DAMAGED:
        return
