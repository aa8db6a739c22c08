"""Tenants, logins and sessions: the contract's section 2, row by row."""

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest

from tests.harness import PASSWORD, Installation, Tenant, answers, client, eventually

Register = Callable[[str], Tenant]

USER = {"id", "tenant_id", "email", "display_name", "role", "is_active"}
TENANT = {"id", "name", "slug", "is_active", "plan"}
WRONG = "wrong horse battery"


def login(url: str, address: str = "127.0.0.1", **body: Any) -> httpx.Response:
    with client(url, address=address) as http:
        return http.post("/v1/auth/login", json=body)


def detail(answer: httpx.Response) -> Any:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.json()["detail"]


class TestTenants:
    def body(self, **fields: Any) -> dict[str, Any]:
        slug = f"new-{uuid.uuid4().hex[:10]}"
        return {
            "tenant_name": "Acme",
            "tenant_slug": slug,
            "owner_email": "boss@acme.example.com",
            "owner_password": PASSWORD,
            **fields,
        }

    def test_registering_answers_the_tenant_and_a_first_token(
        self, installation: Installation
    ) -> None:
        body = self.body(owner_display_name="Boss")
        answer = httpx.post(f"{installation.url}/v1/tenants", json=body, timeout=60)
        assert answer.status_code == 201
        made = answer.json()
        assert set(made["tenant"]) >= TENANT
        assert (made["tenant"]["slug"], made["tenant"]["plan"]) == (body["tenant_slug"], "free")
        assert made["api_token"].startswith("nrag_live_")
        assert made["api_token"].startswith(made["token_prefix"])
        with client(installation.url, made["api_token"]) as http:
            assert http.get("/v1/tenants/me").json() == made["tenant"]
            assert [token["name"] for token in http.get("/v1/api-tokens").json()] == ["default"]
            user = http.get("/v1/users").json()[0]
        assert (user["role"], user["display_name"]) == ("owner", "Boss")

    def test_a_slug_is_taken_once(self, installation: Installation) -> None:
        body = self.body()
        codes = [
            httpx.post(f"{installation.url}/v1/tenants", json=body, timeout=60) for _ in range(2)
        ]
        assert codes[0].status_code == 201
        assert codes[1].status_code == 409
        assert detail(codes[1]) == f"Slug '{body['tenant_slug']}' is already taken"

    @pytest.mark.parametrize(
        "fields",
        [
            {"tenant_name": "n" * 256},
            {"tenant_name": None},
            {"tenant_slug": "Upper"},
            {"tenant_slug": "s" * 101},
            {"tenant_slug": ""},
            {"owner_email": "no address"},
            {"owner_password": "short"},
            {"owner_password": "p" * 129},
            {"owner_display_name": "d" * 256},
        ],
    )
    def test_what_does_not_fit_is_refused_with_the_field_at_fault(
        self, installation: Installation, fields: dict[str, Any]
    ) -> None:
        answer = httpx.post(f"{installation.url}/v1/tenants", json=self.body(**fields), timeout=60)
        assert answer.status_code == 422
        assert detail(answer)[0]["loc"] == ["body", *fields]
        assert answer.json()["field"] == next(iter(fields))

    def test_an_owner_renames_the_tenant_and_others_do_not(self, tenant: Tenant) -> None:
        answer = tenant.http.patch("/v1/tenants/me", json={"name": "Renamed"})
        assert answer.status_code == 200
        assert tenant.http.get("/v1/tenants/me").json()["name"] == "Renamed"
        for role in ("admin", "member"):
            answer = tenant.user(role).http.patch("/v1/tenants/me", json={"name": "Mine"})
            assert answer.status_code == 403


class TestLogin:
    def test_it_answers_a_token_with_the_claims_of_the_contract(self, tenant: Tenant) -> None:
        answer = login(tenant.url, email=tenant.email, password=PASSWORD)
        assert answer.status_code == 200
        found = answer.json()
        assert found["token_type"] == "bearer"
        assert set(found["user"]) >= USER
        assert set(found["tenant"]) >= TENANT
        claims = jwt.decode(found["access_token"], options={"verify_signature": False})
        assert set(claims) >= {"iss", "aud", "iat", "exp", "sub", "tid", "role", "jti"}
        assert (claims["sub"], claims["tid"]) == (found["user"]["id"], tenant.id)
        assert claims["role"] == "owner"
        me = tenant.with_(found["access_token"]).get("/v1/auth/me")
        assert me.json() == {"user": found["user"], "tenant": found["tenant"]}

    def test_the_case_of_the_address_does_not_matter(self, tenant: Tenant) -> None:
        assert login(tenant.url, email=tenant.email.upper(), password=PASSWORD).status_code == 200

    @pytest.mark.parametrize("known", [True, False])
    def test_wrong_password_and_unknown_address_look_the_same(
        self, tenant: Tenant, address: str, *, known: bool
    ) -> None:
        email = tenant.email if known else f"nobody@{tenant.slug}.example.com"
        answer = login(tenant.url, address, email=email, password=WRONG)
        assert answer.status_code == 401
        assert detail(answer) == "Invalid email or password"

    @pytest.mark.parametrize("body", [{}, {"email": "no address", "password": "x"}])
    def test_what_is_no_login_is_refused(self, tenant: Tenant, body: dict[str, Any]) -> None:
        assert login(tenant.url, **body).status_code == 422

    def test_a_disabled_account_is_told_so_once_the_password_is_right(
        self, tenant: Tenant, address: str
    ) -> None:
        user = tenant.user("member")
        assert tenant.http.delete(f"/v1/users/{user.id}").status_code == 204
        answer = login(tenant.url, email=user.email, password=PASSWORD)
        assert answer.status_code == 403
        assert detail(answer) == "Account is disabled"
        answer = login(tenant.url, address, email=user.email, password=WRONG)
        assert answer.status_code == 401

    def test_a_disabled_tenant_is_told_so_and_everything_of_it_is_shut_out(
        self, installation: Installation, tenant: Tenant
    ) -> None:
        session = tenant.with_(tenant.login()["access_token"])
        assert installation.cli("tenant", "disable", tenant.slug).returncode == 0
        answer = login(tenant.url, email=tenant.email, password=PASSWORD)
        assert answer.status_code == 403
        assert detail(answer) == "Tenant is disabled"
        for http in (session, tenant.http):
            assert detail(answers(http, "/v1/sources", 403)) == "Tenant is disabled"
        assert installation.cli("tenant", "enable", tenant.slug).returncode == 0
        for http in (session, tenant.http):
            answers(http, "/v1/sources", 200)

    def test_an_unknown_tenant_cannot_be_disabled(self, installation: Installation) -> None:
        done = installation.cli("tenant", "disable", "no-such-tenant")
        assert done.returncode != 0
        assert "no tenant has the slug" in done.stderr


class TestOneAddressInSeveralTenants:
    @pytest.fixture
    def twice(self, tenant: Tenant, other_tenant: Tenant) -> str:
        """An address with one password here and another there."""
        email = f"both-{uuid.uuid4().hex[:8]}@example.com"
        for one, password in ((tenant, PASSWORD), (other_tenant, WRONG)):
            body = {"email": email, "password": password}
            assert one.http.post("/v1/users", json=body).status_code == 201
        return email

    def test_the_password_tells_which_is_meant(
        self, tenant: Tenant, other_tenant: Tenant, twice: str
    ) -> None:
        here = login(tenant.url, email=twice, password=PASSWORD).json()
        there = login(tenant.url, email=twice, password=WRONG).json()
        assert (here["tenant"]["id"], there["tenant"]["id"]) == (tenant.id, other_tenant.id)

    def test_with_one_password_for_all_the_tenant_is_asked_for(
        self, tenant: Tenant, other_tenant: Tenant
    ) -> None:
        email = f"same-{uuid.uuid4().hex[:8]}@example.com"
        for one in (tenant, other_tenant):
            one.http.post("/v1/users", json={"email": email, "password": PASSWORD})
        answer = login(tenant.url, email=email, password=PASSWORD)
        assert answer.status_code == 422
        problem = answer.json()
        assert problem["type"] == "urn:minirag:problem:tenant-slug-required"
        assert problem["field"] == "tenant_slug"
        assert sorted(problem["tenant_slugs"]) == sorted([tenant.slug, other_tenant.slug])
        chosen = login(
            tenant.url, email=email, password=PASSWORD, tenant_slug=other_tenant.slug
        ).json()
        assert chosen["tenant"]["id"] == other_tenant.id

    def test_a_stranger_who_registers_with_an_owners_address_locks_nobody_out(
        self, tenant: Tenant
    ) -> None:
        body = {
            "tenant_name": "Evil",
            "tenant_slug": f"evil-{uuid.uuid4().hex[:8]}",
            "owner_email": tenant.email,
            "owner_password": WRONG,
        }
        assert httpx.post(f"{tenant.url}/v1/tenants", json=body, timeout=60).status_code == 201
        found = login(tenant.url, email=tenant.email, password=PASSWORD).json()
        assert found["tenant"]["id"] == tenant.id


class TestThrottling:
    def test_guesses_are_stopped_with_a_time_to_wait(self, tenant: Tenant, address: str) -> None:
        def guess() -> httpx.Response:
            return login(tenant.url, address, email=tenant.email, password=WRONG)

        # The slower the machine, the more guesses are forgotten meanwhile.
        guesses = (guess() for _ in range(200))
        stopped = next(answer for answer in guesses if answer.status_code != 401)
        assert stopped.status_code == 429
        assert 0 < int(stopped.headers["retry-after"]) <= 60

    def test_an_owner_at_home_is_not_locked_out_by_guesses_from_everywhere(
        self, tenant: Tenant, address: str
    ) -> None:
        home = address
        assert login(tenant.url, home, email=tenant.email, password=PASSWORD).status_code == 200
        network = address.rsplit(".", 1)[0]
        codes = (
            login(tenant.url, f"{network}.{1 + n}", email=tenant.email, password=WRONG).status_code
            for n in range(200)
        )
        assert next(code for code in codes if code != 401) == 429
        stranger = f"{network}.251"
        answer = login(tenant.url, stranger, email=tenant.email, password=PASSWORD)
        assert answer.status_code == 429
        assert login(tenant.url, home, email=tenant.email, password=PASSWORD).status_code == 200

    def test_successes_do_not_count(self, tenant: Tenant, address: str) -> None:
        for _ in range(12):
            answer = login(tenant.url, address, email=tenant.email, password=PASSWORD)
            assert answer.status_code == 200


class TestMe:
    def test_a_token_speaks_for_its_maker(self, tenant: Tenant) -> None:
        me = tenant.http.get("/v1/auth/me").json()
        assert me["user"]["email"] == tenant.email
        assert me["tenant"]["slug"] == tenant.slug


class TestSessions:
    def refresh(self, tenant: Tenant, token: str) -> httpx.Response:
        return tenant.http.post("/v1/auth/refresh", json={"refresh_token": token})

    def works(self, tenant: Tenant, session: dict[str, Any]) -> bool:
        return tenant.with_(session["access_token"]).get("/v1/auth/me").status_code == 200

    def test_a_refresh_token_is_good_for_a_new_pair(self, tenant: Tenant) -> None:
        first = tenant.login()
        second = self.refresh(tenant, first["refresh_token"])
        assert second.status_code == 200
        assert second.json()["user"] == first["user"]
        assert self.works(tenant, second.json())
        assert self.refresh(tenant, second.json()["refresh_token"]).status_code == 200

    def test_two_tabs_that_refresh_at_once_both_go_on(self, tenant: Tenant) -> None:
        first = tenant.login()
        one = self.refresh(tenant, first["refresh_token"]).json()
        two = self.refresh(tenant, first["refresh_token"])
        assert two.status_code == 200
        for pair in (one, two.json()):
            assert self.works(tenant, pair)

    def test_a_spent_refresh_token_ends_the_whole_session(self, tenant: Tenant) -> None:
        first = tenant.login()
        second = self.refresh(tenant, first["refresh_token"]).json()
        third = self.refresh(tenant, second["refresh_token"]).json()
        answer = self.refresh(tenant, first["refresh_token"])
        assert answer.status_code == 401
        assert detail(answer) == "Invalid or expired refresh token"
        assert self.refresh(tenant, third["refresh_token"]).status_code == 401
        eventually(lambda: not self.works(tenant, third))

    @pytest.mark.parametrize("token", ["x", "a.b.c", "nrag_live_x"])
    def test_what_is_no_refresh_token_is_refused(self, tenant: Tenant, token: str) -> None:
        answer = self.refresh(tenant, token)
        assert answer.status_code == 401
        assert detail(answer) == "Invalid or expired refresh token"

    def test_an_access_token_refreshes_nothing_and_a_refresh_token_opens_nothing(
        self, tenant: Tenant
    ) -> None:
        session = tenant.login()
        assert self.refresh(tenant, session["access_token"]).status_code == 401
        answer = tenant.with_(session["refresh_token"]).get("/v1/auth/me")
        assert detail(answer) == "Invalid or expired JWT"

    def test_logging_out_ends_the_session_at_once(self, tenant: Tenant) -> None:
        session, other = tenant.login(), tenant.login()
        http = tenant.with_(session["access_token"])
        assert http.post("/v1/auth/logout").status_code == 204
        assert detail(answers(http, "/v1/auth/me", 401)) == "Invalid or expired JWT"
        assert self.refresh(tenant, session["refresh_token"]).status_code == 401
        assert self.works(tenant, other)

    def test_a_refresh_token_alone_logs_out_too(self, tenant: Tenant) -> None:
        session = tenant.login()
        body = {"refresh_token": session["refresh_token"]}
        assert httpx.post(f"{tenant.url}/v1/auth/logout", json=body, timeout=60).status_code == 204
        eventually(lambda: not self.works(tenant, session))

    def test_nobody_and_tokens_cannot_log_out(self, tenant: Tenant) -> None:
        assert httpx.post(f"{tenant.url}/v1/auth/logout", timeout=60).status_code == 401
        assert tenant.http.post("/v1/auth/logout").status_code == 403

    def test_another_password_ends_the_other_sessions(self, tenant: Tenant) -> None:
        user = tenant.user("member")
        other = tenant.login(user.email)
        body = {"current_password": PASSWORD, "new_password": "a new password"}
        assert user.http.post("/v1/auth/password", json=body).status_code == 204
        eventually(lambda: not self.works(tenant, other))
        assert self.refresh(tenant, other["refresh_token"]).status_code == 401
        assert user.http.get("/v1/auth/me").status_code == 200
        assert tenant.login(user.email, "a new password")
        assert login(tenant.url, email=user.email, password=PASSWORD).status_code == 401

    def test_a_password_is_changed_only_by_who_knows_it(self, tenant: Tenant) -> None:
        user = tenant.user("member")
        body = {"current_password": WRONG, "new_password": "a new password"}
        answer = user.http.post("/v1/auth/password", json=body)
        assert answer.status_code == 403
        assert answer.json()["field"] == "current_password"
        body = {"current_password": PASSWORD, "new_password": "short"}
        assert user.http.post("/v1/auth/password", json=body).status_code == 422
        body = {"current_password": PASSWORD, "new_password": "a new password"}
        assert tenant.http.post("/v1/auth/password", json=body).status_code == 403


class TestWebTokens:
    def forged(self, installation: Installation, tenant: Tenant, **changes: Any) -> str:
        """A session's claims with changes, under the installation's own secret."""
        session = tenant.login()["access_token"]
        header = jwt.get_unverified_header(session)
        claims = jwt.decode(session, options={"verify_signature": False}) | changes
        claims = {name: value for name, value in claims.items() if value is not None}
        secrets = json.loads((installation.data_dir / "secrets.json").read_text())
        return jwt.encode(claims, secrets["jwt_secret"], "HS256", headers=header)

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({}, None),
            ({"sub": None}, "Malformed JWT payload"),
            ({"tid": None}, "Malformed JWT payload"),
            ({"exp": None}, "Invalid or expired JWT"),
            ({"jti": None}, "Invalid or expired JWT"),
            ({"aud": "another"}, "Invalid or expired JWT"),
            ({"iss": "another"}, "Invalid or expired JWT"),
            ({"exp": datetime.now(UTC) - timedelta(minutes=1)}, "Invalid or expired JWT"),
            ({"iat": datetime.now(UTC) + timedelta(days=1)}, "Invalid or expired JWT"),
            ({"exp": "soon"}, "Invalid or expired JWT"),
            ({"sid": str(uuid.uuid4())}, "Invalid or expired JWT"),
            ({"sub": str(uuid.uuid4())}, "Invalid or expired JWT"),
            ({"sid": 7}, "Invalid or expired JWT"),
        ],
    )
    def test_every_claim_counts(
        self,
        installation: Installation,
        tenant: Tenant,
        changes: dict[str, Any],
        said: str | None,
    ) -> None:
        answer = tenant.with_(self.forged(installation, tenant, **changes)).get("/v1/auth/me")
        if said is None:
            assert answer.status_code == 200
        else:
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
            assert detail(answer) == said

    def test_a_claim_to_a_higher_role_gives_none(
        self, installation: Installation, tenant: Tenant
    ) -> None:
        member = tenant.user("member")
        claims = jwt.decode(member.session["access_token"], options={"verify_signature": False})
        changes = {name: claims[name] for name in ("sub", "sid")} | {"role": "owner"}
        http = tenant.with_(self.forged(installation, tenant, **changes))
        assert http.post("/v1/bot-profiles", json={"name": "n"}).status_code == 403

    def test_another_algorithm_or_key_opens_nothing(
        self, installation: Installation, tenant: Tenant
    ) -> None:
        session = tenant.login()["access_token"]
        header = jwt.get_unverified_header(session)
        claims = jwt.decode(session, options={"verify_signature": False})
        secret = json.loads((installation.data_dir / "secrets.json").read_text())["jwt_secret"]
        tokens = [
            jwt.encode(claims, "x" * 64, "HS256", headers=header),
            jwt.encode(claims, secret, "HS512", headers={"kid": header["kid"]}),
            jwt.encode(claims, secret, "HS256", headers={"kid": "../../dev/null"}),
            jwt.encode(claims, secret, "HS256"),
            jwt.encode(claims, "", "none", headers={"kid": header["kid"]}),
            session[:-4] + ("AAAA" if session[-4:] != "AAAA" else "BBBB"),
            session + "A" * 10_000,
        ]
        for token in tokens:
            answer = tenant.with_(token).get("/v1/auth/me")
            assert answer.status_code == 401, token
            assert detail(answer) == "Invalid or expired JWT"
