"""Ports on this machine that nobody uses yet."""

import json
import secrets
import socket
from collections.abc import Iterable
from pathlib import Path

from shared.embedded.data_dir import write_private
from shared.kernel.errors import Unusable

LOOPBACK = "127.0.0.1"
LOWEST, HIGHEST = 20_000, 29_999
"""Below what operating systems give to outgoing connections. A client that keeps connecting to a
stopped server's port in that range can be given the very port, connect to itself, and keep the
server from ever coming back."""
TRIES = 200


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def first_free(wanted: int, host: str = LOOPBACK) -> int:
    """`wanted`, or the next port above it that is free. Raises `Unusable` if a hundred are not."""
    for port in range(wanted, min(wanted + 100, 65_536)):
        if is_free(port, host):
            return port
    raise Unusable(f"no port from {wanted} to {wanted + 99} can be listened on at {host}")


def keep_ports(path: Path, names: Iterable[str]) -> dict[str, int]:
    """A port for every name: the one of the last start if it is still free, else another."""
    try:
        kept = {str(name): int(port) for name, port in json.loads(path.read_bytes()).items()}
    except (OSError, ValueError, AttributeError, TypeError):
        kept = {}
    chosen: dict[str, int] = {}
    for name in names:
        port = kept.get(name)
        if port is None or port in chosen.values() or not is_free(port):
            port = _any_free(chosen.values())
        chosen[name] = port
    if chosen != kept:
        write_private(path, json.dumps(chosen).encode())
    return chosen


def _any_free(taken: Iterable[int]) -> int:
    taken = set(taken)
    for _ in range(TRIES):
        port = LOWEST + secrets.randbelow(HIGHEST - LOWEST + 1)
        if port not in taken and is_free(port):
            return port
    raise Unusable(f"no free port between {LOWEST} and {HIGHEST}")
