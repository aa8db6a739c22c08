"""Starts a process again whenever it ends."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from shared.embedded.child import Child, ended
from shared.embedded.servers import Say
from shared.kernel.errors import Unavailable, Unusable

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
"""Seconds before a dead process is started again; doubled while it keeps dying."""
STEADY_SECONDS = 30.0
"""Whoever lived so long did not die of its start."""
LOOP_DEATHS, TELL_EVERY = 3, 10
"""Deaths in a row after which the log is shown, and every how many after that."""
MIRROR_SECONDS = 0.2
FOR_OPERATOR = "minirag: "
"""How a line begins in which a process says why it cannot run."""
EXIT_UNUSABLE = 78
"""`EX_CONFIG` of sysexits.h: starting again will not help."""


@dataclass(frozen=True, slots=True)
class Part:
    """Something that is to run for ever, started once already."""

    child: Child
    start: Callable[[], Awaitable[None]]


async def keep(part: Part, say: Say, started: Callable[[], Awaitable[None]]) -> None:
    """For ever: start `part` again after it ended, then call `started`.

    Raises `Unusable` when the process says by its exit code that this is no use, as far as it
    has not run like this before; then what it needs is only away for a while.
    """
    loop = asyncio.get_running_loop()
    child, deaths, proven = part.child, 0, False
    while True:
        began = loop.time()
        code = await child.wait()
        steady = loop.time() - began > STEADY_SECONDS
        deaths, proven = (1, True) if steady else (deaths + 1, proven)
        said = await asyncio.to_thread(child.tail)
        await child.bury()
        if code == EXIT_UNUSABLE and not proven:
            raise Unusable(f"{child.name} cannot run like this:\n{reason(said)}")
        say(f"{child.name} {ended(code)}; it is started again in {pause(deaths)} s")
        if deaths == LOOP_DEATHS or deaths % TELL_EVERY == 0:
            say(f"{child.name} has ended {deaths} times in a row; its log says:\n{said}")
        deaths = await _bring_back(part, deaths, say)
        await started()
        if deaths < LOOP_DEATHS:
            say(f"{child.name} runs again")


def pause(deaths: int) -> float:
    """Seconds to wait before the start that follows so many deaths in a row, from 1."""
    return min(FIRST_PAUSE * (1 << min(deaths - 1, 10)), LONGEST_PAUSE)


def reason(said: str) -> str:
    """Of the last lines of a log, those that were meant for the operator, if there are any."""
    meant = [line for line in said.splitlines() if line.startswith(FOR_OPERATOR)]
    return "\n".join(meant) or said


async def mirror(child: Child) -> None:
    """For ever: show on standard error what a child logs."""
    position = 0
    while True:
        said, position = await asyncio.to_thread(child.read_from, position)
        for line in said.splitlines():
            sys.stderr.write(f"{child.name} | {line}\n")
        await asyncio.sleep(MIRROR_SECONDS)


async def _bring_back(part: Part, deaths: int, say: Say) -> int:
    """Returns the deaths, failed starts included."""
    while True:
        await asyncio.sleep(pause(deaths))
        try:
            await part.start()
        except (Unavailable, OSError) as error:
            deaths += 1
            say(str(error))
        else:
            return deaths
