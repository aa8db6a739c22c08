"""From the bytes of a document to normalised text, by media type. Runs in worker processes.

`read_document` is the one way in; a further format is a further case of it.
"""

from functools import partial

from shared.adapters import archives, kinds, office, text
from shared.adapters.kinds import DOCX, EML, IMAGES, PACKED, PDF, RTF
from shared.adapters.structured import plain, read_csv, read_json, read_xml
from shared.adapters.text import Document

__all__ = ["DOCX", "PDF", "plain", "read_csv", "read_document"]

CSV = "text/csv"
TSV = "text/tab-separated-values"
JSON = "application/json"
OWN_ENCODING = frozenset({"text/html", "application/xhtml+xml"})
"""Texts that name their encoding themselves."""
ALIASES = {
    "text/rtf": RTF,
    "text/xml": "application/xml",
    "image/jpg": "image/jpeg",
    "application/x-pdf": PDF,
}
LONGEST = 10 * 1024 * 1024
"""Characters of a document: plain text may be as large as an upload."""


def read_document(data: bytes, media_type: str, *, strict: bool = False) -> Document:
    """Text of a document.

    `strict`: the file is what it is called, and plain text is UTF-8; nothing is guessed. A picture
    has no text, only pages for OCR. Raises `ValueError`, in words for people.
    """
    if not data:
        return Document("", None)
    kind, _, parameters = media_type.partition(";")
    kind = kind.strip().lower()
    kind = ALIASES.get(kind, kind)
    if strict:
        kinds.check(data, kind)
    else:
        kind = kinds.recognised(data, kind)
    document = _read(data, kind, parameters, strict=strict)
    if len(document.text) > LONGEST:
        raise ValueError(f"it has more than {LONGEST // 1_000_000} million characters: split it")
    return document


def _read(data: bytes, kind: str, parameters: str, *, strict: bool) -> Document:
    decoded = partial(_utf8, data) if strict else partial(text.decode, data, parameters)
    if kind in IMAGES:
        return Document("", None, pictures=1)
    if kind in kinds.NAMES:
        if kind in PACKED:
            archives.check(data, kinds.NAMES[kind])
        if kind == EML and b"\x00" in data:
            raise ValueError("the file is no mail: it is not text")
        return office.read(data, kind)
    if kind == CSV:
        return read_csv(decoded())
    if kind == TSV:
        return read_csv(decoded(), "\t")
    if kind == JSON or kind.endswith("+json"):
        return read_json(data) if strict else _or_plain(data, kind, parameters)
    if _is_xml(kind):
        return read_xml(data) if strict else _or_plain(data, kind, parameters)
    if strict and kind.startswith("text/") and kind not in OWN_ENCODING:
        return plain(decoded())
    return text.read_document(data, kind if not parameters else f"{kind};{parameters}")


def _is_xml(kind: str) -> bool:
    return kind == "application/xml" or (kind.endswith("+xml") and kind not in OWN_ENCODING)


def _or_plain(data: bytes, kind: str, parameters: str) -> Document:
    """What a server sends may be broken and still be worth reading."""
    try:
        return read_xml(data) if _is_xml(kind) else read_json(data)
    except ValueError:
        return plain(text.decode(data, parameters))


def _utf8(data: bytes) -> str:
    try:
        content = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"it is not UTF-8 text (byte {error.start}); save it with the encoding UTF-8"
        ) from error
    if "\x00" in content:
        raise ValueError("the content is not text; upload it with the ending of its kind")
    return content
