"""Files that are built to hurt, or broken: what is uploaded, and what people are told about it."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from tests import documents, office

MEGABYTE = 1 << 20
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
DEEP = 200_000
NOTHING = "No content to ingest"
WORD, SHEET = documents.docx(["x"]), office.xlsx({"A": [["x"]]})


class Hostile(NamedTuple):
    name: str
    make: Callable[[], bytes]
    """Its bytes, made when they are needed: some are large on the way."""
    told: str
    """A part of the reason that the source shows."""

    @property
    def label(self) -> str:
        return self.name.rpartition(".")[0]


def corpus() -> Iterator[Hostile]:
    """Every one of them has to end in an error."""
    yield from _bombs()
    yield from _broken()
    yield from _mislabelled()
    yield from _protected()
    yield from _empty()


def part_replaced(file: bytes, name: str, content: bytes) -> bytes:
    """The archive with one part of it exchanged."""
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        parts: dict[str, str | bytes] = {n: archive.read(n) for n in archive.namelist()}
    return office.archive({**parts, name: content})


def _bombs() -> Iterator[Hostile]:
    yield Hostile("zip bomb.docx", _zip_bomb, "unpacks to more than 200 MB")
    yield Hostile("zip bomb that lies.docx", _lying_zip_bomb, "")
    yield Hostile(
        "zip of many parts.docx",
        lambda: office.archive({f"word/{n}.xml": "" for n in range(6000)}),
        "more than 5000 parts",
    )
    yield Hostile(
        "zip bomb below the limit.xlsx",
        lambda: part_replaced(SHEET, "xl/worksheets/sheet1.xml", b" " * (150 * MEGABYTE)),
        "",
    )
    yield Hostile("gzip bomb.txt", _gzip, "gzip archive")
    yield Hostile("gzip bomb.html", _gzip, "gzip archive")
    yield Hostile("xml bomb.xml", lambda: _laughs("<a>&a9;</a>"), "")
    yield Hostile("xml that reads files.xml", lambda: _entity("file:///etc/passwd"), "")
    yield Hostile("xml nested deeply.xml", lambda: b"<a>" * DEEP + b"</a>" * DEEP, "XML")
    laughing = f'<w:document xmlns:w="{documents.WORD}"><w:body>&a9;</w:body></w:document>'
    yield Hostile(
        "xml bomb inside.docx",
        lambda: part_replaced(WORD, "word/document.xml", _laughs(laughing)),
        "",
    )
    yield Hostile("book nested deeply.epub", _deep_book, "")
    yield Hostile("text nested deeply.odt", _deep_text, "")
    yield Hostile("pdf bomb.pdf", lambda: _pdf_bomb(1), "")
    yield Hostile("pdf bomb packed twice.pdf", lambda: _pdf_bomb(2), "")
    yield Hostile("json nested deeply.json", lambda: b"[" * DEEP + b"]" * DEEP, "JSON")
    yield Hostile("page without words.html", lambda: b"<div>" * DEEP + b"</div>" * DEEP, "")
    yield Hostile("picture of a gigapixel.png", lambda: _png(30_000, 30_000), "")


def _broken() -> Iterator[Hostile]:
    for name, data, told in (
        ("cut off.pdf", documents.pdf(["x"])[:150], "the PDF is damaged"),
        ("cut off.docx", WORD[:300], "the Word document is damaged"),
        ("cut off.xlsx", SHEET[:300], "Excel workbook is damaged"),
        ("cut off.pptx", office.pptx([("x", "y")])[:300], "presentation is damaged"),
        ("cut off.odt", office.odt("x", ["y"])[:300], "OpenDocument text is damaged"),
        ("cut off.epub", office.epub("x", [("y", "z")])[:300], "EPUB book is damaged"),
        ("cut off.json", b'{"a": [1, 2', "it is not valid JSON (line 1"),
        ("cut off.xml", b"<a><b>text</b>", "it is not well-formed XML"),
        ("wrong encoding.txt", "Fünf Jahre".encode("latin-1"), "encoding UTF-8"),
        ("wrong encoding.csv", "Fünf;Jahre".encode("utf-16"), "encoding UTF-8"),
        ("no text.md", b"text\x00with\x01bytes", "not text"),
    ):
        yield Hostile(name, partial(bytes, data), told)


def _mislabelled() -> Iterator[Hostile]:
    file = documents.pdf(["x"])
    for name, data, told in (
        ("a pdf.docx", file, "the file is no Word document; it looks like a PDF"),
        ("a pdf.txt", file, "it looks like a PDF"),
        ("a picture.pdf", _png(1, 1), "the file is no PDF; it looks like a picture"),
        ("a zip.pdf", office.archive({"a": "b"}), "it looks like a ZIP archive"),
        ("a zip.docx", office.archive({"a.txt": "b"}), "the Word document is damaged"),
        ("a program.csv", b"MZ\x90\x00" + bytes(100), "it looks like a program"),
        ("an old one.docx", OLE + bytes(600), "Office version before 2007"),
    ):
        yield Hostile(name, partial(bytes, data), told)


def _protected() -> Iterator[Hostile]:
    locked = OLE + bytes(600) + "EncryptedPackage".encode("utf-16-le")
    key = "41" * 32
    secret = f"/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <{key}> /U <{key}> >>"
    file = documents.pdf_of([b"BT ET"], trailer=f"{secret} /ID [<00> <00>]")
    zipped = bytearray(WORD)
    zipped[zipped.find(b"PK\x01\x02") + 8] |= 1
    for name, data in (
        ("locked.docx", locked),
        ("locked.xlsx", locked),
        ("locked.pdf", file),
        ("locked inside.docx", bytes(zipped)),
    ):
        yield Hostile(name, partial(bytes, data), "protected by a password")


def _empty() -> Iterator[Hostile]:
    for ending in ("txt", "csv", "json", "xml", "html", "pdf", "docx", "rtf", "eml", "png"):
        yield Hostile(f"empty.{ending}", bytes, NOTHING)
    yield Hostile("blank.docx", lambda: documents.docx([""]), NOTHING)
    yield Hostile("blank.pdf", lambda: documents.pdf([]), "")


def _zip_bomb() -> bytes:
    return part_replaced(WORD, "word/document.xml", bytes(300 * MEGABYTE))


def _lying_zip_bomb() -> bytes:
    return _zip_bomb().replace(struct.pack("<L", 300 * MEGABYTE), struct.pack("<L", 1000))


def _deep_book() -> bytes:
    page = b"<html><body>" + b"<div>" * DEEP + b"x" + b"</div>" * DEEP
    return part_replaced(office.epub("B", [("c", "x")]), "c1.xhtml", page)


def _deep_text() -> bytes:
    whole = office.odt("", [])
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        content = archive.read("content.xml")
    deep = content.replace(b"<office:text>", b"<office:text>" + b"<text:section>" * DEEP)
    return part_replaced(whole, "content.xml", deep)


def _pdf_bomb(layers: int) -> bytes:
    stream = b" " * (300 * MEGABYTE)
    for _ in range(layers):
        stream = zlib.compress(stream, 9)
    return documents.pdf_of([stream], stream=f"/Filter [{'/FlateDecode ' * layers}]")


def _gzip() -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return packer.compress(bytes(50 * MEGABYTE)) + packer.flush()


def _laughs(document: str) -> bytes:
    entities = ['<!ENTITY a0 "lol">']
    entities += [f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10)]
    return f"<!DOCTYPE a [{''.join(entities)}]>{document}".encode()


def _entity(address: str) -> bytes:
    return f'<!DOCTYPE a [<!ENTITY x SYSTEM "{address}">]><a>&x;</a>'.encode()


def _png(width: int, height: int) -> bytes:
    rows = zlib.compressobj(9)
    body = b"".join(rows.compress(bytes(1 + width // 8)) for _ in range(height)) + rows.flush()
    chunks: Sequence[tuple[bytes, bytes]] = (
        (b"IHDR", struct.pack(">LLBBBBB", width, height, 1, 0, 0, 0, 0)),
        (b"IDAT", body),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))
        for kind, data in chunks
    )
