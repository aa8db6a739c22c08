"""Ask a running installation, through its HTTP interface, and count what it finds."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any

import httpx

from bench.retrieval.sets import KINDS, Asked, Kind, QuestionSet

LIMIT = 10
"""Passages that are looked at; a hit counts within the first five."""
AT_ONCE = 50
"""Sources that are ingested before the next are sent: the queue stays short."""
WAIT_SECONDS = 600.0
HEADER = (
    "| language | questions | hit@1 | hit@5 | MRR | answered | refused: out of scope | "
    "refused: unanswerable | p50 ms | p99 ms |"
)


@dataclass
class Figures:
    """What came out for one language."""

    ranks: list[int | None] = field(default_factory=list)
    """Place of the paragraph that answers, for each answerable question."""
    refused: dict[Kind, list[bool]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    milliseconds: list[float] = field(default_factory=list)
    best: dict[Kind, list[float]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    """Evidence of the best passage."""
    strange: list[float] = field(default_factory=list)
    """Cosines of questions and passages that do not answer them."""

    def hit(self, within: int) -> float:
        """Share of answerable questions whose paragraph is among the first."""
        return _share(rank is not None and rank <= within for rank in self.ranks)

    @property
    def mrr(self) -> float:
        """Mean of 1/place, within the first ten."""
        return sum(1 / rank for rank in self.ranks if rank) / max(1, len(self.ranks))

    def refusals(self, kind: Kind) -> float:
        """Share of questions of this kind that the bot would refuse."""
        return _share(self.refused[kind])

    def latency(self, percent: int) -> float:
        """Milliseconds of retrieval alone, at this percentile."""
        if len(self.milliseconds) < 2:
            return sum(self.milliseconds)
        return quantiles(self.milliseconds, n=100, method="inclusive")[percent - 1]


class Bench:
    """A bot of its own in a tenant, filled with the paragraphs of a set."""

    def __init__(self, http: httpx.Client, name: str = "Bench") -> None:
        self._http = http
        self.bot = str(_sent(http.post("/v1/bot-profiles", json={"name": name}))["id"])
        self._places: dict[str, int] = {}

    def ingest(self, paragraphs: Sequence[tuple[str, str]]) -> None:
        """Each paragraph as a source of its own, through the real pipeline."""
        for first in range(0, len(paragraphs), AT_ONCE):
            waiting = set()
            for place, (text, _) in enumerate(paragraphs[first : first + AT_ONCE], first):
                body = {"bot_profile_id": self.bot, "source_type": "text", "content": text}
                made = _sent(self._http.post("/v1/sources", json={**body, "name": f"P{place}"}))
                source_id = str(made["id"])
                _sent(self._http.post(f"/v1/sources/{source_id}/ingest"))
                self._places[source_id] = place
                waiting.add(source_id)
            self._await(waiting)

    def ask(self, asked: Asked, figures: Figures) -> None:
        """One question, counted in `figures`."""
        found = self.retrieve(asked.question)
        figures.milliseconds.append(found["latency_ms"])
        figures.refused[asked.kind].append(found["verdict"] != "grounded")
        figures.best[asked.kind].append(found["best"])
        figures.strange += [
            passage["similarity"]
            for passage in found["passages"]
            if self._places.get(passage["source_id"]) != asked.paragraph
        ]
        if asked.kind == "answerable":
            places: list[int | None] = [
                self._places.get(passage["source_id"]) for passage in found["passages"]
            ]
            rank = places.index(asked.paragraph) + 1 if asked.paragraph in places else None
            figures.ranks.append(rank)

    def retrieve(self, query: str, **fields: Any) -> Any:
        """What the bot would find."""
        body = {"query": query, "limit": LIMIT, **fields}
        return _sent(self._http.post(f"/v1/bot-profiles/{self.bot}/retrieve", json=body))

    def measure(self, questions: Iterable[Asked]) -> dict[str, Figures]:
        """All questions, by language."""
        found: dict[str, Figures] = {}
        for asked in questions:
            self.ask(asked, found.setdefault(asked.language, Figures()))
        return found

    def _await(self, waiting: set[str]) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while waiting:
            for source_id in list(waiting):
                status = _sent(self._http.get(f"/v1/sources/{source_id}"))["status"]
                if status == "error":
                    raise RuntimeError(f"source {source_id} could not be ingested")
                if status == "ready":
                    waiting.discard(source_id)
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(waiting)} sources are not ready")
            time.sleep(0.05)


def measure(http: httpx.Client, questions: QuestionSet) -> dict[str, Figures]:
    """Ingest a set into a new bot and ask its questions."""
    bench = Bench(http)
    bench.ingest(questions.paragraphs)
    return bench.measure(questions.questions)


def table(found: dict[str, Figures]) -> str:
    """The figures as a Markdown table."""
    lines = [HEADER, "|---" * HEADER.count(" | ") + "|---|"]
    for language, one in sorted(found.items()):
        asked = sum(len(refused) for refused in one.refused.values())
        cells = [language, str(asked)]
        cells += [_cell(value, one.ranks) for value in (one.hit(1), one.hit(5), one.mrr)]
        cells.append(_cell(1 - one.refusals("answerable"), one.refused["answerable"]))
        cells += [
            _cell(one.refusals(kind), one.refused[kind])
            for kind in ("out-of-scope", "unanswerable")
        ]
        cells += [f"{one.latency(percent):.1f}" for percent in (50, 99)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(value: float, of: Sequence[object]) -> str:
    return f"{value:.3f}" if of else ""


def _share(values: Iterable[bool]) -> float:
    kept = list(values)
    return sum(kept) / max(1, len(kept))


def _sent(answer: httpx.Response) -> Any:
    if answer.is_error:
        raise RuntimeError(f"{answer.request.url} answered {answer.status_code}: {answer.text}")
    return answer.json() if answer.content else None
