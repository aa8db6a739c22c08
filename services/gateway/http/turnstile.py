"""Reads that are too much are sent away before the server has made a request of them.

To set one up, with its task and its way through everything that stands in front of the line, costs
a third of what a list from memory costs, and above the capacity that decides how much is still
done. So the line is asked as soon as the headers are there. Whatever is not quite plain goes the
way of all others, which comes to the same answer.
"""

import asyncio
from contextlib import suppress
from functools import partial
from typing import Any, cast

import httptools
from starlette.types import Scope
from typing_extensions import override
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from services.gateway.http.fairness import Lines
from services.gateway.http.leaving import CLOSE
from services.gateway.http.refusals import STATUS
from services.gateway.http.slow_clients import TimedProtocol

__all__ = ["Turnstile", "turnstile"]

NO_BODY = (b"content-length", b"0")
BODY = (b"content-length", b"transfer-encoding")


class Proxies:
    """What those that are trusted tell of a request is believed, by the server's own rules."""

    def __init__(self, trusted: str) -> None:
        """Networks in CIDR form, separated by commas; none: nobody is believed."""
        self._believe: Any = ProxyHeadersMiddleware(_nothing, trusted) if trusted else None

    def believed(self, scope: Scope) -> Scope:
        """The request as they tell of it. What the server goes on with stays as it is."""
        if self._believe is None:
            return scope
        told = dict(scope)
        # It waits for nothing but for what is behind it, which is nothing: one step ends it.
        with suppress(StopIteration):
            self._believe(told, None, None).send(None)
        return told


async def _nothing(_scope: Any, _receive: Any, _send: Any) -> None:
    """Is done at once."""


class Turnstile(TimedProtocol):
    """HTTP/1.1 that sends reads away where they would only be sent away later."""

    _refused: bool = False
    """The request whose headers were read last is answered."""

    def __init__(self, *args: Any, lines: Lines, proxies: Proxies, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lines = lines
        self._proxies = proxies

    @override
    def on_headers_complete(self) -> None:
        refusal = self._refusal() if self._lines.crowded and self._plain() else None
        if refusal is None:
            super().on_headers_complete()
            # One that was refused in the same piece of data has set it.
            self._unset_keepalive_if_required()
        else:
            self._refused = True
            self.transport.write(refusal)

    @override
    def on_message_complete(self) -> None:
        if self._refused:
            self._refused, self._due = False, None
            self.on_response_complete()
        else:
            super().on_message_complete()

    def _plain(self) -> bool:
        """Whether nothing but an answer is due, in nobody's turn but this one's."""
        parser = self.parser
        return (
            parser.get_method() == b"GET"
            and parser.get_http_version() == "1.1"
            and parser.should_keep_alive()
            and not parser.should_upgrade()
            and not self.expect_100_continue
            and not any(each[0] in BODY and each != NO_BODY for each in self.headers)
            and not self.pipeline
            and (not self._requested or self.cycle.response_complete)
            and not self.flow.write_paused
            and CLOSE not in self.server_state.default_headers
        )

    def _refusal(self) -> bytes | None:
        raw = httptools.parse_url(self.url).path
        if b"%" in raw:
            return None
        scope = cast("dict[str, Any]", self.scope)
        scope["method"], scope["path"] = "GET", self.root_path + raw.decode("ascii")
        answer = self._lines.turned_away(self._proxies.believed(scope))
        if answer is None:
            return None
        headers, body = answer
        pieces = [STATUS_LINE[STATUS]]
        for name, value in (*self.server_state.default_headers, *headers):
            pieces += (name, b": ", value, b"\r\n")
        return b"".join((*pieces, b"\r\n", body))


def turnstile(lines: Lines, trusted_proxies: str = "") -> type[asyncio.Protocol]:
    """What the server is to make for each connection. `trusted_proxies` as the server has them."""
    proxies = Proxies(trusted_proxies)
    return cast("type[asyncio.Protocol]", partial(Turnstile, lines=lines, proxies=proxies))
