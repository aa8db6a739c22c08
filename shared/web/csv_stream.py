"""CSV that is too large to be held, and that no spreadsheet takes for formulas.

RFC 4180 with CRLF. A cell that begins with what a spreadsheet takes for the beginning of a formula
gets an apostrophe before it (OWASP ASVS 5.0, 1.2.10; OWASP "CSV Injection").
"""

import csv
import io
from collections.abc import Iterable, Sequence

MEDIA_TYPE = "text/csv; charset=utf-8"
DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""The last four are the full-width forms, which some spreadsheets take for the narrow ones."""


def cell(value: object) -> object:
    """`value` as it may stand in a file; numbers stay numbers, None is an empty cell."""
    if isinstance(value, str) and value.startswith(DANGEROUS):
        return f"'{value}"
    return value


def rows(lines: Iterable[Sequence[object]]) -> bytes:
    """Lines of a CSV file."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(
        [cell(value) for value in line] for line in lines
    )
    return text.getvalue().encode()
