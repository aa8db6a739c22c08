"""Which addresses are public, number by number."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given, strategies as st

from shared.adapters.addresses import parse_address, refusal

DENIED = {
    "an unspecified address": ["0.0.0.0", "0.1.2.3", "::"],  # noqa: S104  refused, not bound
    "a loopback address": ["127.0.0.1", "127.0.0.2", "127.255.255.255", "::1"],
    "a private address": [
        "10.0.0.1",
        "10.255.255.255",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.0.1",
        "fc00::1",
        "fdff::1",
        "fec0::1",
    ],
    "a link-local address": ["169.254.0.1", "169.254.169.254", "169.254.170.2", "fe80::1"],
    "a carrier-grade NAT address": ["100.64.0.1", "100.100.100.200", "100.127.255.255"],
    "a protocol assignment": ["192.0.0.1", "192.0.0.192", "2001::1", "2001:1ff::"],
    "a documentation address": [
        "192.0.2.1",
        "198.51.100.1",
        "203.0.113.1",
        "2001:db8::1",
        "3fff::1",
    ],
    "a benchmarking address": ["198.18.0.1", "198.19.255.255"],
    "a multicast address": ["224.0.0.1", "239.255.255.255", "ff02::1"],
    "a reserved address": ["240.0.0.1", "255.255.255.255", "4000::1", "::2:0:0"],
    "a discard address": ["100::1"],
    "a segment routing address": ["5f00::1"],
    "a translation of an IPv4 address": [
        "::7f00:1",
        "::ffff:0:7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "192.88.99.1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::",
    ],
    "the address of a cloud platform": ["168.63.129.16"],
}
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450::1",
    "2001:4860:4860::8888",
    "2003::1",
]


@pytest.mark.parametrize(
    ("address", "reason"),
    [(address, reason) for reason, addresses in DENIED.items() for address in addresses],
)
class TestAnAddressThatIsNotPublic:
    def test_is_refused_and_the_reason_named(self, address: str, reason: str) -> None:
        for port in (80, 443):
            assert refusal(ip_address(address), port) == f"it leads to {reason}"

    def test_is_refused_where_loopback_is_allowed_unless_it_is_loopback(
        self, address: str, reason: str
    ) -> None:
        allowed = refusal(ip_address(address), 80, allow_loopback=True) is None
        assert allowed == (reason == "a loopback address")


@pytest.mark.parametrize("address", PUBLIC)
class TestAPublicAddress:
    def test_is_reached_on_the_ports_of_the_web(self, address: str) -> None:
        assert refusal(ip_address(address), 80) is None
        assert refusal(ip_address(address), 443) is None

    @pytest.mark.parametrize("port", [0, 22, 25, 81, 5432, 6379, 8080, 8443, 65535])
    def test_is_not_reached_on_any_other(self, address: str, port: int) -> None:
        assert refusal(ip_address(address), port) == f"port {port} is not one of 80, 443"
        assert refusal(ip_address(address), port, allow_loopback=True) is not None


def test_loopback_where_allowed_is_reached_on_any_port() -> None:
    for address in ("127.0.0.1", "::1"):
        assert refusal(ip_address(address), 9999, allow_loopback=True) is None


class TestParsing:
    def test_drops_the_zone_and_unwraps_mapped_addresses(self) -> None:
        assert parse_address("fe80::1%eth0") == IPv6Address("fe80::1")
        assert parse_address("::ffff:127.0.0.1") == IPv4Address("127.0.0.1")
        assert parse_address("::ffff:a9fe:a9fe") == IPv4Address("169.254.169.254")
        assert parse_address("8.8.8.8") == IPv4Address("8.8.8.8")

    @pytest.mark.parametrize("text", ["", "localhost", "127.1", "0x7f.1", "1.2.3.4.5", ":::"])
    def test_refuses_what_is_not_an_address(self, text: str) -> None:
        with pytest.raises(ValueError, match="does not appear to be"):
            parse_address(text)


@given(st.ip_addresses(v=4))
def test_no_disguise_of_an_ipv4_address_gets_further_than_the_address(address: IPv4Address) -> None:
    number = int(address)
    mapped = parse_address(str(IPv6Address((0xFFFF << 32) | number)))
    assert refusal(mapped, 443) == refusal(address, 443)
    for disguise in (
        IPv6Address(number),
        IPv6Address((0x64FF9B << 96) | number),
        IPv6Address((0x2002 << 112) | (number << 80)),
        IPv6Address((0xFFFF << 48) | number),
    ):
        assert refusal(disguise, 443) is not None


@given(st.ip_addresses(v=4))
def test_what_the_standard_library_calls_private_is_never_reached(address: IPv4Address) -> None:
    if not address.is_global or address.is_multicast:
        assert refusal(address, 443) is not None
