"""Questions within one process: deadlines, whose work it is, and leaving."""

import asyncio
from collections.abc import Mapping
from contextvars import ContextVar

import pytest

from shared.runtime.neighbours import AT_ONCE, Neighbours, Reply

LONG = 3600.0
WHO: ContextVar[str] = ContextVar("who", default="nobody")


class Owner:
    """Answers with what it was asked, once it may."""

    def __init__(self) -> None:
        self.may = asyncio.Event()
        self.asked = self.answered = 0
        self.were: list[str] = []

    async def respond(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        self.asked += 1
        self.were.append(WHO.get())
        await self.may.wait()
        self.answered += 1
        return Reply(body + headers["h"].encode())


async def ask(neighbours: Neighbours, seconds: float = LONG) -> Reply:
    here = neighbours.at("ask.a.b")
    assert here is not None
    return await here.ask(b"x", {"h": "y"}, seconds)


async def settled(owner: Owner, asked: int) -> None:
    while owner.asked < asked:
        await asyncio.sleep(0)


async def test_the_same_bytes_go_there_and_back() -> None:
    owner, neighbours = Owner(), Neighbours()
    owner.may.set()
    async with asyncio.TaskGroup() as tasks:
        neighbours.open({"ask.a.b": owner.respond}, tasks)
        assert await ask(neighbours) == Reply(b"xy")
        assert neighbours.at("ask.a.c") is None


async def test_what_is_known_is_told_without_asking() -> None:
    owner, neighbours = Owner(), Neighbours()
    known = {("t", b"x"): Reply(b"known")}
    async with asyncio.TaskGroup() as tasks:
        kept = {"ask.a.b": lambda tenant_id, body: known.get((tenant_id, body))}
        neighbours.open({"ask.a.b": owner.respond, "ask.a.c": owner.respond}, tasks, kept)
        here, other = neighbours.at("ask.a.b"), neighbours.at("ask.a.c")
        assert here is not None
        assert other is not None
        assert here.kept("t", b"x") == Reply(b"known")
        assert (here.kept("u", b"x"), other.kept("t", b"x"), owner.asked) == (None, None, 0)


async def test_who_has_no_answer_in_time_goes_and_the_work_goes_on() -> None:
    owner, neighbours = Owner(), Neighbours()
    async with asyncio.TaskGroup() as tasks:
        neighbours.open({"ask.a.b": owner.respond}, tasks)
        with pytest.raises(TimeoutError):
            await ask(neighbours, 0.001)
        await settled(owner, 1)
        asking = tasks.create_task(ask(neighbours))
        await settled(owner, 2)
        asking.cancel()
        owner.may.set()
    assert owner.answered == 2


async def test_it_is_work_of_the_one_who_answers() -> None:
    owner, neighbours = Owner(), Neighbours()
    owner.may.set()
    async with asyncio.TaskGroup() as tasks:
        WHO.set("owner")
        neighbours.open({"ask.a.b": owner.respond}, tasks)
        WHO.set("asker")
        await ask(neighbours)
        assert WHO.get() == "asker"
    assert owner.were == ["owner"]


async def test_no_more_than_so_many_at_a_time() -> None:
    owner, neighbours = Owner(), Neighbours()
    async with asyncio.TaskGroup() as tasks:
        neighbours.open({"ask.a.b": owner.respond}, tasks)
        for _ in range(AT_ONCE + 1):
            tasks.create_task(ask(neighbours))
        await settled(owner, AT_ONCE)
        for _ in range(10):
            await asyncio.sleep(0)
        assert owner.asked == AT_ONCE
        owner.may.set()
    assert owner.answered == AT_ONCE + 1


async def test_who_leaves_answers_what_was_asked_and_nothing_else() -> None:
    owner, neighbours = Owner(), Neighbours()
    async with asyncio.TaskGroup() as tasks:
        neighbours.open({"ask.a.b": owner.respond}, tasks)
        asking = tasks.create_task(ask(neighbours))
        await settled(owner, 1)
        closing = tasks.create_task(neighbours.close(["ask.a.b", "ask.a.never"]))
        await asyncio.sleep(0)
        assert neighbours.at("ask.a.b") is None
        assert not closing.done()
        owner.may.set()
        assert await asking == Reply(b"xy")
        await closing
