"""The one way out: every HTTP request of the product to an address that somebody else chose.

A name is resolved once per connection, all its addresses are checked, and the connection goes to
a checked address, so that neither an odd spelling nor a name that changes its answer gets past.
What comes back is bounded too: bytes on the wire, bytes after decompression, and their ratio.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpcore
import httpx
from typing_extensions import override

from shared.adapters.addresses import IPAddress, parse_address, refusal
from shared.adapters.bounded_body import MEGABYTE, BoundedBody, Oversized
from shared.kernel.errors import InvalidCommand

__all__ = [
    "MEGABYTE",
    "USER_AGENT",
    "Blocked",
    "Oversized",
    "authorities",
    "egress_client",
    "read_limited",
]

USER_AGENT = "MiniRAG/1.0"
CONNECT_SECONDS = 10.0
RESOLVE_SECONDS = 5.0
RESOLVER_THREADS = 8
MAX_CONNECTIONS = 100
MAX_KEEPALIVE = 20
KEEPALIVE_SECONDS = 45.0
"""A model is asked again by then, as a rule; most servers close what is idle for a minute."""
TRIED_ADDRESSES = 3
"""Of a name with many addresses so many are tried, each for its share of the time."""
REDIRECTS = (301, 302, 303, 307, 308)

Resolve = Callable[[str, int], Awaitable[Sequence[IPAddress]]]
Refusal = Callable[[IPAddress, int], str | None]
SocketOption = (
    tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]
)


class Blocked(InvalidCommand):
    """Not connected to, now or later; the message names the host and why."""

    def __init__(self, host: str, reason: str) -> None:
        super().__init__(f"{host} may not be reached: {reason}")
        self.host = host


@cache
def authorities() -> ssl.SSLContext:
    """Whom a client trusts whatever the environment says. All clients of a process share it: to
    read every authority takes longer than most requests.
    """
    return httpx.create_ssl_context(trust_env=False)


def egress_client(
    *,
    allow_loopback: bool = False,
    timeout: float,
    max_redirects: int = 5,
    max_body: int = 10 * MEGABYTE,
    backend: httpcore.AsyncNetworkBackend | None = None,
) -> httpx.AsyncClient:
    """A client that reaches public addresses on ports 80 and 443, and nothing else.

    `timeout` is in seconds and for every single wait (connect, read, write); a caller who wants a
    total bounds the call. Redirects are followed with the same checks, never from https to http;
    a client that sends secrets in headers of its own takes `max_redirects=0`, as those would go
    along to another host. `max_body` is in bytes on the wire; twice that may come out of a
    compressed body. Cookies are neither kept nor sent. The environment (proxies, netrc,
    certificates) is ignored. `backend` replaces the network, for tests.

    Requests raise `Blocked`, `Oversized`, and httpx's own errors.
    """
    guarded = backend or GuardedBackend(
        lambda address, port: refusal(address, port, allow_loopback=allow_loopback), Resolver()
    )
    return httpx.AsyncClient(
        transport=EgressTransport(guarded, max_body),
        timeout=httpx.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS)),
        follow_redirects=max_redirects > 0,
        max_redirects=max_redirects,
        event_hooks={"response": [_refuse_downgrade] if max_redirects else []},
        headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        trust_env=False,
    )


async def read_limited(response: httpx.Response, limit: int) -> bytes:
    """The body of a streamed response. Raises `Oversized` as soon as it exceeds `limit` bytes."""
    body = bytearray()
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > limit:
            raise Oversized(response.url.host, limit)
    return bytes(body)


class Resolver:
    """Names to addresses, with a deadline, on threads of its own.

    On the loop's threads a few slow name servers would hold up everything else that uses them.
    """

    def __init__(self, seconds: float = RESOLVE_SECONDS) -> None:
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(RESOLVER_THREADS, thread_name_prefix="resolver")

    async def __call__(self, host: str, port: int) -> Sequence[IPAddress]:
        """Raises httpcore's connection errors."""
        if not host:
            raise httpcore.ConnectError("the address names no host")
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._seconds):
                return await loop.run_in_executor(self._threads, _look_up, host, port)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(f"the name {host} could not be resolved") from error
        except (OSError, ValueError) as error:
            raise httpcore.ConnectError(f"the name {host} could not be resolved") from error


def _look_up(host: str, port: int) -> list[IPAddress]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(parse_address(str(sockaddr[0])) for *_, sockaddr in found))


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Opens TCP connections to checked addresses. TLS still sees the name, as httpcore asks it."""

    def __init__(self, refusal: Refusal, resolve: Resolve) -> None:
        self._refusal = refusal
        self._resolve = resolve
        self._network = httpcore.AnyIOBackend()

    @override
    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Raises `Blocked` if any address of `host` is refused, before it connects to one."""
        addresses = await self._resolve(host, port)
        for address in addresses:
            if reason := self._refusal(address, port):
                raise Blocked(host, reason)
        error: Exception = httpcore.ConnectError(f"the name {host} has no address")
        tried = addresses[:TRIED_ADDRESSES]
        for address in tried:
            try:
                return await self._network.connect_tcp(
                    str(address),
                    port,
                    timeout=timeout / len(tried) if timeout else None,
                    local_address=local_address,
                    socket_options=socket_options,
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as failure:
                error = failure
        raise error

    @override
    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise Blocked(path, "it is a local socket")

    @override
    async def sleep(self, seconds: float) -> None:
        await self._network.sleep(seconds)


class EgressTransport(httpx.AsyncBaseTransport):
    """httpx over a connection pool of httpcore with our backend; httpx has no option for one."""

    def __init__(self, backend: httpcore.AsyncNetworkBackend, max_body: int) -> None:
        self._max_body = max_body
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=authorities(),
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=MAX_KEEPALIVE,
            keepalive_expiry=KEEPALIVE_SECONDS,
            network_backend=backend,
        )

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        if url.scheme not in ("http", "https"):
            raise Blocked(url.host, f"{url.scheme or 'no scheme'} is neither http nor https")
        if not isinstance(request.stream, httpx.AsyncByteStream):
            raise TypeError("an async client sends async bodies")
        with _httpx_errors(request):
            answer = await self._pool.handle_async_request(
                httpcore.Request(
                    method=request.method,
                    url=httpcore.URL(
                        scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
                    ),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        headers = httpx.Headers(answer.headers)
        stream: httpx.AsyncByteStream
        if answer.status in REDIRECTS and "location" in headers:
            # httpx reads the body of a redirect whole before it follows; nobody wants that body.
            await answer.aclose()
            stream, encoding = httpx.ByteStream(b""), "dropped"
        else:
            encoding = headers.get("content-encoding", "")
            stream = BoundedBody(_Wire(answer, request), encoding, url.host, self._max_body)
        if encoding:
            for name in ("content-encoding", "content-length", "transfer-encoding"):
                headers.pop(name, None)
        return httpx.Response(
            status_code=answer.status, headers=headers, stream=stream, extensions=answer.extensions
        )

    @override
    async def aclose(self) -> None:
        await self._pool.aclose()


class _Wire(httpx.AsyncByteStream):
    """The body as it comes over the network, failing with httpx's errors."""

    def __init__(self, answer: httpcore.Response, request: httpx.Request) -> None:
        self._answer = answer
        self._request = request

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _httpx_errors(self._request):
            async for chunk in self._answer.aiter_stream():
                yield chunk

    @override
    async def aclose(self) -> None:
        await self._answer.aclose()


@contextmanager
def _httpx_errors(request: httpx.Request) -> Iterator[None]:
    """The errors of httpcore carry the same names in httpx."""
    try:
        yield
    except (
        httpcore.TimeoutException,
        httpcore.NetworkError,
        httpcore.ProtocolError,
        httpcore.UnsupportedProtocol,
    ) as error:
        same: type[httpx.TransportError] = getattr(httpx, type(error).__name__)
        raise same(str(error), request=request) from error


async def _refuse_downgrade(response: httpx.Response) -> None:
    if not response.has_redirect_location or response.request.url.scheme != "https":
        return
    target = response.request.url.join(response.headers["location"])
    if target.scheme != "https":
        host = target.host or response.request.url.host
        raise Blocked(host, f"{response.request.url.host} redirects from https to {target.scheme}")
