"""Pages as pictures, as a scanner makes them."""

import struct
import tempfile
import zlib
from collections.abc import Sequence

import kreuzberg

from tests.documents import pdf, pdf_of


def picture(lines: Sequence[str]) -> bytes:
    """A PNG of a page with these lines."""
    with tempfile.NamedTemporaryFile(suffix=".pdf") as file:
        file.write(pdf(lines))
        file.flush()
        return kreuzberg.render_pdf_page(file.name, 0, dpi=100)


def scanned(pages: Sequence[Sequence[str]]) -> bytes:
    """A PDF whose pages are pictures of these lines."""
    return pdf_of([_drawing(picture(lines)) for lines in pages])


def _drawing(png: bytes) -> bytes:
    """The order to draw a picture over the whole page, with its pixels in it."""
    width, height, depth, colours = struct.unpack(">LLBB", png[16:26])
    space = {2: "/RGB", 6: "/RGB", 0: "/G"}[colours]
    channels = {2: 3, 6: 4, 0: 1}[colours]
    assert depth == 8
    pixels = zlib.decompress(_pixels(png))
    rows = _unfiltered(pixels, width * channels, channels)
    if channels == 4:
        rows = b"".join(rows[n : n + 3] for n in range(0, len(rows), 4))
    packed = zlib.compress(rows, 9)
    head = f"q 612 0 0 792 0 0 cm BI /W {width} /H {height} /CS {space} /BPC 8 /F /Fl ID "
    return head.encode() + packed + b"\nEI Q"


def _pixels(png: bytes) -> bytes:
    found, at = b"", 8
    while at < len(png):
        (length,) = struct.unpack(">L", png[at : at + 4])
        if png[at + 4 : at + 8] == b"IDAT":
            found += png[at + 8 : at + 8 + length]
        at += 12 + length
    return found


def _unfiltered(data: bytes, width: int, step: int) -> bytes:
    """PNG's five filters taken back (RFC 2083, 6)."""
    before, rows = bytearray(width), []
    for at in range(0, len(data), width + 1):
        kind, row = data[at], bytearray(data[at + 1 : at + 1 + width])
        for n in range(width):
            left = row[n - step] if n >= step else 0
            corner = before[n - step] if n >= step else 0
            row[n] = (row[n] + _guess(kind, left, before[n], corner)) & 255
        rows.append(bytes(row))
        before = row
    return b"".join(rows)


def _guess(kind: int, left: int, above: int, corner: int) -> int:
    if kind < 4:
        return (0, left, above, (left + above) // 2)[kind]
    near = left + above - corner
    return min((left, above, corner), key=lambda one: abs(near - one))
