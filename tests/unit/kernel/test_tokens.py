"""A token carries its own proof of form: a mistyped one is told from a revoked one."""

import hashlib
import zlib

import pytest
from hypothesis import given, strategies as st

from shared.kernel.tokens import (
    ALPHABET,
    CHECKSUM_LENGTH,
    PREFIX,
    SECRET_LENGTH,
    SHOWN,
    checksum,
    is_well_formed,
    new_token,
    token_hash,
)

SECRET = "0123456789ABCDEFGHIJKLMNOPQRSTUV"


def base62(digits: str) -> int:
    number = 0
    for digit in digits:
        number = number * 62 + ALPHABET.index(digit)
    return number


class TestNewTokens:
    def test_are_well_formed_and_never_the_same(self) -> None:
        made = {new_token() for _ in range(200)}
        assert len(made) == 200
        assert all(is_well_formed(token) for token in made)

    def test_hold_no_dot_which_would_make_them_a_json_web_token(self) -> None:
        assert "." not in new_token()

    def test_show_little_of_their_secret_when_shown_again(self) -> None:
        assert SHOWN - len(PREFIX) == 6


class TestChecksums:
    @given(st.text(ALPHABET, min_size=SECRET_LENGTH, max_size=SECRET_LENGTH))
    def test_are_crc32_in_base62(self, secret: str) -> None:
        assert len(checksum(secret)) == CHECKSUM_LENGTH
        assert base62(checksum(secret)) == zlib.crc32(secret.encode())

    @given(st.integers(0, SECRET_LENGTH + CHECKSUM_LENGTH - 1), st.sampled_from(ALPHABET))
    def test_notice_any_one_mistyped_character(self, place: int, typed: str) -> None:
        token = f"{PREFIX}{SECRET}{checksum(SECRET)}"
        at = len(PREFIX) + place
        mistyped = token[:at] + typed + token[at + 1 :]
        assert is_well_formed(mistyped) == (mistyped == token)

    @pytest.mark.parametrize("place", range(SECRET_LENGTH - 1))
    def test_notice_two_characters_in_the_wrong_order(self, place: int) -> None:
        swapped = SECRET[:place] + SECRET[place + 1] + SECRET[place] + SECRET[place + 2 :]
        assert not is_well_formed(f"{PREFIX}{swapped}{checksum(SECRET)}")


GOOD = f"{PREFIX}{SECRET}{checksum(SECRET)}"


@pytest.mark.parametrize(
    "token",
    [
        "",
        PREFIX,
        GOOD[:-1],
        GOOD + "0",
        GOOD + "\n",
        " " + GOOD,
        GOOD.upper(),
        GOOD.replace("live", "test"),
        GOOD.replace("_", "-"),
        PREFIX + "é" * 38,
        PREFIX + "\uff11" * 38,
        "x" * 100_000,
    ],
)
def test_other_forms_are_refused(token: str) -> None:
    assert is_well_formed(GOOD)
    assert not is_well_formed(token)


def test_what_is_stored_is_the_sha256_in_hex() -> None:
    assert token_hash(GOOD) == hashlib.sha256(GOOD.encode()).hexdigest()
