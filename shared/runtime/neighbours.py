"""Services of one process answer each other without the broker in between.

Question and answer are the same bytes and headers as over the broker, and the same function
answers them, within the same limits: nothing works here that would not work between two processes.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextvars import Context, copy_context
from dataclasses import dataclass, field

from shared.adapters.vault import KnownKeys
from shared.contracts.base import Outcome
from shared.kernel.precedence import Precedence

REFUSED = "refused"
"""Header of an answer whose body is a refusal."""
AT_ONCE = 32
"""Questions of one kind that a service works on at a time."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it travels."""

    body: bytes
    refused: bool = False


Kept = Callable[[str, bytes], Reply | None]
"""The answer to a tenant's question, by its body, if it is known without any work."""
Waiting = dict[str, asyncio.Future[Outcome]]
"""Who waits for what a command comes to, by its id."""
Respond = Callable[[bytes, Mapping[str, str]], Awaitable[Reply]]
"""Answers the body and headers of a question. Raises nothing: what goes wrong is a refusal."""


def nothing(_tenant_id: str, _body: bytes) -> None:
    """Each answer is looked for."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Who answers one kind of question in this process."""

    _respond: Respond
    _tasks: asyncio.TaskGroup
    _context: Context
    """The answering service's: whoever asks belongs to another one."""
    kept: Kept = nothing
    _places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    _working: set[asyncio.Task[Reply]] = field(default_factory=set)

    async def ask(self, body: bytes, headers: Mapping[str, str], seconds: float) -> Reply:
        """The answer. Raises `TimeoutError` if there is none in time.

        As over the broker, the work goes on when nobody waits for it any more.
        """
        task = self._tasks.create_task(
            self._answer(body, headers), context=self._context.run(copy_context)
        )
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        await asyncio.wait((task,), timeout=seconds)
        if not task.done() or task.cancelled():
            raise TimeoutError
        return task.result()

    async def _answer(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        async with self._places:
            return await self._respond(body, headers)

    async def idle(self) -> None:
        """Wait for what is being worked on."""
        if self._working:
            await asyncio.wait(self._working)


class Neighbours:
    """All of one process, by the subject of their questions."""

    def __init__(self) -> None:
        self._open: dict[str, Neighbour] = {}
        self.waiting: Waiting = {}
        self.keys = KnownKeys()
        self.precedence = Precedence()

    def open(
        self,
        answers: Mapping[str, Respond],
        tasks: asyncio.TaskGroup,
        kept: Mapping[str, Kept] | None = None,
    ) -> None:
        """Have these questions answered here, as work of the running service in `tasks`."""
        context, known = copy_context(), kept or {}
        for subject, respond in answers.items():
            self._open[subject] = Neighbour(respond, tasks, context, known.get(subject, nothing))

    async def close(self, subjects: Iterable[str]) -> None:
        """Leave further questions to the broker, and wait for those that are being answered."""
        left = [found for subject in subjects if (found := self._open.pop(subject, None))]
        for neighbour in left:
            await neighbour.idle()

    def at(self, subject: str) -> Neighbour | None:
        """Who answers here, if anybody does."""
        return self._open.get(subject)
