"""`python -m bench.retrieval --set FILE`: figures of a running installation, per language."""

import argparse
import dataclasses
import random
from pathlib import Path

import httpx

from bench.retrieval.calibrate import floors
from bench.retrieval.run import Bench, Figures, table
from bench.retrieval.sets import Asked, QuestionSet, read


def main() -> None:
    """Read the set, ingest it into a new bot, ask, print a table."""
    options = _options()
    questions = read(options.set, options.language).only(options.paragraphs, options.questions)
    asked = list(questions.questions)
    if options.parallel:
        asked = list(read(options.parallel, options.asked_in).questions)
    if options.out_of_scope:
        asked += _strange(read(options.out_of_scope, options.language), asked)
    if options.sample and len(asked) > options.sample:
        asked = random.Random(1).sample(asked, options.sample)  # noqa: S311  the same ones every time
    with httpx.Client(base_url=options.url, timeout=60, trust_env=False) as http:
        http.headers["Authorization"] = f"Bearer {options.token}"
        found = _measured(http, questions, asked)
    print(table(found))
    if options.floors:
        print(floors(found))


def _strange(foreign: QuestionSet, asked: list[Asked]) -> list[Asked]:
    """Questions of another set, in the languages that are asked in."""
    spoken = {one.language for one in asked}
    return [
        dataclasses.replace(one, kind="out-of-scope", paragraph=None)
        for one in foreign.questions
        if one.language in spoken
    ]


def _measured(http: httpx.Client, questions: QuestionSet, asked: list[Asked]) -> dict[str, Figures]:
    bench = Bench(http)
    bench.ingest(questions.paragraphs)
    return bench.measure(asked)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", type=Path, required=True, help="SQuAD JSON, or CSV")
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--token", required=True, help="an API token that may write")
    parser.add_argument("--language", default="en", help="of a SQuAD file")
    parser.add_argument("--paragraphs", help="only the paragraphs of this language")
    parser.add_argument("--questions", help="only the questions of this language")
    parser.add_argument(
        "--parallel", type=Path, help="the same paragraphs in another language: its questions"
    )
    parser.add_argument("--asked-in", default="de", help="language of the parallel SQuAD file")
    parser.add_argument("--out-of-scope", type=Path, help="a set whose questions are foreign here")
    parser.add_argument("--floors", action="store_true", help="what each floor would do, too")
    parser.add_argument("--sample", type=int, help="ask only so many, drawn at random")
    return parser.parse_args()


if __name__ == "__main__":
    main()
