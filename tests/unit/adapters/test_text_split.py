"""Chunks stand exactly where they say, fit their limit, and never mix two sections."""

import re

import pytest
from hypothesis import given, strategies as st

from shared.adapters.chunking import Chunk, split
from shared.adapters.text import first_heading, heading_of, normalise, sections

MANUAL = normalise(
    """An introduction without a heading.

# Fahrräder

Jedes Fahrrad trägt eine Garantie von sieben Jahren. Sie gilt für den Rahmen. Größere Räder haben
längere Garantien.

## Preise

| Item | Preis |
|---|---|
| Klingel | 10 Euro |

### Leer

## 自転車

自転車には七年間の保証があります。保証はフレームに適用されます。ベルは別売りです。

# Ende

Schluss.
"""
)


def body(chunks: list[Chunk], text: str) -> list[str]:
    return [text[chunk.start : chunk.end] for chunk in chunks]


class TestSections:
    def test_begin_at_headings_and_carry_the_path_above_them(self) -> None:
        found = [(heading, MANUAL[start:end].strip()) for start, end, heading in sections(MANUAL)]
        assert [heading for heading, _ in found] == [
            None,
            "Fahrräder",
            "Fahrräder > Preise",
            "Fahrräder > 自転車",
            "Ende",
        ]
        assert found[0][1] == "An introduction without a heading."
        assert found[-1][1] == "Schluss."

    def test_without_a_heading_the_whole_text_is_one(self) -> None:
        assert list(sections("one\n\ntwo")) == [(0, 8, None)]

    def test_headings_without_text_are_none(self) -> None:
        assert list(sections("# One\n\n## Two\n\n# Three")) == []
        assert list(sections("")) == []

    def test_a_deeper_path_ends_with_the_next_higher_heading(self) -> None:
        text = "# A\n## B\n### C\nc\n## D\nd\n# E\ne"
        assert [heading for _, _, heading in sections(text)] == ["A > B > C", "A > D", "E"]

    def test_a_path_that_skips_levels_is_kept_as_it_is(self) -> None:
        assert [h for _, _, h in sections("### C\nc\n# A\na\n#### D\nd")] == ["C", "A", "A > D"]

    @pytest.mark.parametrize(
        "code",
        [
            "```\n# no heading\n```",
            "```sh\n# no heading\n```",
            "~~~\n# no heading\n```\n# nor this\n~~~",
            "  ```\n# no heading\n  ```",
        ],
    )
    def test_a_comment_in_a_block_of_code_is_no_heading(self, code: str) -> None:
        text = f"# A\n{code}\n# B\nb"
        assert [heading for _, _, heading in sections(text)] == ["A", "B"]

    def test_code_in_a_line_opens_no_block(self) -> None:
        assert [h for _, _, h in sections("# A\n```pip install```\n# B\nb")] == ["A", "B"]


class TestHeadings:
    @pytest.mark.parametrize(
        ("line", "heading"),
        [
            ("# One", (1, "One")),
            ("###### Six", (6, "Six")),
            ("# One #", (1, "One")),
            ("## Two ####", (2, "Two")),
            ("# C#", (1, "C#")),
            ("# C# and F#", (1, "C# and F#")),
            ("#\tTab", (1, "Tab")),
            ("# Größe  ", (1, "Größe")),
            ("####### Seven", None),
            ("#NoBlank", None),
            ("#", None),
            ("# ", None),
            ("## ##", None),
            ("text # no", None),
            ("", None),
        ],
    )
    def test_are_told_as_markdown_has_them(
        self, line: str, heading: tuple[int, str] | None
    ) -> None:
        assert heading_of(line) == heading

    @pytest.mark.parametrize("line", ["# " + "#" * 300_000 + "x", "# " + " a" * 300_000 + "#"])
    def test_are_told_in_linear_time(self, line: str) -> None:
        """In quadratic time, nobody would see the end of it."""
        assert heading_of(line) is not None

    def test_the_first_one_near_the_beginning_is_the_title(self) -> None:
        assert first_heading("Intro\n\n## The Guide\n# Other") == "The Guide"
        assert first_heading("\n" * 50 + "# Late") is None
        assert first_heading("nothing") is None


class TestChunks:
    @pytest.mark.parametrize("limit", [20, 60, 120, 1000])
    def test_stand_where_they_say_and_fit(self, limit: int) -> None:
        spans = [(start, end, heading) for start, end, heading in sections(MANUAL)]
        chunks = split(MANUAL, limit, 0)
        assert chunks
        for chunk in chunks:
            piece = MANUAL[chunk.start : chunk.end]
            assert 0 < len(piece) <= limit
            assert piece == piece.strip()
            assert any(
                start <= chunk.start and chunk.end <= end and heading == chunk.heading
                for start, end, heading in spans
            )

    def test_lose_nothing_but_headings_and_blanks(self) -> None:
        letters = "".join(re.sub(r"#+ .*", "", MANUAL).split())
        for limit in (30, 100, 1000):
            assert "".join("".join(body(split(MANUAL, limit, 0), MANUAL)).split()) == letters

    def test_keep_the_punctuation_of_their_sentences(self) -> None:
        text = "One is short. Two is longer. Three!"
        assert body(split(text, 15, 0), text) == ["One is short.", "Two is longer.", "Three!"]

    def test_count_characters_and_not_bytes(self) -> None:
        text = "äöü " * 50 + "東京都" * 50
        for chunk in split(text, 40, 0):
            assert chunk.end - chunk.start <= 40
        assert "".join(body(split(text, 40, 0), text)).replace(" ", "") == text.replace(" ", "")

    def test_of_a_text_that_fits_are_one(self) -> None:
        assert split("A short text.", 1000, 0) == [Chunk(0, 13, None)]

    def test_of_nothing_are_none(self) -> None:
        assert split("", 100, 0) == []
        assert split("# Only\n\n## Headings", 100, 0) == []

    def test_may_overlap_by_whole_sentences(self) -> None:
        text = "One a. Two b. Six c. Ten d. Red e. Fox f."
        chunks = split(text, 14, 7)
        assert chunks[1].start < chunks[0].end
        assert all(chunk.end - chunk.start <= 14 for chunk in chunks)

    @given(
        st.lists(
            st.sampled_from(
                ["# A\n", "## B\n", "Wort. ", "東京。", "ä" * 30, "\n\n", "- x\n", "```\n", "👩‍🚀 "]
            ),
            max_size=40,
        ),
        st.integers(10, 80),
        st.integers(0, 9),
    )
    def test_of_any_text_are_exact(self, parts: list[str], limit: int, overlap: int) -> None:
        text = normalise("".join(parts))
        spans = list(sections(text))
        for chunk in split(text, limit, overlap):
            assert 0 < chunk.end - chunk.start <= limit
            inside = [s for s in spans if s[0] <= chunk.start and chunk.end <= s[1]]
            assert [heading for _, _, heading in inside] == [chunk.heading]
            assert text[chunk.start : chunk.end].strip()


class TestPages:
    TEXT = "One sentence. Two sentences. A third one\n\nthat goes on. The end."

    def test_are_not_mixed(self) -> None:
        second = self.TEXT.index("Two")
        chunks = split(self.TEXT, 1000, 0, pages=[(0, 1), (second, 2)])
        assert [(chunk.start, chunk.end) for chunk in chunks] == [
            (0, second - 1),
            (second, len(self.TEXT)),
        ]

    def test_are_mixed_where_a_sentence_goes_on(self) -> None:
        pages = [(0, 1), (self.TEXT.index("that"), 2)]
        assert len(split(self.TEXT, 1000, 0, pages=pages)) == 1
