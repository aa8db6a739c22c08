"""Tokens, where nobody has counted them."""

CHARACTERS_PER_TOKEN = 4
"""The usual rule of thumb."""


def estimated(characters: int) -> int:
    """So many tokens a text of this length has, rounded up."""
    return -(-characters // CHARACTERS_PER_TOKEN)
