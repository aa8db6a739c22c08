"""Figures as a page for people."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

HEAD = """# Figures

Written by `make bench` on an embedded installation in a temporary folder. Latencies are
milliseconds at the client; open loop means that requests are sent at a fixed rate whatever comes
back. The floor is a bare FastAPI route under uvicorn, measured in the same run.
"""


def page(figures: Mapping[str, Any]) -> str:
    """Markdown."""
    lines = [HEAD, *_table(("Machine", ""), figures["machine"].items())]
    lines += _table(("Stack", ""), ((name, _shown(v)) for name, v in figures["stack"].items()))
    lines += _table(
        ("Request", "p50 ms", "p99 ms", "per second", "floor p50", "floor p99"),
        (_latency(name, found) for name, found in figures["http"].items()),
    )
    rebuilds = (
        (name, str(found["events"]), f"{found['seconds']:.2f}", _shown(found["per_second"]))
        for name, found in figures["rebuild"].items()
    )
    lines += _table(("Rebuilt read model", "events", "seconds", "events per second"), rebuilds)
    for title, name in (
        ("The hot paths, and their floors", "hot paths"),
        ("Texts, from their upload until they are ready", "ingestion"),
        ("More requests than can be done", "overload"),
        ("Simple read models made anew", "simple read models"),
        ("Streams held open", "streams"),
    ):
        lines += _table((title, ""), _flat(figures[name]))
    lines += _outward(figures)
    speeds = (
        (ending, *(_shown(figure) for figure in found.values()))
        for ending, found in figures["formats"].items()
    )
    head = ("Format", "documents/s", "MB/s", "chunks/s", "worker's peak, MB")
    lines += _table(head, speeds)
    lines += ["What is added to the first token of a model that answers at once:", ""]
    lines += [table(figures["first_tokens"]), ""]
    lines += ["Retrieval by the size of the index, one question after the other:", ""]
    lines += [table(figures["retrieval"]), ""]
    return "\n".join(lines)


def table(rows: Sequence[Mapping[str, float | str]]) -> str:
    """Markdown; the columns are named as in the first row."""
    shown = (
        [cell if isinstance(cell, str) else _shown(cell) for cell in row.values()] for row in rows
    )
    return "\n".join(_table(tuple(rows[0]), shown)[:-1])


def _outward(figures: Mapping[str, Any]) -> list[str]:
    """What leaves the product, and what is counted."""
    hooks, fed, counted = figures["webhooks"], figures["feed"], figures["statistics"]
    told = {f"webhooks, {name}": found for name, found in hooks.items()}
    told[f"event feed, {fed['subscribers']} subscribers, {fed['lost']} lost"] = fed
    lines = _table(
        ("From the order to the receiver", "p50 ms", "p99 ms", "events per second"),
        ((n, _shown(f["p50"]), _shown(f["p99"]), _shown(f["per_second"])) for n, f in told.items()),
    )
    sizes = counted["events"]
    heads = [f"{p} ms, {sizes[size]:,} events" for size in sizes for p in ("p50", "p99")]
    routes = (
        (name, *(_shown(found[size][p]) for size in sizes for p in ("p50", "p99")))
        for name, found in counted["routes"].items()
    )
    lines += _table(("Statistics, without HTTP", *heads), routes)
    speeds = (
        (name, _shown(counted[name])) for name in ("appended per second", "rebuilt per second")
    )
    return lines + _table(("Events of statistics", ""), speeds)


def _flat(found: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """A line for each figure, named by all that it is within."""
    for name, figure in found.items():
        if isinstance(figure, Mapping):
            yield from _flat(figure, f"{above}{name}: ")
        else:
            yield f"{above}{name}", _shown(figure)


def _latency(name: str, found: Mapping[str, Any]) -> tuple[str, ...]:
    mine, floor = found["product"], found["floor"]
    numbers = (mine["p50"], mine["p99"], mine["per_second"], floor["p50"], floor["p99"])
    return (name, *(_shown(number) for number in numbers))


def _shown(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def _table(head: tuple[str, ...], rows: Any) -> list[str]:
    lines = ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]
    return [*lines, ""]
