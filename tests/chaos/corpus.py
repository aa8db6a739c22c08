"""Twenty documents of all formats, two of which cannot be read."""

import json

from tests import documents, office

LONG = "long.md"
"""Enough chunks for three batches of embeddings."""
SECTIONS = 260
FACTS = "The guarantee on part {n} of a bicycle lasts {n} years, and its maker is number {n}. "


def _paragraph(n: int) -> str:
    return FACTS.format(n=n) * 6


def _long() -> bytes:
    sections = (f"## Part {n}\n\n{_paragraph(n)}" for n in range(SECTIONS))
    return "\n\n".join(["# All parts", *sections]).encode()


def mixed() -> dict[str, bytes]:
    """Content by file name, the same at every call."""
    few = [_paragraph(n) for n in range(3)]
    rows = "\n".join(f"part {n},{FACTS.format(n=n)}" for n in range(20))
    terms = [{"part": n, "guarantee": FACTS.format(n=n)} for n in range(20)]
    return {
        "short.txt": _paragraph(1).encode(),
        "several.txt": "\n\n".join(few).encode(),
        "titles.md": b"# Terms\n\n" + "\n\n".join(f"## {n}\n\n{few[n]}" for n in range(3)).encode(),
        LONG: _long(),
        "page.html": f"<html><body><h1>Terms</h1><p>{few[0]}</p></body></html>".encode(),
        "list.html": f"<html><body><ul>{f'<li>{few[1]}</li>' * 9}</ul></body></html>".encode(),
        "table.csv": f"part,text\n{rows}".encode(),
        "table.tsv": f"part,text\n{rows}".replace(",", "\t").encode(),
        "terms.json": json.dumps(terms).encode(),
        "terms.xml": "".join(["<terms>", *(f"<t>{one}</t>" for one in few), "</terms>"]).encode(),
        "one.pdf": documents.pdf(few),
        "pages.pdf": documents.pdf(*([FACTS.format(n=n)] * 9 for n in range(6))),
        "letter.docx": documents.docx(few),
        "table.docx": documents.docx(few[:1], [("part", "text"), ("frame", few[1])]),
        "slides.pptx": office.pptx([(f"Slide {n}", few[n]) for n in range(3)]),
        "sheets.xlsx": office.xlsx({"Terms": [("part",), *((one,) for one in few)]}),
        "letter.odt": office.odt("Terms", few),
        "mail.eml": office.eml("Terms", "\n\n".join(few)),
        "empty.json": b"",
        "broken.docx": documents.docx(few)[:400],
    }  # fmt: skip
