"""From the bytes of a document to normalised text, by media type. Runs in worker processes.

`read_document` is the one way in; a further format is a further entry of `READERS`.
"""

import csv
import io
from collections.abc import Callable, Mapping, Sequence

from shared.adapters import text
from shared.adapters.text import Document

PDF = "application/pdf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
OWN_ENCODING = frozenset({"text/html"})
"""Texts that name their encoding themselves."""
DELIMITERS = ",;\t|"


def read_document(data: bytes, media_type: str, *, strict: bool = False) -> Document:
    """Text of a document. `strict`: plain text must be UTF-8, no encoding is guessed.

    Raises `ValueError`, in words for people.
    """
    kind, _, parameters = media_type.partition(";")
    kind = kind.strip().lower()
    if (reader := READERS.get(kind)) is not None:
        return reader(data)
    if kind == "text/csv":
        return read_csv(_utf8(data) if strict else text.decode(data, parameters))
    if strict and kind.startswith("text/") and kind not in OWN_ENCODING:
        return plain(_utf8(data))
    return text.read_document(data, media_type)


def plain(content: str) -> Document:
    """Plain text or Markdown."""
    normal = text.normalise(content)
    return Document(normal, text.first_heading(normal))


def read_csv(content: str) -> Document:
    """A table as a paragraph per record, each value under the name of its column.

    A chunk of it can then be understood without the first line of the file.
    """
    csv.field_size_limit(max(len(content), csv.field_size_limit()))
    rows = csv.reader(io.StringIO(content), delimiter=_delimiter(content))
    try:
        filled = [row for row in rows if any(cell.strip() for cell in row)]
    except csv.Error:
        return plain(content)
    if not filled:
        return Document("", None)
    names, *records = filled
    if not records or len(names) == 1:
        return plain("\n".join(" ".join(row) for row in filled))
    paragraphs = "\n\n".join(_record(names, record) for record in records)
    return Document(text.normalise(paragraphs), None)


def read_pdf(data: bytes) -> Document:
    """The text layer of a PDF as Markdown; pages that are pictures give nothing."""
    return _extracted(data, PDF, "the PDF is damaged, or protected by a password")


def read_docx(data: bytes) -> Document:
    """Paragraphs, headings and tables of a Word document as Markdown."""
    return _extracted(data, DOCX, "the Word document is damaged, or protected by a password")


def _extracted(data: bytes, kind: str, reason: str) -> Document:
    import kreuzberg  # noqa: PLC0415  26 MB, loaded in workers only

    config = kreuzberg.ExtractionConfig(  # type: ignore[call-arg]  # stubs lack disable_ocr
        use_cache=False, output_format="markdown", disable_ocr=True
    )
    try:
        found = kreuzberg.extract_bytes_sync(data, kind, config)
    except kreuzberg.KreuzbergError as error:
        raise ValueError(reason) from error
    document = plain(found.content)
    title = found.metadata.get("title")
    return Document(document.text, title) if isinstance(title, str) and title else document


def _utf8(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"it is not UTF-8 text (byte {error.start}); save it with the encoding UTF-8"
        ) from error


def _delimiter(content: str) -> str:
    head = content.lstrip().split("\n", 1)[0]
    return max(DELIMITERS, key=head.count)


def _record(names: Sequence[str], record: Sequence[str]) -> str:
    lines = []
    for n, cell in enumerate(record):
        name = names[n].strip() if n < len(names) else ""
        value = " ".join(cell.split())
        if value:
            lines.append(f"{name}: {value}" if name else value)
    return "\n".join(lines)


READERS: Mapping[str, Callable[[bytes], Document]] = {PDF: read_pdf, DOCX: read_docx}
"""Readers of formats that are no text, by media type."""
