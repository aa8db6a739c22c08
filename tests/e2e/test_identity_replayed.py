"""Who is who follows from the log alone."""

import uuid

from tests.e2e import inside
from tests.harness import PASSWORD, Installation, Tenant, eventually

MODEL = "gateway_identity."


def test_a_rebuild_brings_every_row_back_as_it_was(
    installation: Installation, tenant: Tenant
) -> None:
    user, other = tenant.user("admin"), tenant.user("member")
    body = {"email": f"{uuid.uuid4().hex[:8]}@example.com", "password": "another password"}
    tenant.http.patch(f"/v1/users/{user.id}", json={**body, "role": "member"}).raise_for_status()
    session = tenant.login(body["email"], "another password")
    change = {"current_password": "another password", "new_password": PASSWORD}
    http = tenant.with_(session["access_token"])
    http.post("/v1/auth/password", json=change).raise_for_status()
    refresh = {"refresh_token": session["refresh_token"]}
    tenant.http.post("/v1/auth/refresh", json=refresh).raise_for_status()
    tenant.http.delete(f"/v1/users/{other.id}").raise_for_status()
    tenant.with_(tenant.login()["access_token"]).post("/v1/auth/logout").raise_for_status()
    made = tenant.http.post("/v1/api-tokens", json={"name": "n"}).json()
    tenant.http.delete(f"/v1/api-tokens/{made['id']}").raise_for_status()
    key = {"name": "n", "bot_profile_id": tenant.bot(), "allowed_origins": ["https://a.example"]}
    made = tenant.http.post("/v1/widget/keys", json=key).json()
    tenant.http.patch(f"/v1/widget/keys/{made['id']}", json={"name": "m"}).raise_for_status()
    tenant.http.patch("/v1/tenants/me", json={"browser_tokens": "all"}).raise_for_status()

    def same() -> bool:
        """The use of a token may be told just in between; then it is done again."""
        before = rows(installation)
        assert installation.cli("rebuild", "identity").returncode == 0
        return rows(installation) == before

    eventually(same)
    found = rows(installation)
    for table in ("tenants", "users", "sessions", "known_addresses", "api_tokens", "widget_keys"):
        assert any(tenant.id in row for row in found[MODEL + table]), table
    assert tenant.with_(session["access_token"]).get("/v1/auth/me").status_code == 200


def rows(installation: Installation) -> dict[str, list[str]]:
    every = inside.rows(installation.data_dir)
    return {name: found for name, found in every.items() if name.startswith(MODEL)}
