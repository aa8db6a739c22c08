"""Sources that are fetched again by themselves."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e import inside
from tests.e2e.test_sources import get, refused
from tests.harness import Installation, Tenant, eventually


def planned(tenant: Tenant, source: str) -> datetime:
    """When it will be refreshed."""
    found = eventually(lambda: get(tenant, source)["next_refresh_at"])
    assert found.endswith("Z")
    return datetime.fromisoformat(found)


class TestTheNextRefresh:
    @pytest.mark.parametrize(("every", "seconds"), [("hourly", 3600), ("weekly", 604_800)])
    def test_is_shown_and_lies_within_the_interval(
        self, tenant: Tenant, every: str, seconds: int
    ) -> None:
        before = datetime.now(UTC)
        source = tenant.source(tenant.bot(), refresh_schedule=every)
        at = planned(tenant, source)
        assert before < at <= datetime.now(UTC) + timedelta(seconds=seconds)

    def test_follows_what_is_changed(self, tenant: Tenant) -> None:
        source = tenant.source(
            tenant.bot(), refresh_cron="30 3 1 1 *", refresh_time_zone="Asia/Tokyo"
        )
        first = planned(tenant, source)
        assert (first.month, first.day, first.hour, first.minute) == (12, 31, 18, 30)

        def patch(**fields: Any) -> dict[str, Any]:
            answer = tenant.http.patch(f"/v1/sources/{source}", json=fields)
            assert answer.status_code == 200, answer.text
            found: dict[str, Any] = answer.json()
            return found

        assert patch(name="Other")["refresh_cron"] == "30 3 1 1 *"
        patch(refresh_time_zone=None)
        eventually(lambda: planned(tenant, source).hour == 3)
        patch(is_active=False)
        eventually(lambda: get(tenant, source)["next_refresh_at"] is None)
        patch(is_active=True)
        planned(tenant, source)
        patch(refresh_cron=None, refresh_schedule="none")
        eventually(lambda: get(tenant, source)["next_refresh_at"] is None)

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"refresh_cron": "61 * * * *"}, "refresh_cron"),
            ({"refresh_cron": "* * * * *"}, "refresh_cron"),
            ({"refresh_cron": "0 3 * * *", "refresh_schedule": "daily"}, "refresh_cron"),
            ({"refresh_cron": "0 3 * * *", "refresh_time_zone": "Mars"}, "refresh_time_zone"),
            ({"refresh_time_zone": "Europe/Berlin"}, "refresh_time_zone"),
            ({"refresh_cron": "0" * 200}, None),
        ],
    )
    def test_cannot_be_nonsense(
        self, tenant: Tenant, fields: dict[str, Any], field: str | None
    ) -> None:
        body = {"bot_profile_id": tenant.bot(), "name": "x", "source_type": "text", **fields}
        problem = refused(tenant.http.post("/v1/sources", json=body), 422)
        if field is not None:
            assert problem["field"] == field


def test_a_source_is_ingested_when_its_time_comes(
    installation: Installation, tenant: Tenant
) -> None:
    source = tenant.source(
        tenant.bot(), "The guarantee lasts seven years.", refresh_schedule="weekly"
    )
    week_from_now = planned(tenant, source)
    inside.make_due(installation.data_dir, tenant.id, source, seconds=1.5)
    found = tenant.ready(source)
    assert found["last_refreshed_at"] is not None
    eventually(lambda: planned(tenant, source) == week_from_now)
    facts = inside.facts(installation.data_dir, tenant.id)
    assert facts[f"evt.{tenant.id}.schedule.{source}", "fired"] == 1
    assert facts[f"evt.{tenant.id}.source.{source}", "ingestion_requested"] == 1
