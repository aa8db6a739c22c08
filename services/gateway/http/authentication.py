"""From a request to the principal it speaks for, in the words of the contract."""

from datetime import datetime
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from services.gateway.domain.widget_keys import allows
from services.gateway.ports import Principal, Principals, SignedTokens, VisitorClaims
from shared.kernel.errors import NotAuthenticated, NotPermitted
from shared.kernel.tokens import is_well_formed, token_hash
from shared.web.problem import ProblemError

OURS = "nrag_"
INVALID_JWT = "Invalid or expired JWT"
INVALID_TOKEN = "Invalid or revoked API token"  # noqa: S105  an answer, not a secret


def bearer(headers: Headers) -> str | None:
    """What stands behind `Authorization: Bearer`, or None."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    return value.strip() or None if scheme.lower() == "bearer" else None


class Authenticator:
    """Knows every kind of credential."""

    def __init__(self, principals: Principals, signed: SignedTokens) -> None:
        self._principals = principals
        self._signed = signed

    async def principal(self, headers: Headers, now: datetime) -> Principal:
        """Raise `NotAuthenticated`, `NotPermitted`, or the problem `secret-key-in-browser`."""
        credential = bearer(headers)
        if credential is None:
            raise NotAuthenticated("Not authenticated")
        # By prefix: the shape of a string that somebody sends must not choose who verifies it.
        if credential.startswith(OURS) or "." not in credential:
            found = await self._of_token(credential, now)
            _refuse_in_foreign_pages(found, headers)
        else:
            found = await self._of_jwt(credential, headers)
        return _active(found)

    async def of_token(self, token: str, now: datetime) -> Principal:
        """Who an API token speaks for. Raise `NotAuthenticated` or `NotPermitted`."""
        return _active(await self._of_token(token, now))

    async def _of_token(self, token: str, now: datetime) -> Principal:
        if not is_well_formed(token):
            raise NotAuthenticated(INVALID_TOKEN)
        found = await self._principals.of_token(token_hash(token))
        if found is None:
            raise NotAuthenticated(INVALID_TOKEN)
        if found.expires_at is not None and found.expires_at <= now:
            raise NotAuthenticated("API token has expired")
        return found

    async def _of_jwt(self, token: str, headers: Headers) -> Principal:
        claims = self._signed.read_access(token)
        if isinstance(claims, VisitorClaims):
            return await self._of_visitor(claims, headers)
        found = await self._principals.of_session(claims.tenant_id, claims.session_id)
        if found is None or found.user_id != claims.user_id:
            raise NotAuthenticated(INVALID_JWT)
        return found

    async def _of_visitor(self, claims: VisitorClaims, headers: Headers) -> Principal:
        key = await self._principals.of_widget_key(claims.tenant_id, claims.key_id)
        if key is None or not key.is_active or key.bot_profile_id != claims.bot_profile_id:
            raise NotAuthenticated(INVALID_JWT)
        origin = headers.get("origin")
        if origin is not None and origin != claims.origin:
            raise NotPermitted("The session belongs to another site")
        ours = same_host(claims.origin, headers.get("host", ""))
        if not ours and not allows(key.allowed_origins, claims.origin):
            raise NotPermitted("The site may not use this widget key any more")
        return Principal(
            kind="visitor",
            id=claims.visitor_id,
            tenant_id=claims.tenant_id,
            scopes=("chat",),
            bot_profile_id=claims.bot_profile_id,
            tenant_active=key.tenant_active,
            key_id=claims.key_id,
            quotas=key.quotas,
        )


def _active(found: Principal) -> Principal:
    if not found.user_active:
        raise NotAuthenticated("Token owner account is disabled")
    if not found.tenant_active:
        raise NotPermitted("Tenant is disabled")
    return found


def _refuse_in_foreign_pages(principal: Principal, headers: Headers) -> None:
    """A secret that a page of another site holds is one that its visitors hold."""
    origin = headers.get("origin")
    if origin is None or same_host(origin, headers.get("host", "")):
        return
    allowed = principal.browser_tokens
    if allowed == "all" or (allowed == "bot_bound" and principal.bot_profile_id is not None):
        return
    raise ProblemError(
        403,
        "secret-key-in-browser",
        "A secret token came from a web page, whose visitors can read it. Revoke it, and use a "
        "public widget key there; an owner can allow such tokens with PATCH /v1/tenants/me.",
    )


def same_host(origin: str, host: str) -> bool:
    """Whether a page of `origin` is one of the server that `host` names."""
    try:
        return urlsplit(origin).netloc.lower() == host.lower() != ""
    except ValueError:
        return False
