"""Documents of office programs, PDFs, books and mails as Markdown, read by kreuzberg."""

import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

from shared.adapters import archives, structured, text
from shared.adapters.kinds import EML, NAMES, PDF, PPTX, XLSX
from shared.adapters.text import Document

PAGES = 2_000
"""Pages of a PDF that are read."""
ROWS = 12
"""Lines of a table that may stand as they are: longer ones would be cut from their names."""
ANCHOR = 40
"""Letters by which the beginning of a page is found again."""
ANCHORS = 5


def read(data: bytes, kind: str) -> Document:
    """Raise `ValueError`, in words for people."""
    import kreuzberg  # noqa: PLC0415  26 MB, loaded in workers only

    name = NAMES[kind]
    if kind == PDF:
        _check_pages(data)
    config = kreuzberg.ExtractionConfig(  # type: ignore[call-arg]  # stubs lack disable_ocr
        use_cache=False,
        output_format="markdown",
        disable_ocr=True,
        pages=kreuzberg.PageConfig(extract_pages=True),
    )
    try:
        found = kreuzberg.extract_bytes_sync(data, kind, config)
    except kreuzberg.KreuzbergError as error:
        if kind == PDF and b"/Encrypt" in data:
            raise ValueError(archives.protected(name)) from error
        raise ValueError(archives.damaged(name)) from error
    if kind == XLSX:
        return Document(text.normalise(_sheets(found)), None)
    normal = text.normalise(_unfolded(found.content))
    title = _title(found.metadata, kind) or text.first_heading(normal)
    if kind == PDF:
        return _with_pages(normal, title, found)
    return Document(normal, title, _slides(normal, found) if kind == PPTX else ())


def _check_pages(data: bytes) -> None:
    """Raise `ValueError` if there are too many: to count takes milliseconds, to read far more."""
    import kreuzberg  # noqa: PLC0415  26 MB, loaded in workers only

    with tempfile.NamedTemporaryFile(suffix=".pdf") as file:
        file.write(data)
        file.flush()
        try:
            with kreuzberg.PdfPageIterator(file.name) as pages:
                count = len(pages)
        except RuntimeError:
            return  # damaged or protected: whoever reads it will tell
    if count > PAGES:
        raise ValueError(f"the PDF has more than {PAGES} pages: split it")


def _with_pages(normal: str, title: str | None, found: Any) -> Document:
    pages = [(page["page_number"], page["content"]) for page in found.pages or ()]
    if not normal:
        return Document("", title, pictures=len(pages))
    return Document(normal, title, tuple(places(normal, pages)))


def places(normal: str, pages: Sequence[tuple[int, str]]) -> Iterator[tuple[int, int]]:
    """Where in the text each page begins.

    The reader gives the Markdown of the whole and the bare text of each page. A page is found by
    letters near its beginning; blanks and marks differ between the two.
    """
    offsets = [n for n, letter in enumerate(normal) if letter.isalnum()]
    letters = "".join(normal[n] for n in offsets)
    at = 0
    for number, content in pages:
        wanted = "".join(letter for letter in text.normalise(content) if letter.isalnum())
        for first in range(0, min(len(wanted), ANCHOR * ANCHORS), ANCHOR):
            found = letters.find(wanted[first : first + ANCHOR], at)
            if found >= at + first or (first == 0 and found >= 0):
                at = found - first
                yield _word_begins(normal, offsets[at]), number
                at += 1
                break


def _word_begins(normal: str, at: int) -> int:
    """Before the bracket or mark that stands in front of a letter."""
    while at and not normal[at - 1].isspace():
        at -= 1
    return at


def _slides(normal: str, found: Any) -> tuple[tuple[int, int], ...]:
    """Slides are told by bytes of the content, before it was normalised."""
    told = (found.metadata.get("pages") or {}).get("boundaries") or ()
    content = found.content.encode()
    pages = [
        (one["page_number"], content[one["byte_start"] : one["byte_end"]].decode(errors="ignore"))
        for one in told
    ]
    return tuple(places(normal, pages))


def _sheets(found: Any) -> str:
    """Each sheet under its name; its rows as records."""
    names = found.metadata.get("sheet_names") or []
    parts = []
    for table in found.tables:
        place = table.page_number - 1
        if 0 <= place < len(names):
            parts.append(f"## {' '.join(names[place].split())}")
        parts.append(structured.records(table.cells))
    return "\n\n".join(parts)


def _unfolded(content: str) -> str:
    """Long tables as records, so that each stands beside the names of its columns."""
    lines: list[str] = []
    table: list[str] = []
    for line in content.split("\n"):
        if line.startswith("|"):
            table.append(line)
            continue
        lines += _table(table)
        table = []
        lines.append(line)
    return "\n".join(lines + _table(table))


def _table(lines: Sequence[str]) -> list[str]:
    if len(lines) <= ROWS:
        return list(lines)
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
    if set("".join(rows[1])) <= set("-: "):
        del rows[1]
    return ["", structured.records(rows), ""]


def _title(metadata: Any, kind: str) -> str | None:
    title = metadata.get("subject" if kind == EML else "title")
    return title.strip() or None if isinstance(title, str) else None
