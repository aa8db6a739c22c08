"""From a request to the principal it speaks for."""

from datetime import timedelta
from typing import Any

import jwt
import pytest
from starlette.datastructures import Headers

from services.gateway.adapters.signed_tokens import SignedWebTokens, key_id
from services.gateway.http.authentication import Authenticator, bearer
from services.gateway.ports import (
    AccessClaims,
    Principal,
    RefreshClaims,
    VisitorClaims,
    WidgetKey,
)
from shared.contracts.gateway import WidgetQuotas
from shared.kernel.clock import utc_now
from shared.kernel.errors import MiniRagError, NotAuthenticated, NotPermitted
from shared.kernel.tokens import new_token, token_hash
from shared.web.problem import ProblemError
from tests.unit.gateway.fakes import KnownPrincipals

OLD, NEW = "o" * 40, "n" * 40
SITE = "https://shop.example"
NOW = utc_now()
ACCESS = AccessClaims(tenant_id="t", user_id="u", session_id="s")
VISITOR = VisitorClaims(tenant_id="t", visitor_id="v", key_id="k", bot_profile_id="b", origin=SITE)


def principal(**fields: Any) -> Principal:
    return Principal(
        **{
            "kind": "token",
            "id": "t1",
            "tenant_id": "t",
            "user_id": "u",
            "role": "owner",
            "browser_tokens": "bot_bound",
            **fields,
        }
    )


def widget_key(**fields: Any) -> WidgetKey:
    return WidgetKey(
        **{
            "key_id": "k",
            "tenant_id": "t",
            "bot_profile_id": "b",
            "allowed_origins": (SITE,),
            "quotas": WidgetQuotas(),
            "is_active": True,
            "tenant_active": True,
            **fields,
        }
    )


@pytest.fixture
def signed() -> SignedWebTokens:
    return SignedWebTokens([NEW, OLD], access_seconds=3600)


class TestBearer:
    @pytest.mark.parametrize(
        ("value", "found"),
        [
            (None, None),
            ("", None),
            ("Bearer", None),
            ("Bearer ", None),
            ("Basic abc", None),
            ("Bearer abc", "abc"),
            ("bearer abc", "abc"),
            ("Bearer  abc ", "abc"),
        ],
    )
    def test_what_stands_behind_it(self, value: str | None, found: str | None) -> None:
        assert bearer(Headers({} if value is None else {"authorization": value})) == found


class TestTokens:
    async def known(self, found: Principal, **headers: str) -> Principal:
        token = new_token()
        principals = KnownPrincipals(tokens={token_hash(token): found})
        door = Authenticator(principals, SignedWebTokens([NEW], 3600))
        return await door.principal(
            Headers({"authorization": f"Bearer {token}", "host": "api.example", **headers}), NOW
        )

    async def test_a_known_one_speaks_for_its_maker(self) -> None:
        assert await self.known(principal()) == principal()

    @pytest.mark.parametrize(
        ("fields", "error", "said"),
        [
            ({"expires_at": NOW}, NotAuthenticated, "API token has expired"),
            ({"user_active": False}, NotAuthenticated, "Token owner account is disabled"),
            ({"tenant_active": False}, NotPermitted, "Tenant is disabled"),
        ],
    )
    async def test_one_that_is_over_is_told_why(
        self, fields: dict[str, Any], error: type[MiniRagError], said: str
    ) -> None:
        with pytest.raises(error, match=said):
            await self.known(principal(**fields))

    async def test_one_that_has_time_left_is_good(self) -> None:
        await self.known(principal(expires_at=NOW + timedelta(seconds=1)))

    @pytest.mark.parametrize(
        "token", ["nrag_live_", "nrag_live_" + "a" * 38, "a.b.c", "x" * 43, "nrag_live_a.b.c"]
    )
    async def test_what_is_none_is_refused_without_asking_anybody(self, token: str) -> None:
        door = Authenticator(KnownPrincipals(), SignedWebTokens([NEW], 3600))
        said = "JWT" if token == "a.b.c" else "API token"
        with pytest.raises(NotAuthenticated, match=said):
            await door.principal(Headers({"authorization": f"Bearer {token}"}), NOW)

    @pytest.mark.parametrize(
        ("allowed", "bound", "origin", "let_in"),
        [
            ("bot_bound", False, SITE, False),
            ("bot_bound", True, SITE, True),
            ("none", True, SITE, False),
            ("all", False, SITE, True),
            ("none", False, "https://api.example", True),
            ("none", False, "https://api.example:8443", False),
            ("none", False, "https://api.example.evil.example", False),
            ("bot_bound", False, "null", False),
            ("bot_bound", False, "", False),
            ("bot_bound", False, "http://[", False),
        ],
    )
    async def test_a_page_of_another_site_may_not_hold_one(
        self, allowed: str, origin: str, *, bound: bool, let_in: bool
    ) -> None:
        found = principal(browser_tokens=allowed, bot_profile_id="b" if bound else None)
        if let_in:
            await self.known(found, origin=origin)
            return
        with pytest.raises(ProblemError) as error:
            await self.known(found, origin=origin)
        assert (error.value.status, error.value.code) == (403, "secret-key-in-browser")


class TestSessions:
    async def test_a_login_is_good_as_long_as_its_session(self, signed: SignedWebTokens) -> None:
        token, seconds = signed.access(ACCESS, "owner", utc_now())
        assert seconds == 3600
        headers = Headers({"authorization": f"Bearer {token}", "origin": SITE})
        found = principal(kind="session", id="s", role="member")
        door = Authenticator(KnownPrincipals(sessions={"s": found}), signed)
        assert (await door.principal(headers, NOW)).role == "member", "not what the claim says"
        with pytest.raises(NotAuthenticated):
            await Authenticator(KnownPrincipals(), signed).principal(headers, NOW)
        other = principal(kind="session", id="s", user_id="other")
        with pytest.raises(NotAuthenticated):
            await Authenticator(KnownPrincipals(sessions={"s": other}), signed).principal(
                headers, NOW
            )


class TestVisitors:
    async def come(
        self, signed: SignedWebTokens, key: WidgetKey | None, **headers: str
    ) -> Principal:
        token, _ = signed.visitor(VISITOR, utc_now())
        door = Authenticator(KnownPrincipals(keys={"k": key} if key else {}), signed)
        return await door.principal(Headers({"authorization": f"Bearer {token}", **headers}), NOW)

    async def test_a_visitor_may_chat_with_the_bot_of_its_key(
        self, signed: SignedWebTokens
    ) -> None:
        for headers in ({"origin": SITE}, {}):
            found = await self.come(signed, widget_key(), **headers)
            assert (found.kind, found.id, found.scopes) == ("visitor", "v", ("chat",))
            scope = found.chat_scope
            assert scope is not None
            assert (scope.bot_profile_id, scope.visitor_id, scope.token_id) == ("b", "v", None)

    @pytest.mark.parametrize(
        ("key", "origin", "error"),
        [
            (None, SITE, NotAuthenticated),
            (widget_key(is_active=False), SITE, NotAuthenticated),
            (widget_key(bot_profile_id="other"), SITE, NotAuthenticated),
            (widget_key(allowed_origins=()), SITE, NotPermitted),
            (widget_key(tenant_active=False), SITE, NotPermitted),
            (widget_key(), "https://evil.example", NotPermitted),
        ],
    )
    async def test_a_session_is_good_as_long_as_its_key_and_on_its_site(
        self,
        signed: SignedWebTokens,
        key: WidgetKey | None,
        origin: str,
        error: type[MiniRagError],
    ) -> None:
        with pytest.raises(error):
            await self.come(signed, key, origin=origin)


class TestSigning:
    def test_a_new_secret_in_front_leaves_the_old_tokens_good(
        self, signed: SignedWebTokens
    ) -> None:
        before, _ = SignedWebTokens([OLD], 3600).access(ACCESS, "owner", utc_now())
        assert signed.read_access(before) == ACCESS
        after, _ = signed.access(ACCESS, "owner", utc_now())
        assert jwt.get_unverified_header(after)["kid"] == key_id(NEW)
        with pytest.raises(NotAuthenticated):
            SignedWebTokens([OLD], 3600).read_access(after)

    def test_each_kind_is_read_as_that_kind_only(self, signed: SignedWebTokens) -> None:
        refresh = signed.refresh(
            RefreshClaims(tenant_id="t", session_id="s", generation=3),
            NOW,
            NOW + timedelta(days=1),
        )
        visitor, _ = signed.visitor(VISITOR, utc_now())
        access, _ = signed.access(ACCESS, "owner", utc_now())
        assert signed.read_refresh(refresh).generation == 3
        assert signed.read_access(visitor) == VISITOR
        for token, read in (
            (refresh, signed.read_access),
            (access, signed.read_refresh),
            (visitor, signed.read_refresh),
            (access, signed.read_visitor),
        ):
            with pytest.raises(NotAuthenticated):
                read(token)

    def test_a_login_holds_when_the_clock_is_put_back(self, signed: SignedWebTokens) -> None:
        later = utc_now() + timedelta(hours=1)
        claims = RefreshClaims(tenant_id="t", session_id="s", generation=3)
        refresh = signed.refresh(claims, later, later + timedelta(days=1))
        assert signed.read_refresh(refresh) == claims
        access, _ = signed.access(ACCESS, "owner", later)
        with pytest.raises(NotAuthenticated):
            signed.read_access(access)

    def test_a_visitor_that_was_here_before_is_known_again(self, signed: SignedWebTokens) -> None:
        old, _ = signed.visitor(VISITOR, utc_now() - timedelta(days=1))
        assert signed.read_visitor(old, also_expired=True) == VISITOR
        with pytest.raises(NotAuthenticated):
            signed.read_visitor(old)
        with pytest.raises(NotAuthenticated):
            SignedWebTokens(["x" * 40], 3600).read_visitor(old, also_expired=True)

    def test_a_visitor_is_known_again_when_the_clock_is_put_back(
        self, signed: SignedWebTokens
    ) -> None:
        later, _ = signed.visitor(VISITOR, utc_now() + timedelta(hours=1))
        assert signed.read_visitor(later, also_expired=True) == VISITOR
        with pytest.raises(NotAuthenticated):
            signed.read_visitor(later)
