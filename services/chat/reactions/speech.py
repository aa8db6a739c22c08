"""What a turn tells its readers, over all its attempts, up to exactly one end."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.chat.ports import Frames
from shared.contracts.chat import RecordAnswer, TurnView, Usage
from shared.contracts.chat_citations import Citation
from shared.contracts.chat_frames import Frame, FrameName
from shared.kernel import faults
from shared.kernel.faults import FaultPoint


def noop() -> None:
    """Nobody wants to know."""


@dataclass
class Speech:
    """What a turn has told so far, over all its attempts.

    An attempt that follows a killed one says nothing twice: what was sent is skipped as long as
    the new text agrees with it; if it does not, a frame `reset` takes the old text back.
    """

    frames: Frames
    tenant_id: str
    turn_id: str
    before: Sequence[Frame] = ()
    begun: Callable[[], object] = noop
    """Called when words have been told; more than once."""
    text: str = ""
    _i: int = 0
    _sent: str = ""
    _names: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for frame in self.before:
            self._i = max(self._i, frame.i)
            self._names.add(frame.event)
            if frame.event == "delta":
                self._sent += str(frame.data["content"])
            elif frame.event == "reset":
                self._sent = ""

    @property
    def ended(self) -> bool:
        """Whether an earlier attempt has told the end."""
        return bool(self._names & {"done", "error"})

    async def once(self, name: FrameName, data: Mapping[str, Any]) -> None:
        """Tell something that is told once a turn."""
        if name not in self._names:
            await self._tell(name, data)

    async def say(self, piece: str) -> bool:
        """Tell a piece of the answer, unless it was told before. Gives whether it was not."""
        self.text += piece
        if self._sent.startswith(self.text):
            return False
        if self.text.startswith(self._sent):
            rest = self.text[len(self._sent) :]
        else:
            await self._tell("reset", {"turn_id": self.turn_id})
            rest = self.text
        self._sent = self.text
        await self._tell("delta", {"content": rest})
        self.begun()
        return True

    def stop(self) -> None:
        """Say no more. What any attempt has told stays."""
        self.text = self._sent

    async def finish(self, name: FrameName, data: Mapping[str, Any]) -> None:
        """Tell the end."""
        if self.text != self._sent and name == "done":
            # The new answer is a beginning of the old one: take the surplus back.
            await self._tell("reset", {"turn_id": self.turn_id})
            await self._tell("delta", {"content": self.text})
        await self._tell(name, data)

    async def _tell(self, name: FrameName, data: Mapping[str, Any]) -> None:
        self._i += 1
        self._names.add(name)
        await self.frames.publish(
            self.tenant_id, self.turn_id, Frame(i=self._i, event=name, data=dict(data))
        )
        faults.passed(FaultPoint.CHAT_FRAME)


async def tell_end(speech: Speech, turn: TurnView) -> None:
    """Tell the end of a stored turn, and before it whatever of the turn was not told."""
    if turn.status == "failed" or turn.message is None or turn.usage is None:
        await speech.finish(
            "error",
            {
                "detail": turn.detail or "The answer failed.",
                "code": turn.error or "failed",
                "retryable": turn.retryable,
            },
        )
        return
    if not speech.text:
        await speech.once("sources", sources_data(turn.citations))
        await speech.once("citations", citations_data(turn.citations))
        await speech.say(turn.message.content)
    await _finish(speech, turn, turn.message.id, turn.usage)


async def tell_answered(speech: Speech, answer: RecordAnswer, message_id: str) -> None:
    """As `tell_end`, of a turn that ended with this answer, which was told."""
    await _finish(speech, answer, message_id, answer.usage)


async def _finish(
    speech: Speech, end: TurnView | RecordAnswer, message_id: str, usage: Usage
) -> None:
    await speech.finish(
        "done",
        {
            "chat_id": end.chat_id,
            "message_id": message_id,
            "usage": {**usage.model_dump(), "total_tokens": usage.total_tokens},
            "grounded": end.grounded,
            **({} if end.support is None else {"support": end.support}),
            **({"stopped": True} if end.stopped else {}),
        },
    )


async def tell_erased(speech: Speech) -> None:
    """Tell the end of a turn whose chat was erased meanwhile."""
    detail = "The chat was erased."
    await speech.finish("error", {"detail": detail, "code": "erased", "retryable": False})


def sources_data(citations: Sequence[Citation]) -> dict[str, Any]:
    return {"sources": [citation.hit.model_dump() for citation in citations]}


def citations_data(citations: Sequence[Citation]) -> dict[str, Any]:
    hidden = {"text_ref", "snippet"}
    return {"items": [citation.model_dump(exclude=hidden) for citation in citations]}
