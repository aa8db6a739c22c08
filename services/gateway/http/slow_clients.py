"""Connections of clients that take their time on purpose are ended; everybody else's are not.

The server underneath waits for ever for the rest of a request. A client that sends a header byte a
minute would hold a connection each for nothing, and some hundred of them all there are.
"""

import asyncio
from typing import Final

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["WHEN_GONE", "TimedProtocol"]

WHEN_GONE = "when_gone"
"""In the state of a request: whatever is called when its client goes before it was answered."""

REQUEST_TIMEOUT: Final = (
    b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)


class TimedProtocol(HttpToolsProtocol):
    """HTTP/1.1 with a time limit on what the client has to send.

    The headers must be there within `header_seconds`. The body has `body_seconds`, and one second
    more for every `least_rate` bytes that came; the rule is the one of Apache's mod_reqtimeout.
    Time in which we do not read, since the application is behind, is not the client's.

    Who is let go is told so, and the connection lingers for `linger_seconds` while what still comes
    is thrown away: closing on unread bytes resets a connection, and may take the answer with it
    (RFC 9112, section 9.6).
    """

    header_seconds = 10.0
    body_seconds = 20.0
    least_rate = 500
    linger_seconds = 2.0

    _due: float | None = None
    """When the client must be done, in the loop's time; None while nothing is due from it."""
    _timer: asyncio.TimerHandle | None = None
    _requested: bool = False
    """There was a request, so that `cycle` is one."""
    _between_requests: bool = True
    """No request stands with its headers complete and its body not."""
    _leaving: bool = False
    """The client was told to go; nothing that it sends matters any more."""

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the class above
        super().connection_made(transport)
        self._expect(self.header_seconds)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._due = None
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)
        if self._requested and not self.cycle.response_complete:
            when_gone = self.cycle.scope["state"].get(WHEN_GONE)
            if when_gone is not None:
                when_gone()

    @override
    def data_received(self, data: bytes) -> None:
        if not self._leaving:
            super().data_received(data)

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._due is None:
            self._expect(self.header_seconds)

    @override
    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._requested, self._between_requests = True, False
        self._expect(self.body_seconds)

    @override
    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        if self._due is not None:
            self._due += len(body) / self.least_rate

    @override
    def on_message_complete(self) -> None:
        self._due = None
        self._between_requests = True
        super().on_message_complete()

    def _expect(self, seconds: float) -> None:
        """One timer serves a whole connection: it looks again where it fires too early."""
        self._due = self.loop.time() + seconds
        if self._timer is None or self._timer.when() > self._due:
            self._wake(self._due)

    def _wake(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_at(when, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._due is None or self.transport.is_closing():
            return
        if self.flow.read_paused or self._waits_for_us():
            self._due = self.loop.time() + self.body_seconds
        if self._due > self.loop.time():
            self._wake(self._due)
            return
        if self._answering():
            self.transport.close()
        else:
            self._let_go()

    def _let_go(self) -> None:
        self._leaving, self._due = True, None
        self.transport.write(REQUEST_TIMEOUT)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._timer = self.loop.call_later(self.linger_seconds, self.transport.close)

    def _waits_for_us(self) -> bool:
        """The client asked whether it may send its body, and has no reply."""
        return not self._between_requests and self.cycle.waiting_for_100_continue

    def _answering(self) -> bool:
        """A second answer must not be mixed into one that has begun."""
        if self._between_requests:
            return self._requested and not self.cycle.response_complete
        return self.cycle.response_started
