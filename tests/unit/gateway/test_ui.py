"""The files of the dashboard and the widget: what they weigh, name and say."""

import gzip
import re
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from services.gateway.http.ui import FOLDER, VENDOR, Files, no_demo, policy, routes

KIB = 1024
IMPORT = re.compile(r"""(?:from|import)\s*\(?\s*['"](\.[^'"]+)['"]""")
SAID = re.compile(r"""\bt\('((?:[^'\\]|\\.)+)'""")
COUNTED = re.compile(r"""\bcounted\([^']*'([^']+)', '([^']+)'""")
GERMAN_KEY = re.compile(r"""'((?:[^'\\]|\\.)+)': '""")
STATED = (
    "ready", "processing", "pending", "error", "live", "off", "revoked", "expired", "all",
    "member", "admin", "owner", "the start", "the sitemap", "a link", "another address",
    "another page", "imported", "unchanged", "duplicate", "redirected", "skipped", "failed",
    "unreachable", "retired", "import running", "import paused", "import finished",
    "import cancelled", "import failed", "index active", "index queued", "index building",
    "index failed", "a day", "a month", "nothing found", "too weak", "it would answer",
    "too weak: it would refuse", "models and their keys", "limits of what is spent",
    "limits of visitors, and the look of the widget", "who changed what",
    "none may be used", "only those of one bot", "all may be used", "asks bots",
    "reads everything but secrets", "changes bots and sources", "follows events",
    "manages people, keys, webhooks and budgets",
)  # fmt: skip
WORDS = (FOLDER / "widget" / "words.js").read_text()
FETCHED = (FOLDER / VENDOR).is_dir()
FILES = Files()
OURS = sorted(path for top in ("app", "demo", "widget") for path in (FOLDER / top).rglob("*.js"))
needs_libraries = pytest.mark.skipif(not FETCHED, reason="npm has not fetched the libraries")


def packed(*names: str) -> int:
    return sum(len(gzip.compress((FOLDER / name).read_bytes(), 9)) for name in names)


def reached(name: str) -> set[str]:
    """A module and all that it imports from beside it when it is loaded."""
    found, left = set(), [name]
    while left:
        one = left.pop()
        if one in found:
            continue
        found.add(one)
        text = re.sub(r"import\('[^']+'\)", "", (FOLDER / one).read_text())
        for target in IMPORT.findall(text):
            path = (FOLDER / one).parent / target
            left.append(path.resolve().relative_to(FOLDER).as_posix())
    return found


class TestWeight:
    def test_a_page_with_the_widget_loads_little_before_it_is_used(self) -> None:
        assert packed("widget/minirag-widget.js") <= 4 * KIB

    def test_the_conversation_opens_with_little(self) -> None:
        opened = reached("widget/panel.js")
        assert "widget/chat.js" in opened
        assert packed(*opened) <= 28 * KIB

    @needs_libraries
    def test_all_of_the_widget_is_small(self) -> None:
        every = reached("widget/panel.js") | reached("widget/markdown.js")
        assert f"{VENDOR}/marked/marked.esm.js" in every
        assert packed(*every) <= 34 * KIB

    @needs_libraries
    def test_the_frame_of_the_dashboard_is_small(self) -> None:
        vendor = [
            path.relative_to(FOLDER).as_posix()
            for name in ("preact", "htm", "@preact")
            for path in (FOLDER / VENDOR / name).rglob("*.*js")
        ]
        assert packed(*reached("app/main.js"), *vendor) <= 30 * KIB


class TestLanguages:
    @pytest.mark.parametrize("path", sorted((FOLDER / "app").rglob("*.js")), ids=lambda p: p.name)
    def test_everything_the_dashboard_says_is_said_in_german(self, path: Path) -> None:
        german = (FOLDER / "app" / "lib" / "german.js").read_text()
        said = {*SAID.findall(path.read_text()), *STATED}
        said |= {text for pair in COUNTED.findall(path.read_text()) for text in pair}
        assert [text for text in sorted(said) if f"'{text}':" not in german] == []

    def test_nothing_is_said_in_german_that_the_dashboard_does_not_say(self) -> None:
        app = FOLDER / "app"
        scripts = [path for path in app.rglob("*.js") if path.name != "german.js"]
        said = "".join(path.read_text() for path in scripts)
        keys = GERMAN_KEY.findall((app / "lib" / "german.js").read_text())
        assert len(keys) == len(set(keys)) > 0
        idle = [key for key in keys if f"'{key}'" not in said and key not in STATED]
        assert idle == []

    def test_the_widget_says_the_same_in_both(self) -> None:
        english, german = WORDS.split("\n  de: {")
        names = re.compile(r"^    (\w+):", re.MULTILINE)
        assert names.findall(english) == names.findall(german)


class TestServing:
    @pytest.fixture
    async def http(self) -> httpx.AsyncClient:
        async def demo_key() -> str | None:
            return "nrag_pk_x"

        transport = httpx.ASGITransport(app=Starlette(routes=routes(demo_key, FILES)))
        return httpx.AsyncClient(transport=transport, base_url="http://gateway")

    async def test_a_version_is_kept_for_ever_and_another_not_at_all(
        self, http: httpx.AsyncClient
    ) -> None:
        version = FILES.version
        for named, kept in ((version, "immutable"), ("older", "no-store")):
            answer = await http.get(f"/dashboard/assets/{named}/widget/panel.js")
            assert answer.status_code == 200
            assert kept in answer.headers["cache-control"]
            assert answer.headers["access-control-allow-origin"] == "*"

    async def test_the_loader_names_the_version_of_its_parts(self, http: httpx.AsyncClient) -> None:
        answer = await http.get("/dashboard/widget/minirag-widget.js")
        assert f"../assets/{FILES.version}/widget/" in answer.text
        assert answer.headers["content-encoding"] == "gzip"

    async def test_other_files_are_not_served(self, http: httpx.AsyncClient) -> None:
        for name in ("package.json", "nodejs.lock", ".npmrc", "../http/app.py", "app/none.js"):
            answer = await http.get(f"/dashboard/assets/{FILES.version}/{name}")
            assert answer.status_code == 404, name

    async def test_every_address_below_the_dashboard_is_its_page(
        self, http: httpx.AsyncClient
    ) -> None:
        pages = {(await http.get(path)).text for path in ("/dashboard", "/dashboard/bots/1")}
        assert len(pages) == 1

    async def test_the_demo_page_learns_its_key(self, http: httpx.AsyncClient) -> None:
        assert (await http.get("/demo/settings.json")).json() == {"key": "nrag_pk_x"}

    @pytest.fixture
    def bare(self, tmp_path: Path) -> Files:
        for name in ("app", "demo"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "index.html").write_text("")
        (tmp_path / "widget").mkdir()
        (tmp_path / "widget" / "minirag-widget.js").write_text("")
        return Files(tmp_path)

    async def test_without_libraries_a_page_says_what_is_missing(self, bare: Files) -> None:
        app = Starlette(routes=routes(no_demo, bare))
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
            assert "make install" in (await http.get("/dashboard")).text


class TestPolicy:
    def test_only_the_import_map_of_the_page_runs(self) -> None:
        page = '<script type="importmap">{"imports":{}}</script><script>alert(1)</script>'
        scripts = policy(page).split("script-src")[1].split(";")[0]
        assert scripts.count("sha256-") == 1
        assert "unsafe" not in policy(page)

    def test_no_text_becomes_code(self) -> None:
        assert "trusted-types 'none'" in policy("")

    @pytest.mark.parametrize("path", OURS, ids=lambda p: p.name)
    def test_no_module_parses_html(self, path: Path) -> None:
        text = path.read_text()
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert word not in text
