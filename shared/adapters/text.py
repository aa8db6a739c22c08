"""From bytes to normalised text with headings. Pure functions; they run in worker processes."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

HTML_LIMIT = 5_000_000
"""Bytes of a page that are read; beyond it pages are built to hurt."""
CONTROL = re.compile(
    r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u200b\u2060\ufeff"
    r"\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]"
)
"""What nobody sees, and what could hide a text from its readers but not from a model: reversed
writing and tags (Unicode TR36). Joiners stay, as scripts and emoji need them."""
BLANKS = re.compile(r"[^\S\n ][^\S\n]*+| [^\S\n]++")
"""What becomes one blank; those that stand alone are one."""
HEADING = re.compile(r"(#{1,6})[ \t]+(\S.*)")
CHARSET = re.compile(r"charset=[\"']?([\w-]+)", re.IGNORECASE)
META_CHARSET = re.compile(
    rb"<meta[^>]{1,200}charset=[\"']?(?!utf-?(?:16|32))([\w-]+)", re.IGNORECASE
)
META_BYTES = 4096
LONGEST_CHARACTER = 4
"""Bytes of it."""
MEANT = dict.fromkeys(("iso-8859-1", "latin-1", "latin1", "ascii", "us-ascii"), "cp1252")
"""What pages that name these really hold, as browsers read them (WHATWG Encoding, 4.2)."""
INLINE = re.compile(
    r"a|abbr|b|bdi|bdo|cite|code|data|del|dfn|em|font|i|ins|kbd|label|mark|q|s|samp|small|span|"
    r"strong|sub|sup|time|u|var|wbr"
)
BOILERPLATE = ("//nav", "//footer", "//aside", "//script", "//style", "//noscript", "//template")
"""Pruned first: from short pages the extractor would take everything."""
FENCE = re.compile(r"[ \t]*(?:(```)[^`]*|(~~~).*)$")
"""Opens or closes a block of code; three backticks with more behind them are code in a line."""


@dataclass(frozen=True, slots=True)
class Document:
    """Normalised text with Markdown structure, and its title if it names one."""

    text: str
    title: str | None
    pages: tuple[tuple[int, int], ...] = ()
    """Where in the text which page begins: offset and number, in order; pages not found are left
    out. Slides of a presentation are its pages."""
    pictures: int = 0
    """Pages that are pictures, if the document has no other text."""


def read_document(data: bytes, media_type: str) -> Document:
    """Text of an HTML page or of plain text, by its media type. Raises `ValueError`, for people."""
    kind, _, parameters = media_type.partition(";")
    kind = kind.strip().lower()
    if kind in ("text/html", "application/xhtml+xml"):
        return read_html(data, parameters)
    if kind.startswith("text/") or kind in ("application/json", "application/octet-stream"):
        text = normalise(decode(data, parameters))
        return Document(text, first_heading(text))
    raise ValueError(f"{kind or 'this kind of content'} cannot be read yet")


def decode(data: bytes, parameters: str = "", *, whole: bool = True) -> str:
    """Text of bytes: by byte order mark, declared charset, UTF-8, or the best guess.

    Not `whole`: the last character may be cut through. Raises `ValueError` for bytes that are no
    text.
    """
    for mark, codec in (
        (b"\xef\xbb\xbf", "utf-8-sig"),
        (b"\xff\xfe", "utf-16"),
        (b"\xfe\xff", "utf-16"),
    ):
        if data.startswith(mark):
            return data.decode(codec, "replace")
    declared = CHARSET.search(parameters)
    named = declared.group(1).lower() if declared else "utf-8"
    for codec in (MEANT.get(named, named), "utf-8"):
        try:
            return _decoded(data, codec, whole=whole)
        except (UnicodeError, LookupError):
            continue
    if b"\x00" in data[:4096]:
        raise ValueError("the content is not text")
    from charset_normalizer import from_bytes  # noqa: PLC0415  only for the rare odd encoding

    best = from_bytes(data).best()
    if best is None:
        raise ValueError("the encoding of the text cannot be told")
    return str(best)


def _decoded(data: bytes, codec: str, *, whole: bool) -> str:
    try:
        return data.decode(codec)
    except UnicodeDecodeError as error:
        if whole or error.start < len(data) - LONGEST_CHARACTER:
            raise
        return data[: error.start].decode(codec)


def read_html(data: bytes, parameters: str = "") -> Document:
    """Main content of a page as Markdown, without navigation, footer and cookie bars."""
    import trafilatura  # noqa: PLC0415  40 MB, loaded in workers only

    if not CHARSET.search(parameters) and (meta := META_CHARSET.search(data[:META_BYTES])):
        # A page in which this can be read is in no encoding of two or four bytes a letter.
        parameters = f"charset={meta.group(1).decode()}"
    # Given as text, not as bytes: those the library would unpack first, without a limit. With a
    # document type in front it takes fragments, too.
    page = "<!DOCTYPE html>\n" + decode(
        data[:HTML_LIMIT], parameters, whole=len(data) <= HTML_LIMIT
    )
    tree = trafilatura.load_html(page)
    if tree is None:
        raise ValueError("the page is empty or not HTML")
    title = tree.findtext(".//head/title")
    text = trafilatura.extract(
        tree,
        output_format="markdown",
        fast=True,
        include_comments=False,
        include_tables=True,
        include_formatting=True,
        prune_xpath=list(BOILERPLATE),
    )
    normal = normalise(text or _all_text(trafilatura.load_html(page)))
    return Document(normal, " ".join(title.split()) if title and title.strip() else None)


def _all_text(tree: Any) -> str:
    """Every text of a page's body that is not boilerplate, a line per block."""
    body = tree.find("body")
    if body is None:
        return ""
    for hidden in body.xpath("|".join(BOILERPLATE)):
        hidden.drop_tree()
    for element in body.iter():
        if not INLINE.fullmatch(str(element.tag)):
            element.text = f"\n{element.text or ''}"
            element.tail = f"\n{element.tail or ''}"
    return str(body.text_content())


def normalise(text: str) -> str:
    """One form for the same text, so that its hash tells whether it changed.

    NFC; every kind of blank becomes one space, for words must not fuse; at most one empty line;
    control and hidden characters go. Indentation of code is kept to the level of one space.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n")
    text = text.replace("\u2029", "\n\n").replace("\x85", "\n")
    # Behind that: what was hidden may have kept a letter from its accent.
    text = unicodedata.normalize("NFC", CONTROL.sub("", text))
    lines = (BLANKS.sub(" ", line).rstrip() for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def first_heading(text: str) -> str | None:
    """The first Markdown heading, as a title."""
    for line in text.split("\n", 40)[:40]:
        if found := heading_of(line):
            return found[1]
    return None


def heading_of(line: str) -> tuple[int, str] | None:
    """Level and text of a Markdown heading: closing marks go if a blank stands before them."""
    found = HEADING.match(line)
    if found is None:
        return None
    name = found.group(2).rstrip()
    bare = name.rstrip("#")
    if bare != name and (not bare or bare[-1] in " \t"):
        name = bare.rstrip()
    return (len(found.group(1)), name) if name else None


def sections(text: str) -> Iterator[tuple[int, int, str | None]]:
    """Start, end and heading path of each section that has text of its own.

    The heading lines themselves are left out: they travel with the chunk as its path.
    """
    path: list[tuple[int, str]] = []
    start = 0
    heading: str | None = None
    has_text = False
    fence: str | None = None
    position = 0
    for line in text.splitlines(keepends=True):
        mark = FENCE.match(line.rstrip("\n"))
        if mark is not None and fence in (None, mark.group(1) or mark.group(2)):
            fence = (mark.group(1) or mark.group(2)) if fence is None else None
        found = None if fence else heading_of(line.rstrip("\n"))
        if found is not None:
            if has_text:
                yield start, position, heading
            start, has_text = position + len(line), False
            path = [entry for entry in path if entry[0] < found[0]] + [found]
            heading = " > ".join(name for _, name in path)
        elif line.strip():
            has_text = True
        position += len(line)
    if has_text:
        yield start, len(text), heading
