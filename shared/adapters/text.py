"""From bytes to normalised text to chunks. Pure functions; they run in worker processes."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

HTML_LIMIT = 5_000_000
"""Bytes of a page that are read; beyond it pages are built to hurt."""
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b\u2060\ufeff\u00ad]")
BLANKS = re.compile(r"[^\S\n]+")
HEADING = re.compile(r"^(#{1,6})[ \t]+(.+?)[ \t]*#*$")
BOILERPLATE = ("//nav", "//footer", "//aside", "//script", "//style", "//noscript", "//template")
"""Pruned first: from short pages the extractor would take everything."""
FENCE = re.compile(r"^[ \t]*(```|~~~)")


@dataclass(frozen=True, slots=True)
class Document:
    """Normalised text with Markdown structure, and its title if it names one."""

    text: str
    title: str | None


@dataclass(frozen=True, slots=True)
class Chunk:
    """`text[start:end]`, below the heading path `heading`."""

    start: int
    end: int
    heading: str | None


def read_document(data: bytes, media_type: str) -> Document:
    """Text of an HTML page or of plain text, by its media type. Raises `ValueError`, for people."""
    kind, _, parameters = media_type.partition(";")
    kind = kind.strip().lower()
    if kind in ("text/html", "application/xhtml+xml"):
        return read_html(data)
    if kind.startswith("text/") or kind in ("application/json", "application/octet-stream"):
        text = normalise(decode(data, parameters))
        return Document(text, first_heading(text))
    raise ValueError(f"{kind or 'this kind of content'} cannot be read yet")


def decode(data: bytes, parameters: str = "") -> str:
    """Text of bytes: by byte order mark, declared charset, UTF-8, or the best guess.

    Raises `ValueError` for bytes that are no text.
    """
    for mark, codec in (
        (b"\xef\xbb\xbf", "utf-8-sig"),
        (b"\xff\xfe", "utf-16"),
        (b"\xfe\xff", "utf-16"),
    ):
        if data.startswith(mark):
            return data.decode(codec, "replace")
    declared = re.search(r"charset=\"?([\w-]+)", parameters)
    for codec in (declared.group(1) if declared else "utf-8", "utf-8"):
        try:
            return data.decode(codec)
        except (UnicodeDecodeError, LookupError):
            continue
    if b"\x00" in data[:4096]:
        raise ValueError("the content is not text")
    from charset_normalizer import from_bytes  # noqa: PLC0415  only for the rare odd encoding

    best = from_bytes(data).best()
    if best is None:
        raise ValueError("the encoding of the text cannot be told")
    return str(best)


def read_html(data: bytes) -> Document:
    """Main content of a page as Markdown, without navigation, footer and cookie bars."""
    import trafilatura  # noqa: PLC0415  40 MB, loaded in workers only
    from lxml import html as lxml_html  # noqa: PLC0415

    page = data[:HTML_LIMIT]
    tree = trafilatura.load_html(page)
    if tree is None:
        raise ValueError("the page is empty or not HTML")
    title = tree.findtext(".//title")
    text = trafilatura.extract(
        tree,
        output_format="markdown",
        fast=True,
        include_comments=False,
        include_tables=True,
        include_formatting=True,
        prune_xpath=list(BOILERPLATE),
    )
    if not text:
        body = lxml_html.document_fromstring(page)
        for hidden in body.xpath("|".join(BOILERPLATE)):
            hidden.drop_tree()
        text = body.text_content()
    normal = normalise(text or "")
    return Document(normal, " ".join(title.split()) if title and title.strip() else None)


def normalise(text: str) -> str:
    """One form for the same text, so that its hash tells whether it changed.

    NFC; every kind of blank becomes one space, for words must not fuse; at most one empty line;
    control and zero-width characters go. Indentation of code is kept to the level of one space.
    """
    text = unicodedata.normalize("NFC", text)
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n")
    text = text.replace("\u2029", "\n\n").replace("\x85", "\n")
    text = CONTROL.sub("", text)
    lines = (BLANKS.sub(" ", line).rstrip() for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def first_heading(text: str) -> str | None:
    """The first Markdown heading, as a title."""
    for line in text.split("\n", 40)[:40]:
        if found := HEADING.match(line):
            return found.group(2)
    return None


def split(text: str, max_chars: int, overlap: int) -> list[Chunk]:
    """Chunks of at most `max_chars` characters in order; sections are never mixed.

    Within a section the cut is at the coarsest boundary that fits: paragraph, sentence, word
    (`semantic-text-splitter`). A heading stays with the text below it.
    """
    from semantic_text_splitter import TextSplitter  # noqa: PLC0415  loaded in workers

    splitter = TextSplitter(max_chars, overlap=overlap)
    chunks = []
    for start, end, heading in sections(text):
        for offset, piece in splitter.chunk_indices(text[start:end]):
            if piece.strip():
                chunks.append(Chunk(start + offset, start + offset + len(piece), heading))
    return chunks


def sections(text: str) -> Iterator[tuple[int, int, str | None]]:
    """Start, end and heading path of each section that has text of its own.

    The heading lines themselves are left out: they travel with the chunk as its path.
    """
    path: list[tuple[int, str]] = []
    start = 0
    heading: str | None = None
    has_text = fenced = False
    position = 0
    for line in text.splitlines(keepends=True):
        if FENCE.match(line):
            fenced = not fenced
        found = None if fenced else HEADING.match(line.rstrip("\n"))
        if found is not None:
            if has_text:
                yield start, position, heading
            start, has_text = position + len(line), False
            level = len(found.group(1))
            path = [entry for entry in path if entry[0] < level] + [(level, found.group(2))]
            heading = " > ".join(name for _, name in path)
        elif line.strip():
            has_text = True
        position += len(line)
    if has_text:
        yield start, len(text), heading
