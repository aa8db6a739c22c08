"""Reads pictures with Tesseract, whose engine comes with kreuzberg; its data must be installed."""

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from shared.adapters import text
from shared.adapters.kinds import PDF

PLACES = (
    f"{sys.prefix}/share/tessdata",
    "/usr/share/tessdata",
    "/usr/local/share/tessdata",
    "/opt/homebrew/share/tessdata",
)
DEBIAN = Path("/usr/share/tesseract-ocr")
DPI = 200
PAGES = 100
"""Pages of one document that are read from pictures; each takes seconds."""


def read_page(data: bytes, kind: str, page: int, languages: str, folder: str | None = None) -> str:
    """Text of one page, from 0. `languages` as Tesseract names them: `eng`, or `eng+deu`.

    Raises `ValueError`, in words for people.
    """
    import kreuzberg  # noqa: PLC0415  26 MB, loaded in workers only

    os.environ["TESSDATA_PREFIX"] = _folder(languages.split("+"), folder)  # noqa: TID251  the engine reads it there
    config = kreuzberg.ExtractionConfig(
        use_cache=False,
        ocr=kreuzberg.OcrConfig(
            backend="tesseract",
            language=languages,
            tesseract_config=kreuzberg.TesseractConfig(
                language=languages, output_format="text", enable_table_detection=False
            ),
        ),
    )
    try:
        picture, kind = (_picture(data, page), "image/png") if kind == PDF else (data, kind)
        found = kreuzberg.extract_bytes_sync(picture, kind, config)
    except kreuzberg.KreuzbergError as error:
        raise ValueError(
            "the picture is damaged or of an unknown kind: save it as PNG or JPEG"
        ) from error
    return text.normalise(found.content)


def _picture(data: bytes, page: int) -> bytes:
    import kreuzberg  # noqa: PLC0415  26 MB, loaded in workers only

    with tempfile.NamedTemporaryFile(suffix=".pdf") as file:
        file.write(data)
        file.flush()
        return kreuzberg.render_pdf_page(file.name, page, dpi=DPI)


def _folder(languages: Sequence[str], folder: str | None) -> str:
    """Where the data of all these languages lies. Raises `ValueError` naming what is missing."""
    debian = sorted(DEBIAN.glob("*/tessdata"), reverse=True)
    places = [Path(folder)] if folder else [*(Path(place) for place in PLACES), *debian]
    for place in places:
        if all((place / f"{language}.traineddata").is_file() for language in languages):
            return str(place)
    raise ValueError(
        "it has no text but only pictures of it, and Tesseract is not installed on this server "
        f"for the language {', '.join(languages)}. Ask the operator to install tesseract-ocr with "
        "that language, or upload a file with text in it"
    )
