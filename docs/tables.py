"""Markdown tables."""

from collections.abc import Iterable, Iterator, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Lines of a table, and the blank one behind it; nothing if there are no rows."""
    body = [_row(row) for row in rows]
    if body:
        yield from (_row(head), _row(["---"] * len(head)), *body, "")


def flowing(text: str | None) -> str:
    """A docstring as one line."""
    return " ".join((text or "").split())


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
