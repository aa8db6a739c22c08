"""/v1/auth/browser: sessions of people who use the dashboard.

The refresh token lies in a cookie that no script can read and no other site can send; the page
holds only the short-lived access token, in memory (RFC 9700, section 4.3; OWASP ASVS 5.0, 3.3).
"""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response, status
from pydantic import BaseModel

from services.gateway.http import auth
from services.gateway.http.authentication import same_host
from services.gateway.http.context import AnybodyDep
from services.gateway.http.views import LoginOut, MeOut
from shared.kernel.errors import NotAuthenticated, NotPermitted, Unavailable
from shared.web.problem import responses

PATH = "/v1/auth/browser"
COOKIE = "minirag_session"
DAY_SECONDS = 86_400

router = APIRouter(prefix=PATH, tags=["login"])


class BrowserSessionOut(MeOut):
    access_token: str
    token_type: str = "bearer"  # noqa: S105  RFC 6750
    expires_in: int
    """Seconds that the access token lasts."""


class Ended(BaseModel):
    status: str = "ended"


@router.post("/login", responses=responses(NotAuthenticated, NotPermitted, Unavailable))
async def login(
    body: auth.LoginIn, request: Request, response: Response, asking: AnybodyDep
) -> BrowserSessionOut:
    """Log in from a page of this server; the refresh token becomes a cookie."""
    _only_ours(request)
    return _keep(request, response, await auth.login(body, asking))


@router.post(
    "/refresh",
    response_model=BrowserSessionOut,
    responses={
        **responses(NotAuthenticated, NotPermitted, Unavailable),
        204: {"description": "Nobody is logged in with this browser."},
    },
)
async def refresh(request: Request, response: Response, asking: AnybodyDep) -> Any:
    """A fresh access token for whoever is logged in with this browser."""
    _only_ours(request)
    kept = request.cookies.get(COOKIE)
    if kept is None:
        return Response(status_code=status.HTTP_204_NO_CONTENT)
    return _keep(request, response, await auth.refresh(auth.RefreshIn(refresh_token=kept), asking))


@router.post("/logout", responses=responses(NotAuthenticated, NotPermitted, Unavailable))
async def logout(request: Request, response: Response, asking: AnybodyDep) -> Ended:
    """End the session of this browser, and take its cookie away."""
    _only_ours(request)
    kept = request.cookies.get(COOKIE)
    response.delete_cookie(COOKIE, **_attributes(request))
    if kept is not None:
        await auth.logout(request, asking, auth.LogoutIn(refresh_token=kept))
    return Ended()


def _keep(request: Request, response: Response, made: LoginOut) -> BrowserSessionOut:
    days = request.app.state.gateway.session_days
    attributes = _attributes(request)
    response.set_cookie(COOKIE, made.refresh_token, max_age=days * DAY_SECONDS, **attributes)
    return BrowserSessionOut.model_validate(made.model_dump(exclude={"refresh_token"}))


def _attributes(request: Request) -> Mapping[str, Any]:
    return {
        "path": PATH,
        "httponly": True,
        "samesite": "strict",
        "secure": request.url.scheme == "https",
    }


def _only_ours(request: Request) -> None:
    """Raise `NotPermitted` for a page of another site, whose requests might carry the cookie."""
    headers = request.headers
    origin, site = headers.get("origin"), headers.get("sec-fetch-site", "same-origin")
    foreign = origin is not None and not same_host(origin, headers.get("host", ""))
    if foreign or site not in ("same-origin", "none"):
        raise NotPermitted("Only pages of this server may use the session of a browser")
