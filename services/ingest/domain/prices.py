"""How much there is to embed, judged from the length of a text."""

FILL = 0.75
"""Part of the largest size that a chunk has on average, as cuts are made where sentences end."""
CHARACTERS_PER_TOKEN = 4
"""The usual rule of thumb."""


def chunks_of(characters: int, size: int, overlap: int) -> int:
    """So many chunks a text of this length has, about."""
    step = max(size * FILL - overlap, size * FILL / 2)
    return max(1, round(characters / step))


def tokens_of(characters: int, size: int, overlap: int) -> int:
    """So many tokens its chunks have together, about: what chunks share is embedded twice."""
    shared = (chunks_of(characters, size, overlap) - 1) * overlap
    return -(-(characters + shared) // CHARACTERS_PER_TOKEN)
