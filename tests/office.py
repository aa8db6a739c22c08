"""Small real documents of office programs, books and mails, made part by part."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from xml.sax.saxutils import escape

OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
PRESENTATION = "http://schemas.openxmlformats.org/presentationml/2006/main"
DRAWING = "http://schemas.openxmlformats.org/drawingml/2006/main"
SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
KIND = "application/vnd.openxmlformats-officedocument"
Rows = Sequence[Sequence[str]]


def archive(parts: Mapping[str, str | bytes], *, plain: Sequence[str] = ()) -> bytes:
    """A zip of these parts; those in `plain` are stored as they are."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in parts.items():
            how = zipfile.ZIP_STORED if name in plain else zipfile.ZIP_DEFLATED
            made.writestr(name, content, compress_type=how)
    return file.getvalue()


def xlsx(sheets: Mapping[str, Rows]) -> bytes:
    """A workbook of these sheets."""
    names = "".join(
        f'<sheet name="{escape(name)}" sheetId="{n}" r:id="r{n}"/>'
        for n, name in enumerate(sheets, 1)
    )
    parts = {
        "[Content_Types].xml": _types(
            {
                "xl/workbook.xml": f"{KIND}.spreadsheetml.sheet.main+xml",
                **{
                    f"xl/worksheets/sheet{n}.xml": f"{KIND}.spreadsheetml.worksheet+xml"
                    for n in range(1, len(sheets) + 1)
                },
            }
        ),
        "_rels/.rels": _relations({"r1": ("officeDocument", "xl/workbook.xml")}),
        "xl/workbook.xml": (
            f'<workbook xmlns="{SHEET}" xmlns:r="{OFFICE}"><sheets>{names}</sheets></workbook>'
        ),
        "xl/_rels/workbook.xml.rels": _relations(
            {f"r{n}": ("worksheet", f"worksheets/sheet{n}.xml") for n in range(1, len(sheets) + 1)}
        ),
    }
    for n, rows in enumerate(sheets.values(), 1):
        parts[f"xl/worksheets/sheet{n}.xml"] = (
            f'<worksheet xmlns="{SHEET}"><sheetData>{_sheet_rows(rows)}</sheetData></worksheet>'
        )
    return archive(parts)


def pptx(slides: Sequence[tuple[str, str]]) -> bytes:
    """A presentation: title and text of each slide."""
    numbers = range(1, len(slides) + 1)
    listed = "".join(f'<p:sldId id="{255 + n}" r:id="r{n}"/>' for n in numbers)
    parts = {
        "[Content_Types].xml": _types(
            {
                "ppt/presentation.xml": f"{KIND}.presentationml.presentation.main+xml",
                **{f"ppt/slides/slide{n}.xml": f"{KIND}.presentationml.slide+xml" for n in numbers},
            }
        ),
        "_rels/.rels": _relations({"r1": ("officeDocument", "ppt/presentation.xml")}),
        "ppt/presentation.xml": (
            f'<p:presentation xmlns:p="{PRESENTATION}" xmlns:r="{OFFICE}">'
            f"<p:sldIdLst>{listed}</p:sldIdLst></p:presentation>"
        ),
        "ppt/_rels/presentation.xml.rels": _relations(
            {f"r{n}": ("slide", f"slides/slide{n}.xml") for n in numbers}
        ),
    }
    for n, (title, text) in enumerate(slides, 1):
        shapes = _shape(2, title, '<p:ph type="title"/>') + _shape(3, text, '<p:ph idx="1"/>')
        parts[f"ppt/slides/slide{n}.xml"] = (
            f'<p:sld xmlns:p="{PRESENTATION}" xmlns:a="{DRAWING}"><p:cSld><p:spTree>'
            f"<p:nvGrpSpPr><p:cNvPr id='1' name=''/><p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr>"
            f"<p:grpSpPr/>{shapes}</p:spTree></p:cSld></p:sld>"
        )
    return archive(parts)


def odt(heading: str, paragraphs: Sequence[str], table: Rows = ()) -> bytes:
    """A text document with a heading, paragraphs, and a table below them."""
    space = "urn:oasis:names:tc:opendocument:xmlns"
    kind = "application/vnd.oasis.opendocument.text"
    body = f'<text:h text:outline-level="1">{escape(heading)}</text:h>'
    body += "".join(f"<text:p>{escape(one)}</text:p>" for one in paragraphs)
    if table:
        rows = (
            "".join(
                f"<table:table-cell><text:p>{escape(cell)}</text:p></table:table-cell>"
                for cell in row
            )
            for row in table
        )
        lines = "".join(f"<table:table-row>{row}</table:table-row>" for row in rows)
        body += f'<table:table table:name="T">{lines}</table:table>'
    manifest = (
        f'<manifest:manifest xmlns:manifest="{space}:manifest:1.0">'
        f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{kind}"/>'
        '<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/>'
        "</manifest:manifest>"
    )
    content = (
        f'<office:document-content xmlns:office="{space}:office:1.0" '
        f'xmlns:text="{space}:text:1.0" xmlns:table="{space}:table:1.0" office:version="1.2">'
        f"<office:body><office:text>{body}</office:text></office:body></office:document-content>"
    )
    return archive(
        {"mimetype": kind, "content.xml": content, "META-INF/manifest.xml": manifest},
        plain=["mimetype"],
    )


def epub(title: str, chapters: Sequence[tuple[str, str]]) -> bytes:
    """A book: heading and text of each chapter."""
    numbers = range(1, len(chapters) + 1)
    items = "".join(
        f'<item id="c{n}" href="c{n}.xhtml" media-type="application/xhtml+xml"/>' for n in numbers
    )
    spine = "".join(f'<itemref idref="c{n}"/>' for n in numbers)
    parts = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": (
            '<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">'
            '<rootfiles><rootfile full-path="book.opf" '
            'media-type="application/oebps-package+xml"/></rootfiles></container>'
        ),
        "book.opf": (
            '<package xmlns="http://www.idpf.org/2007/opf" version="3.0" '
            'unique-identifier="id"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
            f'<dc:identifier id="id">b</dc:identifier><dc:title>{escape(title)}</dc:title>'
            f"<dc:language>en</dc:language></metadata><manifest>{items}</manifest>"
            f"<spine>{spine}</spine></package>"
        ),
    }
    for n, (heading, text) in enumerate(chapters, 1):
        parts[f"c{n}.xhtml"] = (
            f'<html xmlns="http://www.w3.org/1999/xhtml"><head><title>{escape(heading)}</title>'
            f"</head><body><h1>{escape(heading)}</h1><p>{escape(text)}</p></body></html>"
        )
    return archive(parts, plain=["mimetype"])


def rtf(paragraphs: Sequence[str]) -> bytes:
    """A document in rich text."""
    body = "".join(f"{one}\\par\n" for one in paragraphs)
    return f"{{\\rtf1\\ansi\\deff0{{\\fonttbl{{\\f0 Arial;}}}}\\f0\\fs24\n{body}}}".encode()


def eml(subject: str, text: str, *, attached: bytes | None = None) -> bytes:
    """A mail."""
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = subject, "a@example.com", "b@example.com"
    mail["Date"] = "Thu, 01 Jan 2026 10:00:00 +0000"
    mail.set_content(text)
    if attached is not None:
        mail.add_attachment(attached, maintype="text", subtype="plain", filename="notes.txt")
    return mail.as_bytes()


def _types(overrides: Mapping[str, str]) -> str:
    listed = "".join(
        f'<Override PartName="/{name}" ContentType="{kind}"/>' for name, kind in overrides.items()
    )
    return (
        f'<Types xmlns="{PACKAGE}/content-types"><Default Extension="rels" '
        f'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>{listed}</Types>'
    )


def _relations(targets: Mapping[str, tuple[str, str]]) -> str:
    listed = "".join(
        f'<Relationship Id="{name}" Type="{OFFICE}/{kind}" Target="{target}"/>'
        for name, (kind, target) in targets.items()
    )
    return f'<Relationships xmlns="{PACKAGE}/relationships">{listed}</Relationships>'


def _sheet_rows(rows: Rows) -> str:
    made = ""
    for n, row in enumerate(rows, 1):
        cells = "".join(
            f'<c r="{chr(65 + m)}{n}" t="inlineStr"><is><t>{escape(cell)}</t></is></c>'
            for m, cell in enumerate(row)
        )
        made += f'<row r="{n}">{cells}</row>'
    return made


def _shape(number: int, text: str, place: str) -> str:
    return (
        f'<p:sp><p:nvSpPr><p:cNvPr id="{number}" name="s{number}"/><p:cNvSpPr/>'
        f"<p:nvPr>{place}</p:nvPr></p:nvSpPr><p:spPr/><p:txBody><a:bodyPr/>"
        f"<a:p><a:r><a:t>{escape(text)}</a:t></a:r></a:p></p:txBody></p:sp>"
    )
