"""Question sets: SQuAD's JSON, and a plain CSV form of our own.

CSV: a header line, then `question,answer,paragraph,language,kind`. `kind` is `answerable`,
`unanswerable` (on topic, but no paragraph tells), or `out-of-scope`. A row without a question only
adds its paragraph; a row that is out of scope needs none.
"""

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Kind = Literal["answerable", "unanswerable", "out-of-scope"]
KINDS: tuple[Kind, ...] = ("answerable", "unanswerable", "out-of-scope")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question; `paragraph` is the place of the one that answers it, if one does."""

    question: str
    answers: tuple[str, ...]
    paragraph: int | None
    language: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """Paragraphs in the order they stand in, with their languages, and questions about them."""

    paragraphs: tuple[tuple[str, str], ...]
    questions: tuple[Asked, ...]

    def only(self, paragraphs: str | None, questions: str | None) -> "QuestionSet":
        """The paragraphs of one language with the questions of one: they may be different.

        Paragraphs that are translations of each other stand at the same place of their language.
        """
        if paragraphs is None:
            return self
        places: dict[str, list[int]] = {}
        for place, (_, language) in enumerate(self.paragraphs):
            places.setdefault(language, []).append(place)
        kept = places.get(paragraphs, [])
        asked = [one for one in self.questions if one.language == (questions or paragraphs)]
        moved = []
        for one in asked:
            nth = None
            if one.paragraph is not None:
                _, language = self.paragraphs[one.paragraph]
                nth = places[language].index(one.paragraph)
            moved.append(Asked(one.question, one.answers, nth, one.language, one.kind))
        return QuestionSet(tuple(self.paragraphs[place] for place in kept), tuple(moved))


def read(path: Path, language: str = "en") -> QuestionSet:
    """A set from a file, by its ending. `language` is that of a SQuAD file."""
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            return from_rows(csv.DictReader(file))
    return from_squad(json.loads(path.read_text(encoding="utf-8")), language)


def from_rows(rows: Iterable[dict[str, str]]) -> QuestionSet:
    """Rows of the CSV form. Raises `ValueError` for a kind that is none."""
    paragraphs: dict[tuple[str, str], int] = {}
    questions = []
    for row in rows:
        kind = _kind(row.get("kind") or "answerable")
        text, language = row.get("paragraph") or "", row.get("language") or "en"
        place = paragraphs.setdefault((text, language), len(paragraphs)) if text else None
        if row.get("question"):
            answers = (row["answer"],) if row.get("answer") else ()
            told = place if kind == "answerable" else None
            questions.append(Asked(row["question"], answers, told, language, kind))
    return QuestionSet(tuple(paragraphs), tuple(questions))


def from_squad(data: dict[str, Any], language: str) -> QuestionSet:
    """SQuAD 1.1 or 2.0, and XQuAD, which has the same form."""
    paragraphs: list[tuple[str, str]] = []
    questions = []
    for paragraph in _paragraphs(data):
        for entry in paragraph["qas"]:
            impossible = bool(entry.get("is_impossible"))
            questions.append(
                Asked(
                    entry["question"].strip(),
                    tuple(answer["text"] for answer in entry.get("answers", ())),
                    None if impossible else len(paragraphs),
                    language,
                    "unanswerable" if impossible else "answerable",
                )
            )
        paragraphs.append((paragraph["context"], language))
    return QuestionSet(tuple(paragraphs), tuple(questions))


def _paragraphs(data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for article in data["data"]:
        yield from article["paragraphs"]


def _kind(name: str) -> Kind:
    for kind in KINDS:
        if kind == name:
            return kind
    raise ValueError(f"a question is {', '.join(KINDS)}, not {name!r}")
