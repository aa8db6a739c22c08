"""Work that was given up, and what a tenant's people do about it."""

from typing import Any

import pytest

from tests.e2e import inside
from tests.harness import Installation, Tenant, eventually

pytestmark = pytest.mark.timeout(600)

PATH = "/v1/system/dead-letters"


def _listed(tenant: Tenant, **query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tenant.http.get(PATH, params=query).json()
    return found


def test_they_are_done_once_more_once_and_let_go(
    installation: Installation, tenant: Tenant, other_tenant: Tenant
) -> None:
    inside.plant(installation.data_dir, tenant.id)
    (first,) = eventually(lambda: _listed(tenant))
    assert (first["name"], first["status"]) == ("dance", "given_up")
    assert first["settled_at"] is first["settled_by"] is first["user_id"] is None
    for state in ("replayed", "discarded"):
        assert _listed(tenant, state=state) == []
    replay, one = f"{PATH}/{first['id']}/replay", f"{PATH}/{first['id']}"
    member = tenant.user("member")
    assert member.http.post(replay).status_code == member.http.delete(one).status_code == 403
    assert other_tenant.http.post(replay).status_code == 404
    assert other_tenant.http.delete(one).status_code == 404
    assert [letter["id"] for letter in _listed(tenant)] == [first["id"]]

    clicks = [tenant.http.post(replay) for _ in range(2)]
    assert {click.status_code for click in clicks} == {200}
    assert {click.json()["status"] for click in clicks} <= {"ordered", "replayed"}

    def others() -> list[dict[str, Any]]:
        """Nobody knows that command still, so it is given up as another letter."""
        found = _listed(tenant)
        return [] if first["id"] in {letter["id"] for letter in found} else found

    (second,) = eventually(others)
    assert second["aggregate_id"] == first["aggregate_id"]
    # A later click finds it done.
    eventually(lambda: tenant.http.post(replay).json()["status"] == "replayed")
    assert tenant.http.delete(one).status_code == 409

    for _ in range(2):
        assert tenant.http.delete(f"{PATH}/{second['id']}").status_code == 204
    assert _listed(tenant) == []
    assert tenant.http.post(f"{PATH}/{second['id']}/replay").status_code == 409
    eventually(lambda: inside.letters_of(installation.data_dir, tenant.id) == 0)

    me = tenant.http.get("/v1/auth/me").json()["user"]["id"]
    for state, letter in (("replayed", first), ("discarded", second)):
        (settled,) = _listed(tenant, state=state)
        assert settled["status"] == state
        told = ("id", "service", "kind", "aggregate", "aggregate_id", "name")
        assert {name: settled[name] for name in told} == {name: letter[name] for name in told}
        assert settled["settled_by"].startswith("token/")
        assert settled["user_id"] == me
        assert letter["given_up"][:16] <= settled["settled_at"][:16]
        assert _listed(other_tenant, state=state) == []
    assert _listed(tenant, state="open") == []
    assert tenant.http.get(PATH, params={"state": "lost"}).status_code == 422

    def noted() -> list[str]:
        entries = tenant.http.get("/v1/audit-log").json()
        return [one["action"] for one in entries if one["target"].startswith("dead_letter/")]

    wanted = ["dead_letter.discarded", "dead_letter.replay_ordered"]
    eventually(lambda: noted() == wanted, lambda: str(noted()))
