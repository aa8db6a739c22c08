"""What lies in the repository, and what never may."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.extras import ROOT

TOP_LEVEL = {
    ".ci", ".dockerignore", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "Dockerfile",
    "LICENSE", "Makefile", "README.md", "SECURITY.md", "bench", "compose.observability.yml",
    "deploy", "docker-compose.yml", "docs", "examples", "postman", "pyproject.toml",
    "requirements.lock", "sdks", "services", "shared", "tests",
}  # fmt: skip
NEEDED = {
    ".ci", ".gitignore", "Makefile", "README.md", "docs", "pyproject.toml", "requirements.lock",
    "services", "shared", "tests",
}  # fmt: skip
CODE_LINES = 500
LARGEST_BYTES = 400_000
REGISTRIES = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"), ("pythonhosted", "org"), ("pypi", "python"), ("npmjs", "org"),
        ("npmjs", "com"), ("yarnpkg", "com"), ("crates", "io"), ("proxy", "golang"),
        ("rubygems", "org"), ("deb", "debian"), ("anaconda", "org"),
    )
)  # fmt: skip
"""Hosts of package registries: where packages come from is the reader's own setting."""
INDEX_OPTION = re.compile(r"(?<!no-emit-)(?:extra-index-url|index-url|find-links|registry=)")
UNFINISHED = re.compile(r"\b(?:T[O]DO|F[I]XME|X[X]X|H[A]CK)\b")
MADE = re.compile(
    r"(?:^|/)(?:node_modules|vendor|third_party|dist|build|__pycache__|\.venv|[^/]*\.egg-info)/"
    r"|\.(?:pyc|so|dll|whl|jar|class|min\.js|min\.css|map|log|sqlite|zip|gz|tgz)$"
    r"|(?:^|/)(?:uv\.lock|yarn\.lock|poetry\.lock|\.DS_Store)$"
)
"""Paths of what tools make or others wrote."""


def tracked() -> list[str]:
    """Every file that git knows."""
    done = subprocess.run(
        ["git", "ls-files", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


def texts() -> Iterator[tuple[str, str]]:
    """Every text file, with its text."""
    for name in FILES:
        try:
            yield name, (ROOT / name).read_text()
        except UnicodeDecodeError:
            continue


if not (ROOT / ".git").exists():
    pytest.skip("not a checkout", allow_module_level=True)
FILES = tracked()


def test_the_top_level_holds_what_everybody_knows_and_nothing_else() -> None:
    found = {name.split("/", 1)[0] for name in FILES}
    assert found - TOP_LEVEL == set()
    assert NEEDED - found == set()


def test_no_file_names_a_registry() -> None:
    assert [
        (name, word)
        for name, text in texts()
        for word in (*REGISTRIES, *INDEX_OPTION.findall(text))
        if word in text and name != str(Path(__file__).relative_to(ROOT))
    ] == []


def test_the_lock_holds_hashes_and_no_address() -> None:
    text = (ROOT / "requirements.lock").read_text()
    assert "://" not in text
    assert len(re.findall(r"^\S+==", text, re.MULTILINE)) > 50
    for block in re.split(r"^(?=\S+==)", text, flags=re.MULTILINE)[1:]:
        assert "--hash=sha256:" in block, block.splitlines()[0]


def test_no_python_file_is_too_long_to_read() -> None:
    assert [
        (name, len(text.splitlines()))
        for name, text in texts()
        if name.endswith(".py") and len(text.splitlines()) > CODE_LINES
    ] == []


def test_nothing_that_a_tool_makes_or_others_wrote_is_kept() -> None:
    assert [name for name in FILES if MADE.search(name)] == []
    large = {name: (ROOT / name).stat().st_size for name in FILES}
    assert [name for name, size in large.items() if size > LARGEST_BYTES] == [
        "requirements.lock"
    ] * (large["requirements.lock"] > LARGEST_BYTES)


def test_nothing_is_marked_as_unfinished() -> None:
    assert [
        (name, found[0])
        for name, text in texts()
        if name != "requirements.lock" and (found := UNFINISHED.findall(text))
    ] == []


def test_every_module_says_in_a_sentence_what_it_knows() -> None:
    assert [
        name
        for name, text in texts()
        if name.endswith(".py") and not text.lstrip("#! \n").startswith(('"""', 'r"""'))
    ] == []


def test_every_suppression_has_its_reason_beside_it() -> None:
    bare = re.compile(
        r"# (?:noqa(?:: [A-Z]+\d+(?:, [A-Z]+\d+)*)?|type: ignore(?:\[[\w, -]+\])?)\s*$"
    )
    assert [
        f"{name}:{number}"
        for name, text in texts()
        if name.endswith(".py")
        for number, line in enumerate(text.splitlines(), 1)
        if bare.search(line)
    ] == []


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (UNFINISHED, "# {}: later".format("todo".upper())),
        (INDEX_OPTION, "pip install --extra-index-url somewhere"),
        (MADE, "services/gateway/http/static/app.min.js"),
        (MADE, "web/node_modules/left-pad/index.js"),
        (MADE, "uv.lock"),
    ],
)
def test_the_patterns_find_what_they_look_for(pattern: re.Pattern[str], line: str) -> None:
    assert pattern.search(line)


def test_the_option_that_leaves_the_index_out_is_allowed() -> None:
    assert not INDEX_OPTION.search("uv pip compile --no-emit-index-url --no-emit-find-links")
