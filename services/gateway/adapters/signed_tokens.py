"""JSON web tokens: HS256 only, with keys chosen by `kid` from a fixed set (RFC 8725)."""

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import jwt

from services.gateway.ports import AccessClaims, RefreshClaims, VisitorClaims
from shared.contracts.gateway import Role
from shared.kernel.errors import NotAuthenticated
from shared.kernel.ids import new_id

ISSUER = "minirag"
API, REFRESH, WIDGET = "minirag-api", "minirag-refresh", "minirag-widget"
ALGORITHM = "HS256"
LONGEST = 4096
VISITOR_SECONDS = 900
LEEWAY_SECONDS = 5
"""For clocks of gateways that do not agree."""
INVALID = "Invalid or expired JWT"
INVALID_REFRESH = "Invalid or expired refresh token"
REQUIRED = ["iss", "aud", "iat", "exp", "sub", "tid", "jti"]


class SignedWebTokens:
    """Makes and reads tokens under the first of several secrets, and any of them."""

    def __init__(self, secrets: Sequence[str], access_seconds: int) -> None:
        self._keys = {key_id(secret): secret for secret in secrets}
        self._signing = key_id(secrets[0])
        self.access_seconds = access_seconds

    def access(self, claims: AccessClaims, role: Role, now: datetime) -> tuple[str, int]:
        """The token, and the seconds that it lasts."""
        body = {
            "aud": API,
            "sub": claims.user_id,
            "tid": claims.tenant_id,
            "role": role,
            "sid": claims.session_id,
            "exp": now + timedelta(seconds=self.access_seconds),
        }
        return self._sign(body, now), self.access_seconds

    def read_access(self, token: str) -> AccessClaims | VisitorClaims:
        """Who may call the API: a user, or a visitor of a web page."""
        body = self._read(token, [API, WIDGET])
        if body["aud"] == WIDGET:
            return _visitor(body)
        return AccessClaims(
            tenant_id=_text(body, "tid"), user_id=_text(body, "sub"), session_id=_text(body, "sid")
        )

    def refresh(self, claims: RefreshClaims, now: datetime, expires_at: datetime) -> str:
        body = {
            "aud": REFRESH,
            "sub": claims.session_id,
            "tid": claims.tenant_id,
            "gen": claims.generation,
            "exp": expires_at,
        }
        return self._sign(body, now)

    def read_refresh(self, token: str) -> RefreshClaims:
        """Also while a clock that was put back refuses access: what brings it back must hold."""
        try:
            body = self._read(token, [REFRESH], at_any_time=True)
            return RefreshClaims(
                tenant_id=_text(body, "tid"),
                session_id=_text(body, "sub"),
                generation=int(body["gen"]),
            )
        except (NotAuthenticated, KeyError, TypeError, ValueError) as error:
            raise NotAuthenticated(INVALID_REFRESH) from error

    def visitor(self, claims: VisitorClaims, now: datetime) -> tuple[str, int]:
        """A widget session, and the seconds that it lasts."""
        body = {
            "aud": WIDGET,
            "sub": claims.visitor_id,
            "tid": claims.tenant_id,
            "key": claims.key_id,
            "bot": claims.bot_profile_id,
            "origin": claims.origin,
            "exp": now + timedelta(seconds=VISITOR_SECONDS),
        }
        return self._sign(body, now), VISITOR_SECONDS

    def read_visitor(self, token: str, *, also_expired: bool = False) -> VisitorClaims:
        return _visitor(self._read(token, [WIDGET], also_expired=also_expired))

    def _sign(self, body: dict[str, Any], now: datetime) -> str:
        return jwt.encode(
            {"iss": ISSUER, "iat": now, "jti": new_id(), **body},
            self._keys[self._signing],
            ALGORITHM,
            headers={"kid": self._signing, "typ": "at+jwt"},
        )

    def _read(
        self,
        token: str,
        audiences: list[str],
        *,
        also_expired: bool = False,
        at_any_time: bool = False,
    ) -> dict[str, Any]:
        """Raise `NotAuthenticated` for anything that is not one of our own, for that audience.

        With `at_any_time` also what seems to be from a time to come: a clock was put back.
        """
        if len(token) > LONGEST:
            raise NotAuthenticated(INVALID)
        try:
            found = jwt.get_unverified_header(token).get("kid")
            if found not in self._keys:
                raise NotAuthenticated(INVALID)
            body: dict[str, Any] = jwt.decode(
                token,
                self._keys[found],
                algorithms=[ALGORITHM],
                audience=audiences,
                issuer=ISSUER,
                leeway=LEEWAY_SECONDS,
                options={
                    "require": REQUIRED,
                    "verify_exp": not also_expired,
                    "verify_iat": not (at_any_time or also_expired),
                },
            )
        except jwt.MissingRequiredClaimError as error:
            missing = error.claim in ("sub", "tid")
            raise NotAuthenticated("Malformed JWT payload" if missing else INVALID) from error
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as error:
            raise NotAuthenticated(INVALID) from error
        return body


def key_id(secret: str) -> str:
    """Names a secret without giving it away: it is too long to be guessed from its hash."""
    digest = hashlib.sha256(b"minirag key id " + secret.encode()).digest()
    return base64.urlsafe_b64encode(digest[:6]).decode()


def _visitor(body: dict[str, Any]) -> VisitorClaims:
    return VisitorClaims(
        tenant_id=_text(body, "tid"),
        visitor_id=_text(body, "sub"),
        key_id=_text(body, "key"),
        bot_profile_id=_text(body, "bot"),
        origin=_text(body, "origin"),
    )


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        malformed = name in ("sub", "tid")
        raise NotAuthenticated("Malformed JWT payload" if malformed else INVALID)
    return value
