"""Passwords are hashed by the book, and a crowd at the door is turned away."""

import asyncio
from collections.abc import Iterator

import pytest

from services.gateway.adapters.passwords import QUEUE, Argon2Passwords
from shared.kernel.errors import QuotaExceeded


@pytest.fixture
def passwords() -> Iterator[Argon2Passwords]:
    made = Argon2Passwords()
    yield made
    made.close()


async def test_only_the_right_password_is_the_one(passwords: Argon2Passwords) -> None:
    encoded = await passwords.hash("correct horse")
    assert await passwords.verify(encoded, "correct horse")
    for wrong in ("Correct horse", "correct horse ", "", "x" * 1000):
        assert not await passwords.verify(encoded, wrong)


async def test_hashes_are_salted_and_made_with_the_parameters_we_name(
    passwords: Argon2Passwords,
) -> None:
    first, second = await passwords.hash("same"), await passwords.hash("same")
    assert first != second
    assert first.startswith(b"$argon2id$v=19$m=19456,t=2,p=1$")


async def test_what_is_no_hash_is_nobodys_password(passwords: Argon2Passwords) -> None:
    for encoded in (b"", b"plain", b"$argon2id$broken"):
        assert not await passwords.verify(encoded, "plain")


async def test_a_crowd_is_turned_away_and_the_next_comes_in(passwords: Argon2Passwords) -> None:
    async with asyncio.TaskGroup() as tasks:
        crowd = [tasks.create_task(passwords.hash("x")) for _ in range(QUEUE)]
        await asyncio.sleep(0)
        with pytest.raises(QuotaExceeded, match="too many logins"):
            await passwords.hash("x")
    assert all(task.result() for task in crowd)
    assert await passwords.hash("x")


async def test_a_visitor_who_leaves_gives_the_place_free(passwords: Argon2Passwords) -> None:
    for _ in range(QUEUE + 1):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await passwords.hash("x")
    assert await passwords.hash("x")
