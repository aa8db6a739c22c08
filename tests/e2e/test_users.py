"""Users and their roles: the contract's section 3, row by row."""

import uuid
from typing import Any

import httpx
import pytest

from tests.harness import PASSWORD, Tenant, answers, eventually

USER = {"id", "tenant_id", "email", "display_name", "role", "is_active"}


def detail(answer: httpx.Response) -> Any:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.json()["detail"]


class TestUsers:
    def body(self, **fields: Any) -> dict[str, Any]:
        return {"email": f"{uuid.uuid4().hex[:8]}@example.com", "password": PASSWORD, **fields}

    def test_a_user_is_created_as_a_member_and_listed_by_address(self, tenant: Tenant) -> None:
        bodies = [self.body(email=f"{letter}@example.com") for letter in "cab"]
        for body in bodies:
            answer = tenant.http.post("/v1/users", json=body)
            assert answer.status_code == 201
            assert set(answer.json()) >= USER
            assert answer.json()["role"] == "member"
            assert answer.json()["display_name"] == ""
        emails = [user["email"] for user in tenant.http.get("/v1/users").json()]
        assert emails == sorted(emails)
        assert {"a@example.com", "b@example.com", "c@example.com"} < set(emails)

    def test_an_address_is_used_once_in_a_tenant_whatever_its_case(
        self, tenant: Tenant, other_tenant: Tenant
    ) -> None:
        body = self.body(email="Anna@Example.com")
        assert tenant.http.post("/v1/users", json=body).status_code == 201
        answer = tenant.http.post("/v1/users", json={**body, "email": "anna@example.COM"})
        assert answer.status_code == 409
        assert detail(answer) == "A user with this email already exists in this tenant"
        assert other_tenant.http.post("/v1/users", json=body).status_code == 201

    @pytest.mark.parametrize(
        "fields",
        [
            {"email": "e" * 321},
            {"email": "a\x00b"},
            {"password": "short"},
            {"password": "p" * 129},
            {"display_name": "d" * 256},
            {"role": "emperor"},
        ],
    )
    def test_what_does_not_fit_is_refused(self, tenant: Tenant, fields: dict[str, Any]) -> None:
        assert tenant.http.post("/v1/users", json=self.body(**fields)).status_code == 422

    def test_an_address_need_not_be_one(self, tenant: Tenant) -> None:
        assert tenant.http.post("/v1/users", json=self.body(email="robot 7")).status_code == 201

    def test_a_patch_changes_what_is_sent(self, tenant: Tenant) -> None:
        made = tenant.http.post("/v1/users", json=self.body(display_name="Anna")).json()
        body = {"email": made["email"], "password": "another password", "role": "admin"}
        answer = tenant.http.patch(f"/v1/users/{made['id']}", json=body)
        assert answer.status_code == 200
        assert answer.json() == {**made, "role": "admin"}
        assert tenant.login(made["email"], "another password")

    def test_a_patch_needs_address_and_password(self, tenant: Tenant) -> None:
        user = tenant.user("member")
        for body in ({"role": "admin"}, {"email": "a@b.example"}, {"password": PASSWORD}):
            assert tenant.http.patch(f"/v1/users/{user.id}", json=body).status_code == 422

    def test_an_address_that_was_given_up_is_free_again(self, tenant: Tenant) -> None:
        made = tenant.http.post("/v1/users", json=self.body()).json()
        path = f"/v1/users/{made['id']}"
        other = self.body()
        assert tenant.http.patch(path, json=other).json()["email"] == other["email"]
        body = self.body(email=made["email"])
        assert tenant.http.post("/v1/users", json=body).status_code == 201
        assert tenant.http.patch(path, json=body).status_code == 409

    def test_the_same_password_again_ends_no_session(self, tenant: Tenant) -> None:
        user = tenant.user("member")
        body = {"email": user.email, "password": PASSWORD, "display_name": "Anna"}
        assert tenant.http.patch(f"/v1/users/{user.id}", json=body).status_code == 200
        assert user.http.get("/v1/auth/me").json()["user"]["display_name"] == "Anna"

    def test_unknown_and_foreign_users_are_not_there(
        self, tenant: Tenant, other_tenant: Tenant
    ) -> None:
        foreign = other_tenant.http.get("/v1/users").json()[0]["id"]
        for user_id in (str(uuid.uuid4()), foreign):
            answer = tenant.http.patch(f"/v1/users/{user_id}", json=self.body())
            assert answer.status_code == 404
            assert detail(answer) == "User not found"
            assert tenant.http.delete(f"/v1/users/{user_id}").status_code == 404

    def test_a_deleted_user_stays_listed_and_is_shut_out(self, tenant: Tenant) -> None:
        user = tenant.user("admin")
        token = user.http.post("/v1/api-tokens", json={"name": "t"}).json()["raw_token"]
        for _ in range(2):
            assert tenant.http.delete(f"/v1/users/{user.id}").status_code == 204
        shown = {one["id"]: one["is_active"] for one in tenant.http.get("/v1/users").json()}
        assert shown[user.id] is False
        http = tenant.with_(token)
        said = detail(answers(http, "/v1/sources", 401))
        assert said == "Token owner account is disabled"
        answers(user.http, "/v1/sources", 401)

        body = {"email": user.email, "password": PASSWORD, "is_active": True}
        assert tenant.http.patch(f"/v1/users/{user.id}", json=body).json()["is_active"] is True
        answers(http, "/v1/sources", 200)
        assert user.http.get("/v1/sources").status_code == 401, "the old session came back"

    def test_a_token_acts_with_the_present_role_of_its_maker(self, tenant: Tenant) -> None:
        user = tenant.user("admin")
        token = user.http.post("/v1/api-tokens", json={"name": "t"}).json()["raw_token"]
        both = (tenant.with_(token), user.http)
        for http in both:
            assert http.post("/v1/bot-profiles", json={"name": "n"}).status_code == 201
        body = {"email": user.email, "password": PASSWORD, "role": "member"}
        tenant.http.patch(f"/v1/users/{user.id}", json=body).raise_for_status()
        for http in both:

            def refused(http: httpx.Client = http) -> bool:
                return http.post("/v1/bot-profiles", json={"name": "n"}).status_code == 403

            eventually(refused)


class TestAnotherRole:
    def test_leaves_everything_else_as_it_is(self, tenant: Tenant) -> None:
        user = tenant.user("member")
        before = user.http.get("/v1/auth/me").json()["user"]
        for role in ("admin", "owner", "member", "member"):
            answer = tenant.http.patch(f"/v1/users/{user.id}/role", json={"role": role})
            assert answer.status_code == 200
            assert answer.json() == {**before, "role": role}
        assert tenant.login(user.email)
        assert user.http.get("/v1/auth/me").json()["user"] == before, "the session went on"

    def test_counts_for_sessions_that_are_open(self, tenant: Tenant) -> None:
        user = tenant.user("admin")
        assert user.http.post("/v1/bot-profiles", json={"name": "n"}).status_code == 201
        tenant.http.patch(f"/v1/users/{user.id}/role", json={"role": "member"}).raise_for_status()

        def refused() -> bool:
            return user.http.post("/v1/bot-profiles", json={"name": "n"}).status_code == 403

        eventually(refused)

    def test_is_one_that_there_is(self, tenant: Tenant) -> None:
        path = f"/v1/users/{tenant.user('member').id}/role"
        for body, kind in (({"role": "emperor"}, "literal_error"), ({}, "missing")):
            answer = tenant.http.patch(path, json=body)
            assert answer.status_code == 422
            (said,) = detail(answer)
            assert (said["type"], said["loc"]) == (kind, ["body", "role"])

    def test_is_not_given_to_strangers(self, tenant: Tenant, other_tenant: Tenant) -> None:
        foreign = other_tenant.user("member").id
        for user_id in (str(uuid.uuid4()), foreign):
            answer = tenant.http.patch(f"/v1/users/{user_id}/role", json={"role": "admin"})
            assert answer.status_code == 404
            assert detail(answer) == "User not found"

    def test_is_given_by_those_who_may_give_it(self, tenant: Tenant) -> None:
        member, admin, owner = (tenant.user(role) for role in ("member", "admin", "owner"))
        asked = [
            (member, member, "admin", "Only owners and admins can manage users"),
            (admin, member, "owner", "Only owners can manage owners"),
            (admin, owner, "member", "Only owners can manage owners"),
            (admin, admin, "owner", "Only owners can manage owners"),
        ]
        for actor, user, role, said in asked:
            answer = actor.http.patch(f"/v1/users/{user.id}/role", json={"role": role})
            assert answer.status_code == 403
            assert detail(answer) == said
        path = f"/v1/users/{member.id}/role"
        assert admin.http.patch(path, json={"role": "admin"}).status_code == 200

    def test_is_not_taken_by_the_last_owner(self, tenant: Tenant) -> None:
        me = tenant.http.get("/v1/auth/me").json()["user"]["id"]
        answer = tenant.http.patch(f"/v1/users/{me}/role", json={"role": "admin"})
        assert answer.status_code == 403
        assert "another owner" in detail(answer)
        assert tenant.http.get("/v1/auth/me").json()["user"]["role"] == "owner"


class TestRoles:
    @pytest.fixture
    def path(self, tenant: Tenant) -> str:
        return f"/v1/users/{tenant.user('member').id}"

    def test_members_manage_nobody(self, tenant: Tenant, path: str) -> None:
        http = tenant.user("member").http
        body = {"email": "a@example.com", "password": PASSWORD}
        for answer in (
            http.post("/v1/users", json=body),
            http.patch(path, json=body),
            http.delete(path),
        ):
            assert answer.status_code == 403
            assert detail(answer) == "Only owners and admins can manage users"
        assert http.get("/v1/users").status_code == 200

    def test_members_read_and_change_nothing(self, tenant: Tenant) -> None:
        bot = tenant.bot()
        source = tenant.source(bot, "text")
        http = tenant.user("member").http
        for path in ("/v1/bot-profiles", "/v1/sources", "/v1/api-tokens", "/v1/widget/keys"):
            assert http.get(path).status_code == 200
        attempts = [
            http.post("/v1/bot-profiles", json={"name": "n"}),
            http.patch(f"/v1/bot-profiles/{bot}", json={"name": "n"}),
            http.delete(f"/v1/bot-profiles/{bot}"),
            http.post("/v1/sources", json={"bot_profile_id": bot, "name": "n"}),
            http.patch(f"/v1/sources/{source}", json={"name": "n"}),
            http.post(f"/v1/sources/{source}/ingest"),
            http.delete(f"/v1/sources/{source}"),
            http.post("/v1/api-tokens", json={"name": "n"}),
            http.post("/v1/widget/keys", json={"name": "n", "bot_profile_id": bot}),
        ]
        assert {answer.status_code for answer in attempts} == {403}
        answer = http.post("/v1/chat", json={"bot_profile_id": bot, "message": "Hello?"})
        assert answer.status_code == 200

    def test_admins_neither_make_nor_touch_owners(self, tenant: Tenant) -> None:
        admin, owner = tenant.user("admin"), tenant.user("owner")
        body = {"email": f"{uuid.uuid4().hex[:8]}@example.com", "password": PASSWORD}
        attempts = [
            admin.http.post("/v1/users", json={**body, "role": "owner"}),
            admin.http.patch(f"/v1/users/{owner.id}", json={**body, "role": "member"}),
            admin.http.delete(f"/v1/users/{owner.id}"),
            admin.http.patch(f"/v1/users/{admin.id}", json={**body, "role": "owner"}),
        ]
        for answer in attempts:
            assert answer.status_code == 403
            assert detail(answer) == "Only owners can manage owners"
        assert tenant.login(owner.email), "the owner's password is the old one"
        assert admin.http.post("/v1/users", json={**body, "role": "admin"}).status_code == 201

    def test_nobody_takes_the_own_rights_away(self, tenant: Tenant) -> None:
        for role in ("owner", "admin"):
            user = tenant.user(role)
            body = {"email": user.email, "password": PASSWORD, "role": "member"}
            attempts = [
                user.http.patch(f"/v1/users/{user.id}", json=body),
                user.http.delete(f"/v1/users/{user.id}"),
            ]
            assert {answer.status_code for answer in attempts} == {403}

    def test_the_last_owner_stays(self, tenant: Tenant) -> None:
        first = tenant.http.get("/v1/auth/me").json()["user"]["id"]
        second = tenant.user("owner")
        body = {"email": tenant.email, "password": PASSWORD, "role": "admin"}
        assert second.http.patch(f"/v1/users/{first}", json=body).status_code == 200
        third = tenant.user_by(second.http, "owner")
        assert third.http.delete(f"/v1/users/{second.id}").status_code == 204
        answer = third.http.delete(f"/v1/users/{third.id}")
        assert answer.status_code == 403
