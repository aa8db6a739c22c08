"""Which network addresses the product connects to, and in words why not the others.

`ipaddress.is_global` is not used: of Python 3.11 it lets multicast, NAT64, 6to4, site-local and
192.0.0.192 (a metadata service) pass. The networks are those of the IANA special-purpose
registries, https://www.iana.org/assignments/iana-ipv4-special-registry and -ipv6-.
"""

from collections.abc import Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

IPAddress = IPv4Address | IPv6Address

PUBLIC_PORTS = (80, 443)
LOOPBACK = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))

_DENIED_BY_REASON = {
    "an unspecified address": ("0.0.0.0/8", "::/128"),
    "a loopback address": tuple(str(network) for network in LOOPBACK),
    "a private address": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10"),
    "a link-local address": ("169.254.0.0/16", "fe80::/10"),
    "a carrier-grade NAT address": ("100.64.0.0/10",),
    "a protocol assignment": ("192.0.0.0/24", "2001::/23"),
    "a documentation address": (
        "192.0.2.0/24",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "2001:db8::/32",
        "3fff::/20",
    ),
    "a benchmarking address": ("198.18.0.0/15",),
    "a multicast address": ("224.0.0.0/4", "ff00::/8"),
    "a reserved address": ("240.0.0.0/4",),
    "a discard address": ("100::/64",),
    "a segment routing address": ("5f00::/16",),
    # The IPv4 address inside may be any of the above, and a translator would connect to it.
    "a translation of an IPv4 address": (
        "::/96",
        "::ffff:0:0:0/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "192.88.99.0/24",
        "2002::/16",
    ),
    # Public by number, but answered by the host of the virtual machine.
    "the address of a cloud platform": ("168.63.129.16/32",),
}
_DENIED: Sequence[tuple[IPv4Network | IPv6Network, str]] = [
    (ip_network(network), reason)
    for reason, networks in _DENIED_BY_REASON.items()
    for network in networks
]
_GLOBAL_UNICAST = IPv6Network("2000::/3")


def parse_address(text: str) -> IPAddress:
    """The address that a socket would use: without zone, an IPv4-mapped one as IPv4.

    Raises `ValueError` if `text` is not an address.
    """
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def refusal(address: IPAddress, port: int, *, allow_loopback: bool = False) -> str | None:
    """Why `address` and `port` are not connected to, as the end of a sentence; None if they are.

    Public addresses are reached on ports 80 and 443; loopback addresses, where allowed, on any.
    """
    if allow_loopback and any(address in network for network in LOOPBACK):
        return None
    for network, reason in _DENIED:
        if address in network:
            return f"it leads to {reason}"
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return "it leads to a reserved address"
    if port not in PUBLIC_PORTS:
        return f"port {port} is not one of {', '.join(map(str, PUBLIC_PORTS))}"
    return None
