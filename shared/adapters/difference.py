"""What changed between two texts, line by line. Runs in worker processes."""

import difflib

LINES = 2_000
"""Lines of a difference that are told."""
LONGEST = 400
"""Characters of a line that are told."""
AROUND = 2
BYTES = 500_000
"""Of all lines together; the broker takes a megabyte."""


def difference(before: str, after: str) -> tuple[list[str], int, int, bool]:
    """Lines of a unified diff, how many were added and removed, and whether it was shortened."""
    old, new = before.split("\n"), after.split("\n")
    lines = list(difflib.unified_diff(old, new, n=AROUND, lineterm=""))[2:]
    added = sum(line.startswith("+") for line in lines)
    removed = sum(line.startswith("-") for line in lines)
    told, used = [], 0
    for line in lines[:LINES]:
        short = line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}\u2026"
        used += len(short.encode()) + 3
        if used > BYTES:
            break
        told.append(short)
    return told, added, removed, len(told) < len(lines)
