"""Work that was given up, and what a tenant's people do about it."""

from typing import Any

import pytest

from tests.e2e import inside
from tests.harness import Installation, Tenant, eventually

pytestmark = pytest.mark.timeout(600)

PATH = "/v1/system/dead-letters"


def _listed(tenant: Tenant) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tenant.http.get(PATH).json()
    return found


def test_they_are_done_once_more_once_and_let_go(
    installation: Installation, tenant: Tenant, other_tenant: Tenant
) -> None:
    inside.plant(installation.data_dir, tenant.id)
    (first,) = eventually(lambda: _listed(tenant))
    assert (first["name"], first["status"]) == ("dance", "given_up")
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

    def noted() -> list[str]:
        entries = tenant.http.get("/v1/audit-log").json()
        return [one["action"] for one in entries if one["target"].startswith("dead_letter/")]

    wanted = ["dead_letter.discarded", "dead_letter.replay_ordered"]
    eventually(lambda: noted() == wanted, lambda: str(noted()))
