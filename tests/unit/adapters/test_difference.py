"""What changed between two texts."""

from shared.adapters import difference as module
from shared.adapters.difference import difference


def test_added_and_removed_lines_are_told_with_those_around() -> None:
    lines, added, removed, shortened = difference("a\nb\nc\nd\ne", "a\nb\nC\nd\ne\nf")
    assert lines == ["@@ -1,5 +1,6 @@", " a", " b", "-c", "+C", " d", " e", "+f"]
    assert (added, removed, shortened) == (2, 1, False)


def test_the_same_text_has_none() -> None:
    assert difference("a\nb", "a\nb") == ([], 0, 0, False)


def test_a_long_difference_is_shortened_and_says_so() -> None:
    before, after = "", "\n".join(f"line {n}" for n in range(5000))
    lines, added, _, shortened = difference(before, after)
    assert (len(lines), added, shortened) == (module.LINES, 5000, True)
    huge = "\n".join("x" * 1000 + str(n) for n in range(5000))
    lines, _, _, shortened = difference("", huge)
    assert shortened
    assert sum(len(line.encode()) + 3 for line in lines) <= module.BYTES
    assert max(map(len, lines)) == module.LONGEST
