"""Listens to a model and tells what it says: not too often, and only until it is stopped."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field

from services.chat.ports import LanguageModel, ModelFailed, Prompt, Spent

Say = Callable[[str], Awaitable[bool]]
"""Gives whether anything was told: what may be the beginning of a link or a mark is held back."""


@dataclass
class Heard:
    """What a model has said that was not told yet, and how its answer ended."""

    text: str = ""
    spent: Spent | None = None
    failure: Exception | None = None
    some: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)


async def hear(
    model: LanguageModel, prompt: Prompt, say: Say, stopped: asyncio.Event, every: float
) -> Spent | None:
    """Say what `model` answers to `prompt`. But for the end, something is told at most once in
    `every` seconds.

    None if it was stopped before its end. Raises what `say` raises, and what the model raises after
    everything that was heard is said.
    """
    heard = Heard()
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(_read(model, prompt, heard))
        stopping = tasks.create_task(_stop(stopped, reading))
        try:
            await _tell(heard, say, every)
        except Exception as error:  # noqa: BLE001  raised below, without the group around it
            heard.failure = error
        reading.cancel()
        stopping.cancel()
    if heard.failure is not None:
        raise heard.failure
    if heard.spent is None and not stopped.is_set():
        raise ModelFailed("llm_failed", "The language model broke off.", retryable=True)
    return heard.spent


async def _read(model: LanguageModel, prompt: Prompt, heard: Heard) -> None:
    try:
        async with aclosing(model.stream(prompt)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Spent):
                    heard.spent = piece
                else:
                    heard.text += piece.text
                    heard.some.set()
    except Exception as error:  # noqa: BLE001  raised once everything that was heard is said
        heard.failure = error
    finally:
        heard.ended.set()
        heard.some.set()


async def _stop(stopped: asyncio.Event, reading: asyncio.Task[None]) -> None:
    await stopped.wait()
    reading.cancel()


async def _tell(heard: Heard, say: Say, every: float) -> None:
    while True:
        await heard.some.wait()
        heard.some.clear()
        told = False
        if heard.text:
            text, heard.text = heard.text, ""
            told = await say(text)
        if heard.ended.is_set():
            if not heard.text:
                return
            continue
        if not told:
            continue
        with suppress(TimeoutError):
            async with asyncio.timeout(every):
                await heard.ended.wait()
