"""Whether an address can be a receiver at all. Names are resolved and checked at every attempt."""

import httpx

from shared.adapters.addresses import PUBLIC_PORTS, parse_address, refusal

PORTS = {"http": 80, "https": 443}


def refused(url: str, *, allow_loopback: bool) -> str | None:
    """Why nothing will ever be sent there; None: nothing speaks against it."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return "it is not an address"
    port = parsed.port or PORTS.get(parsed.scheme)
    if not parsed.host or port is None:
        return "it names no host"
    if parsed.userinfo:
        return "it must hold no user or password"
    try:
        address = parse_address(parsed.host)
    except ValueError:
        if allow_loopback:
            return None
        if parsed.host == "localhost" or parsed.host.endswith(".localhost"):
            return "it leads to a loopback address"
        allowed = ", ".join(map(str, PUBLIC_PORTS))
        return None if port in PUBLIC_PORTS else f"port {port} is not one of {allowed}"
    return refusal(address, port, allow_loopback=allow_loopback)
