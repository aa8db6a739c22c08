"""The one way out leads nowhere but to public addresses, however an address is spelt."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from ipaddress import ip_address

import httpcore
import httpx
import pytest

from shared.adapters.addresses import IPAddress, parse_address, refusal
from shared.adapters.egress import (
    USER_AGENT,
    Blocked,
    GuardedBackend,
    Oversized,
    Resolver,
    egress_client,
    read_limited,
)
from tests.unit.servers import Conversation, Server, scripted, serving

LOOPBACK_FORMS = [
    "127.0.0.1",
    "127.0.0.2",
    "127.1",
    "127.0.1",
    "127.255.255.254",
    "2130706433",
    "0x7f000001",
    "0x7F.0.0.1",
    "0x7f.0x0.0x0.0x1",
    "0x7f.1",
    "017700000001",
    "0177.0.0.1",
    "0177.0.0.01",
    "0177.0x0.0.1",
    "127.0.0.1.",
    "0",
    "0.0.0.0",  # noqa: S104  refused, not bound
    "0x0",
    "00",
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:7f00:0001]",
    "[::127.0.0.1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "\uff11\uff12\uff17.\uff10.\uff10.\uff11",
    "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460",
    "127\u30020\u30020\u30021",
    "127\uff0e0\uff0e0\uff0e1",
    "127.0.0.\u0661",
]
INNER_FORMS = [
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "0xa9.0xfe.0xa9.0xfe",
    "169.254.43518",
    "169.16689662",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::169.254.169.254]",
    "[64:ff9b:1::a9fe:a9fe]",
    "[2002:a9fe:a9fe::]",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "[fe80::a9fe:a9fe]",
    "[fec0::1]",
    "169.254.170.2",
    "100.100.100.200",
    "192.0.0.192",
    "168.63.129.16",
    "10.0.0.1",
    "10.1",
    "167772161",
    "172.16.0.1",
    "172.31.255.254",
    "192.168.1.1",
    "3232235777",
    "100.64.0.1",
    "198.18.0.1",
    "192.88.99.1",
    "192.0.2.1",
    "198.51.100.7",
    "203.0.113.7",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "[ff02::1]",
    "[fc00::1]",
    "[2001:db8::1]",
    "[100::1]",
    "[5f00::1]",
]
UNREADABLE_FORMS = [
    "0251.0376.0251.0376",
    "012.0.0.1",
    "0300.0250.1.1",
    "%31%32%37.0.0.1",
    "127.0.0.1%00.example.com",
    "a@127.0.0.1@b",
    "[::1",
    "[::1%25lo]",
]

NEVER_TRIED = "may not be reached|could not be resolved|Invalid"
"""What an error says when no connection was attempted, as opposed to one that failed."""


@pytest.fixture
async def trap() -> AsyncIterator[Server]:
    """What must never be reached."""

    async def talk(conversation: Conversation) -> None:
        await conversation.answer(200, b"secret")

    async with serving(talk) as server:
        yield server


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with egress_client(timeout=60) as client:
        yield client


def test_the_tables_are_long_enough_to_mean_something() -> None:
    assert len({*LOOPBACK_FORMS, *INNER_FORMS}) >= 60


@pytest.mark.parametrize("host", LOOPBACK_FORMS)
async def test_no_spelling_of_this_machine_is_reached(
    client: httpx.AsyncClient, trap: Server, host: str
) -> None:
    with pytest.raises((Blocked, httpx.ConnectError, httpx.InvalidURL), match=NEVER_TRIED):
        await client.get(f"http://{host}:{trap.port}/")
    assert trap.connections == 0


@pytest.mark.parametrize("host", INNER_FORMS)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_no_spelling_of_an_inner_address_is_reached(
    client: httpx.AsyncClient, scheme: str, host: str
) -> None:
    with pytest.raises(Blocked, match="may not be reached: it leads to"):
        await client.get(f"{scheme}://{host}/latest/meta-data/")


@pytest.mark.parametrize("host", UNREADABLE_FORMS)
async def test_what_is_no_address_at_all_is_refused_too(
    client: httpx.AsyncClient, trap: Server, host: str
) -> None:
    with pytest.raises((Blocked, httpx.ConnectError, httpx.InvalidURL), match=NEVER_TRIED):
        await client.get(f"http://{host}:{trap.port}/")
    assert trap.connections == 0


@pytest.mark.parametrize(
    "url", ["ftp://1.1.1.1/", "file:///etc/passwd", "gopher://1.1.1.1/", "//x"]
)
async def test_other_schemes_are_refused(client: httpx.AsyncClient, url: str) -> None:
    with pytest.raises((Blocked, httpx.UnsupportedProtocol)):
        await client.get(url)


async def test_other_ports_of_public_addresses_are_refused(client: httpx.AsyncClient) -> None:
    with pytest.raises(Blocked, match="port 22 is not one of 80, 443"):
        await client.get("http://1.1.1.1:22/")


async def test_a_local_socket_is_refused() -> None:
    async with egress_client(timeout=1):
        backend = GuardedBackend(refusal, Resolver())
        with pytest.raises(Blocked, match="local socket"):
            await backend.connect_unix_socket("/run/docker.sock")


class TestWhereLoopbackIsAllowed:
    async def test_a_page_is_fetched_under_our_name_and_uncompressed(self, trap: Server) -> None:
        async with egress_client(allow_loopback=True, timeout=60) as client:
            answer = await client.get(f"{trap.url}/page")
        assert (answer.status_code, answer.content) == (200, b"secret")
        headers = trap.requests[0].headers
        assert headers["user-agent"] == USER_AGENT
        assert headers["accept-encoding"] == "identity"

    async def test_nothing_else_is_allowed_with_it(self) -> None:
        async with egress_client(allow_loopback=True, timeout=60) as client:
            for host in ("169.254.169.254", "10.0.0.1", "[::ffff:10.0.0.1]"):
                with pytest.raises(Blocked):
                    await client.get(f"http://{host}/")

    async def test_cookies_are_neither_kept_nor_sent(self) -> None:
        async def talk(conversation: Conversation) -> None:
            await conversation.answer(200, b"", {"Set-Cookie": "session=1"})

        async with (
            serving(talk) as server,
            egress_client(allow_loopback=True, timeout=60) as client,
        ):
            await client.get(server.url)
            await client.get(server.url)
        assert "cookie" not in server.requests[1].headers

    async def test_the_environments_proxy_is_ignored(
        self, trap: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with serving(lambda c: c.answer(200, b"proxied")) as proxy:
            for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
                monkeypatch.setenv(name, proxy.url)
            async with egress_client(allow_loopback=True, timeout=60) as client:
                assert (await client.get(trap.url)).content == b"secret"
            assert proxy.connections == 0


class TestNames:
    """A name is resolved once per connection, and all of its addresses must be public."""

    @staticmethod
    def client_for(names: dict[str, list[str]], asked: list[str]) -> httpx.AsyncClient:
        """127.0.0.2 plays the public server, 127.0.0.1 the inner one."""

        async def resolve(host: str, _port: int) -> Sequence[IPAddress]:
            asked.append(host)
            return [parse_address(address) for address in names[host]]

        def rule(address: IPAddress, _port: int) -> str | None:
            return None if address == ip_address("127.0.0.2") else "it leads inside"

        return egress_client(timeout=60, backend=GuardedBackend(rule, resolve))

    @pytest.fixture
    async def public(self) -> AsyncIterator[Server]:
        async with serving(lambda c: c.answer(200, b"public"), "127.0.0.2") as server:
            yield server

    async def test_a_public_name_is_reached_under_its_name(self, public: Server) -> None:
        asked: list[str] = []
        async with self.client_for({"good.example": ["127.0.0.2"]}, asked) as client:
            answer = await client.get(f"http://good.example:{public.port}/")
        assert answer.content == b"public"
        assert public.requests[0].headers["host"] == f"good.example:{public.port}"
        assert asked == ["good.example"]

    @pytest.mark.parametrize(
        "addresses", [["127.0.0.1"], ["127.0.0.2", "127.0.0.1"], ["127.0.0.1", "127.0.0.2"]]
    )
    async def test_a_name_with_one_inner_address_is_not_connected_to_at_all(
        self, public: Server, trap: Server, addresses: list[str]
    ) -> None:
        async with self.client_for({"evil.example": addresses}, []) as client:
            for port in (public.port, trap.port):
                with pytest.raises(Blocked, match=r"evil\.example may not be reached"):
                    await client.get(f"http://evil.example:{port}/")
        assert public.connections == trap.connections == 0

    async def test_a_name_that_changes_its_answer_gains_nothing(
        self, public: Server, trap: Server
    ) -> None:
        names = {"rebinding.example": ["127.0.0.2"]}
        async with self.client_for(names, []) as client:
            first = await client.get(f"http://rebinding.example:{public.port}/")
            names["rebinding.example"] = ["127.0.0.1"]
            with pytest.raises(Blocked):
                await client.get(f"http://rebinding.example:{trap.port}/")
        assert first.content == b"public"
        assert trap.connections == 0

    async def test_of_several_addresses_the_next_is_tried(self, public: Server) -> None:
        with socket.create_server(("127.0.0.3", 0)) as closed:
            closed.getsockname()

        async def resolve(_host: str, _port: int) -> Sequence[IPAddress]:
            return [parse_address("127.0.0.3"), parse_address("127.0.0.2")]

        backend = GuardedBackend(lambda _address, _port: None, resolve)
        async with egress_client(timeout=60, backend=backend) as client:
            assert (await client.get(f"http://two.example:{public.port}/")).content == b"public"

    async def test_a_name_without_an_address_fails_as_a_connection_does(self) -> None:
        async with self.client_for({"empty.example": []}, []) as client:
            with pytest.raises(httpx.ConnectError, match="has no address"):
                await client.get("http://empty.example/")

    async def test_a_name_that_cannot_be_resolved_fails_as_a_connection_does(self) -> None:
        resolver = Resolver()
        for host in ("", "no-such-name.invalid", "a" * 300, "a..b"):
            with pytest.raises(httpcore.ConnectError):
                await resolver(host, 80)

    async def test_a_resolver_that_is_slow_is_given_up(self) -> None:
        resolver = Resolver(seconds=0.0)
        with pytest.raises(httpcore.ConnectTimeout, match="could not be resolved"):
            await resolver("localhost", 80)


class TestRedirects:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    @pytest.mark.parametrize("host", ["169.254.169.254", "2130706433", "[::ffff:10.0.0.1]", "0"])
    async def test_inward_are_refused(self, status: int, host: str) -> None:
        async def talk(conversation: Conversation) -> None:
            await conversation.answer(status, b"", {"Location": f"http://{host}:1/"})

        backend = GuardedBackend(
            lambda address, port: (
                None if address == ip_address("127.0.0.2") else refusal(address, port)
            ),
            Resolver(),
        )
        async with (
            serving(talk, "127.0.0.2") as server,
            egress_client(timeout=60, backend=backend) as client,
        ):
            with pytest.raises(Blocked):
                await client.get(server.url)
            assert server.connections == 1

    async def test_to_the_trap_never_connect_to_it(self, trap: Server) -> None:
        async def talk(conversation: Conversation) -> None:
            await conversation.answer(302, b"", {"Location": f"//127.0.0.1:{trap.port}/"})

        backend = GuardedBackend(
            lambda address, _: None if address == ip_address("127.0.0.2") else "it leads inside",
            Resolver(),
        )
        async with (
            serving(talk, "127.0.0.2") as server,
            egress_client(timeout=60, backend=backend) as client,
        ):
            with pytest.raises(Blocked):
                await client.get(server.url)
        assert trap.connections == 0

    @pytest.mark.parametrize("target", ["ftp://127.0.0.1/", "file:///etc/passwd"])
    async def test_to_another_scheme_are_refused(self, target: str) -> None:
        async def talk(conversation: Conversation) -> None:
            await conversation.answer(302, b"", {"Location": target})

        async with (
            serving(talk) as server,
            egress_client(allow_loopback=True, timeout=60) as client,
        ):
            with pytest.raises((Blocked, httpx.UnsupportedProtocol)):
                await client.get(server.url)

    async def test_are_followed_five_times_and_no_more(self) -> None:
        async def talk(conversation: Conversation) -> None:
            await conversation.answer(302, b"", {"Location": f"{conversation.path}x"})

        async with (
            serving(talk) as server,
            egress_client(allow_loopback=True, timeout=60) as client,
        ):
            with pytest.raises(httpx.TooManyRedirects):
                await client.get(server.url)
        assert server.connections == 6

    async def test_are_not_followed_where_none_are_wanted(self) -> None:
        async def talk(conversation: Conversation) -> None:
            await conversation.answer(302, b"", {"Location": "http://10.0.0.1/"})

        async with (
            serving(talk) as server,
            egress_client(allow_loopback=True, timeout=60, max_redirects=0) as client,
        ):
            assert (await client.get(server.url)).status_code == 302

    async def test_with_an_endless_body_cost_nothing(self) -> None:
        async def redirecting(conversation: Conversation) -> None:
            head = b"HTTP/1.1 302 Found\r\nLocation: /end\r\nContent-Length: 1000000000\r\n\r\n"
            await conversation.send(head, b"x" * 100_000)
            await conversation.hang()

        async def end(conversation: Conversation) -> None:
            await conversation.answer(200, b"end")

        async with (
            scripted(redirecting, end) as server,
            egress_client(allow_loopback=True, timeout=60) as client,
        ):
            assert (await client.get(server.url)).content == b"end"

    async def test_from_https_to_http_are_refused(self) -> None:
        answers = httpx.MockTransport(
            lambda _: httpx.Response(302, headers={"Location": "http://good.example/"})
        )
        async with (
            egress_client(timeout=60) as client,
            httpx.AsyncClient(
                transport=answers, follow_redirects=True, event_hooks=client.event_hooks
            ) as over_https,
        ):
            with pytest.raises(Blocked, match="redirects from https to http"):
                await over_https.get("https://good.example/")


class TestBodies:
    async def test_beyond_the_limit_are_cut_off(self) -> None:
        async def talk(conversation: Conversation) -> None:
            await conversation.send(b"HTTP/1.1 200 OK\r\n\r\n", *[b"x" * 10_000] * 10)

        async with (
            serving(talk) as server,
            egress_client(allow_loopback=True, timeout=60, max_body=50_000) as client,
        ):
            with pytest.raises(Oversized, match=r"127\.0\.0\.1 sends more than"):
                await client.get(server.url)

    async def test_are_read_up_to_the_callers_own_limit(self) -> None:
        async def talk(conversation: Conversation) -> None:
            await conversation.answer(200, b"x" * 1000)

        async with (
            serving(talk) as server,
            egress_client(allow_loopback=True, timeout=60) as client,
        ):
            async with client.stream("GET", server.url) as response:
                assert len(await read_limited(response, 1000)) == 1000
            async with client.stream("GET", server.url) as response:
                with pytest.raises(Oversized):
                    await read_limited(response, 999)

    async def test_that_break_off_fail_with_the_errors_of_httpx(self) -> None:
        async def talk(conversation: Conversation) -> None:
            await conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")

        async with (
            serving(talk) as server,
            egress_client(allow_loopback=True, timeout=60) as client,
        ):
            with pytest.raises(httpx.RemoteProtocolError):
                await client.get(server.url)

    async def test_that_never_come_run_into_the_timeout(self) -> None:
        async with (
            serving(Conversation.hang) as server,
            egress_client(allow_loopback=True, timeout=0.2) as client,
        ):
            with pytest.raises(httpx.ReadTimeout):
                await client.get(server.url)

    async def test_a_slow_name_does_not_hold_up_the_loop(self) -> None:
        resolver = Resolver()
        async with asyncio.timeout(120):
            found = await asyncio.gather(*(resolver("localhost", 80) for _ in range(20)))
        assert all(found)
