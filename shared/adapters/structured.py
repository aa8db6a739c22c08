"""Data as text that reads by itself: tables, JSON and XML.

A chunk is found and understood alone, so every value stands beside its name, and every record is a
paragraph.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from shared.adapters import text
from shared.adapters.text import Document

DELIMITERS = ",;\t|"
DEEP = "it is nested too deeply: flatten it"
Rows = Sequence[Sequence[str]]


def read_csv(content: str, delimiter: str | None = None) -> Document:
    """A table as a paragraph per record, each value under the name of its column."""
    csv.field_size_limit(max(len(content), csv.field_size_limit()))
    rows = csv.reader(io.StringIO(content), delimiter=delimiter or _delimiter(content))
    try:
        filled = [row for row in rows if any(cell.strip() for cell in row)]
    except csv.Error:
        return plain(content)
    return Document(text.normalise(records(filled)), None)


def plain(content: str) -> Document:
    """Plain text or Markdown."""
    normal = text.normalise(content)
    return Document(normal, text.first_heading(normal))


def records(rows: Rows) -> str:
    """Rows under a first one with names; without names or records they are lines."""
    filled = [row for row in rows if any(cell.strip() for cell in row)]
    if not filled:
        return ""
    names, *below = filled
    if not below or len(names) == 1:
        return "\n".join(" ".join(row) for row in filled)
    return "\n\n".join(_record(names, record) for record in below)


def read_json(data: bytes) -> Document:
    """Values under their names, a paragraph per object of a list. Raises `ValueError`."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ValueError(
            f"it is not valid JSON (line {error.lineno}, column {error.colno}: {error.msg}); "
            "correct it, or upload it as .txt"
        ) from error
    try:
        lines = "\n".join(_json_lines(value, ""))
    except RecursionError as error:
        raise ValueError(DEEP) from error
    title = value.get("title") if isinstance(value, dict) else None
    return Document(text.normalise(lines), title if isinstance(title, str) else None)


def read_xml(data: bytes) -> Document:
    """Texts of elements under their names, a paragraph per element that holds others.

    No entity is resolved and nothing is loaded. Raises `ValueError`.
    """
    from lxml import etree  # noqa: PLC0415  loaded in workers only

    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise ValueError(
            f"it is not well-formed XML ({error.msg}); correct it, or upload it as .txt"
        ) from error
    etree.strip_elements(root, etree.Entity, with_tail=False)
    try:
        lines = "\n".join(_xml_lines(root))
    except RecursionError as error:
        raise ValueError(DEEP) from error
    title = root.findtext(".//{*}title")
    return Document(text.normalise(lines), " ".join(title.split()) if title else None)


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


def _json_lines(value: Any, path: str) -> Iterator[str]:
    match value:
        case dict():
            for name, inner in value.items():
                yield from _json_lines(inner, f"{path}.{name}" if path else name)
        case list() if all(not isinstance(one, dict | list) for one in value):
            yield _named(path, ", ".join(_shown(one) for one in value))
        case list():
            for inner in value:
                yield ""
                if path and isinstance(inner, dict):
                    yield path
                yield from _json_lines(inner, "" if isinstance(inner, dict) else path)
            yield ""
        case _:
            yield _named(path, _shown(value))


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _named(name: str, value: str) -> str:
    return f"{name}: {value}" if name else value


def _xml_lines(element: Any) -> Iterator[str]:
    name = _local(element.tag)
    inner = [child for child in element if isinstance(child.tag, str)]
    attributes = _attributes(element.attrib)
    if not inner:
        value = " ".join("".join(element.itertext()).split())
        yield from (_named(f"{name} {key}", one) for key, one in attributes.items())
        if value:
            yield _named(name, value)
    elif _mixed(element, inner):
        yield " ".join("".join(element.itertext()).split())
    else:
        yield ""
        yield name
        yield from (_named(key, one) for key, one in attributes.items())
        for child in inner:
            yield from _xml_lines(child)
        yield ""


def _mixed(element: Any, inner: Sequence[Any]) -> bool:
    """Whether the element is running text with marked parts in it."""
    tails = (child.tail for child in inner)
    return any(part and part.strip() for part in (element.text, *tails))


def _attributes(found: Mapping[str, str]) -> dict[str, str]:
    named = {_local(name): " ".join(value.split()) for name, value in found.items()}
    return {name: value for name, value in named.items() if value and name != "schemaLocation"}


def _local(name: str) -> str:
    return name.rpartition("}")[2]
