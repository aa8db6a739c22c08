"""Whose a request is, as far as that can be told without asking anybody.

It decides in whose line a request waits, and nothing else: what a credential may do is found out
behind the line. Credentials are remembered once they were let in, so nobody fills this memory with
made-up ones; what is not known counts for the address that it comes from.
"""

from hashlib import blake2b

from cachetools import LRUCache
from starlette.types import Scope

from services.gateway.http.limits import network_of

KEPT = 50_000
"""Credentials, of 16 bytes each and their tenants' ids."""
AUTHORIZATION = b"authorization"
OWNER = "owner"
"""In the state of a request: whose it was taken for."""


class Callers:
    """The tenants of credentials that were let in lately, by a hash: none of them is kept."""

    def __init__(self) -> None:
        self._tenants: LRUCache[bytes, str] = LRUCache(KEPT)

    def owner(self, scope: Scope) -> str:
        """The tenant, or the address, that a request counts for."""
        found = self.known(scope)
        if found is None:
            found = scope["state"][OWNER] = _address(scope)
        return found

    def known(self, scope: Scope) -> str | None:
        """As `owner`, but None if the credential is unknown and nobody has asked before."""
        found: str | None = scope["state"].get(OWNER)
        if found is None and (key := _key(scope)) is not None:
            found = self._tenants.get(key)
            if found is not None:
                scope["state"][OWNER] = found
        return found

    def note(self, scope: Scope, tenant_id: str) -> None:
        """The credential of a request was let in."""
        key = _key(scope)
        if key is not None and scope["state"].get(OWNER) != tenant_id:
            self._tenants[key] = tenant_id

    def forget(self, scope: Scope) -> None:
        """The credential of a request was refused."""
        key = _key(scope)
        if key is not None:
            self._tenants.pop(key, None)


def _key(scope: Scope) -> bytes | None:
    """Without what a client may write in many ways: each of them would be another to us."""
    for name, value in scope["headers"]:
        if name == AUTHORIZATION:
            credential = value.partition(b" ")[2].strip()
            return blake2b(credential, digest_size=16).digest() if credential else None
    return None


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return f"address {network_of(client[0]) if client else ''}"
