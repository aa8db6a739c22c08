"""What ingest tells about sources and pages, in English sentences, is told in German too."""

import ast
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.gateway.http.ui import FOLDER
from shared.adapters import addresses

ROOT = Path(__file__).parents[3]
TOLD = (FOLDER / "app" / "lib" / "german_told.js").resolve()
PAIR = re.compile(r"^  \['(.+)', '(.+)'\],$", re.MULTILINE)
PLACE = re.compile(r"\{(\w+)\}")
SPOKEN = ("FetchFailed", "Unreadable", "SiteClosed", "EmbeddingRefused", "_costly")
"""Who is made with a sentence for people."""
TELLING = ("detail", "told", "objection", "_missing")
"""Functions that give one."""
URL = "https://example.com/page"


def pairs() -> list[tuple[str, str]]:
    return PAIR.findall(TOLD.read_text())


def sentences() -> Iterator[str]:
    """Each with words in place of what it fills in."""
    for path in sorted((ROOT / "services" / "ingest").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            for found in _told(node):
                if (text := _text(found)) is not None and text.strip("x"):
                    yield text


def _told(node: ast.AST) -> Iterator[ast.expr]:
    match node:
        case ast.Call(func=ast.Name(id=name), args=[first, *_]) if name in SPOKEN:
            yield first
        case ast.Call(func=ast.Attribute(attr="ends"), args=[_, second, *_]):
            yield second
        case ast.Call(func=ast.Attribute(attr="append", value=ast.Attribute(attr="notes"))):
            yield node.args[0]
        case ast.Call(func=ast.Attribute(attr=("_fail" | "_finish")), args=[*_, last]):
            yield last
        case ast.Assign(targets=[ast.Name(id=("reason" | "failure"))], value=value):
            yield value
        case ast.FunctionDef(name=name) if name in TELLING:
            for inner in ast.walk(node):
                if isinstance(inner, ast.Return) and inner.value is not None:
                    yield inner.value
        case _:
            return


def _text(node: ast.expr) -> str | None:
    """The sentence with an example in each of its places; None for what is none."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            parts = []
            for value in values:
                if isinstance(value, ast.FormattedValue):
                    about_urls = re.search(r"url|target|canonical|same|address", ast.unparse(value))
                    parts.append(URL if about_urls else "x")
                else:
                    parts.append(str(ast.literal_eval(value)))
            return "".join(parts)
        case _:
            return None


def _matches(text: str) -> bool:
    for english, _ in pairs():
        parts = PLACE.split(english)
        pattern = "".join(
            re.escape(part) if n % 2 == 0 else r"https?:\S+" if part == "url" else ".+?"
            for n, part in enumerate(parts)
        )
        if re.fullmatch(pattern, text, re.DOTALL):
            return True
    return False


def test_every_sentence_has_its_german() -> None:
    found = sorted(set(sentences()))
    assert len(found) > 40
    assert [text for text in found if not _matches(text)] == []


def test_every_reason_against_an_address_has_its_german() -> None:
    known = {english for english, _ in pairs()}
    assert [reason for reason in addresses._DENIED_BY_REASON if reason not in known] == []


def test_german_fills_in_what_english_does() -> None:
    wrong = [
        english
        for english, german in pairs()
        if not set(PLACE.findall(english)) - {"what"} <= set(PLACE.findall(german))
        or not set(PLACE.findall(german)) <= set(PLACE.findall(english))
    ]
    assert wrong == []


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node.js")
def test_sentences_within_sentences_are_told_too() -> None:
    asked = (
        "revision 3: 12 chunks, 4 embedded",
        "No page could be imported: The server answered 404 Not Found",
        f"{URL}: The server did not finish within 20 seconds",
        "The address is not allowed: 10.0.0.1 may not be reached: it leads to a private address",
        "something else",
    )
    script = (
        f"const {{ inGerman }} = await import({json.dumps(TOLD.as_uri())});"
        f"console.log(JSON.stringify({json.dumps(asked)}.map(inGerman)));"
    )
    told = subprocess.run(
        ["node", "--input-type=module", "-e", script],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert json.loads(told.stdout) == [
        "Fassung 3: 12 Stellen, 4 davon eingebettet",
        "Keine Seite ließ sich importieren: Der Server antwortete 404 Not Found",
        f"{URL}: Der Server wurde nicht binnen 20 Sekunden fertig",
        (
            "Die Adresse ist nicht erlaubt: 10.0.0.1 darf nicht erreicht werden: "
            "dahinter steht eine private Adresse"
        ),
        "something else",
    ]
