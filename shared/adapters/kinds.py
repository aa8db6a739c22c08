"""What a file really is, by its first bytes, whatever it is called."""

from collections.abc import Mapping

PDF = "application/pdf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
ODT = "application/vnd.oasis.opendocument.text"
EPUB = "application/epub+zip"
RTF = "application/rtf"
EML = "message/rfc822"
IMAGES = frozenset({"image/bmp", "image/jpeg", "image/png", "image/tiff", "image/webp"})

PICTURES = IMAGES | {"image/gif"}
PACKED = frozenset({DOCX, XLSX, PPTX, ODT, EPUB})
"""Kinds that are ZIP archives."""
OFFICE = frozenset({DOCX, XLSX, PPTX})
NAMES: Mapping[str, str] = {
    PDF: "PDF",
    DOCX: "Word document",
    XLSX: "Excel workbook",
    PPTX: "PowerPoint presentation",
    ODT: "OpenDocument text",
    EPUB: "EPUB book",
    RTF: "RTF document",
    EML: "mail",
}
"""As people call them."""

ZIP, OLE = "zip", "ole"
MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"%PDF-", PDF),
    (b"PK\x03\x04", ZIP),
    (b"PK\x05\x06", ZIP),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", OLE),
    (b"{\\rtf", RTF),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"\x1f\x8b\x08", "application/gzip"),
    (b"BZh", "application/x-bzip2"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"GIF8", "image/gif"),
    (b"\x7fELF", "application/x-executable"),
    (b"MZ\x90\x00", "application/x-executable"),
)
"""First bytes that leave no doubt, and what they tell."""
LOOKS: Mapping[str, str] = {
    ZIP: "a ZIP archive, or an Office document with another ending",
    OLE: "an Office document from before 2007, or one with a password",
    "application/gzip": "a gzip archive",
    "application/x-bzip2": "a bzip2 archive",
    "application/x-7z-compressed": "a 7-Zip archive",
    "application/vnd.rar": "a RAR archive",
    "application/x-executable": "a program",
}
INSIDE: tuple[tuple[bytes, str], ...] = (
    (b"mimetypeapplication/epub+zip", EPUB),
    (b"mimetypeapplication/vnd.oasis.opendocument.text", ODT),
    (b"word/document.xml", DOCX),
    (b"xl/workbook.xml", XLSX),
    (b"ppt/presentation.xml", PPTX),
)
"""Names inside a ZIP archive that tell what it is."""
HEAD = 200
NAMES_AT_END = 200_000
PROTECTED = "EncryptedPackage".encode("utf-16-le")


def told(data: bytes) -> str | None:
    """The kind that the first bytes tell without doubt, `ZIP` or `OLE`; None if they tell none."""
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    for magic, kind in MAGIC:
        if data.startswith(magic):
            return kind
    return None


def recognised(data: bytes, named: str) -> str:
    """What to read `data` as when a server named it so: servers are often wrong, bytes are not."""
    found = told(data)
    if found == ZIP:
        names = data[:HEAD] + data[-NAMES_AT_END:]
        return next((kind for mark, kind in INSIDE if mark in names), named)
    return named if found in (None, OLE) else str(found)


def check(data: bytes, kind: str) -> None:
    """Raise `ValueError`, in words for people, if `data` is certainly no `kind`."""
    found = told(data)
    if found == OLE and kind in OFFICE:
        if PROTECTED in data:
            raise ValueError(
                f"the {NAMES[kind]} is protected by a password: save it without one and upload "
                "it again"
            )
        raise ValueError(
            f"the file is no {NAMES[kind]} but one of an Office version before 2007: open it, "
            "save it in the present format, and upload that"
        )
    if found is None or found == kind or (found == ZIP and kind in PACKED):
        return
    if kind in IMAGES and found in IMAGES:
        return
    looks = LOOKS.get(found) or ("a picture" if found in PICTURES else f"a {NAMES[found]}")
    name = NAMES.get(kind, "text")
    raise ValueError(
        f"the file is no {name}; it looks like {looks}. Upload what is in it, with the ending "
        "that tells its kind"
    )
