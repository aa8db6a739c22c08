"""Lists that are asked for again: the short way there shows and refuses what the long one does."""

from typing import Any

import httpx
import pytest

from tests.e2e.test_metrics import scraped, value
from tests.e2e.test_tokens import issue
from tests.harness import PASSWORD, Installation, Tenant, answers

LIST = "/v1/sources?limit=50"
OF_ONE_REQUEST = {"x-request-id", "ratelimit", "date", "link"}
"""What every answer has for itself: also `Link`, as no cursor is sealed twice alike."""
LISTS = (
    LIST,
    "/v1/bot-profiles?limit=5",
    "/v1/chat?limit=5",
    "/v1/webhooks?limit=5",
    "/v1/budgets?limit=5",
    "/v1/stats/usage?limit=5",
    "/v1/stats/unanswered?limit=5",
    "/v1/erasures?limit=5",
)


def listed(http: httpx.Client, path: str = LIST, **headers: str) -> httpx.Response:
    """Asked often enough for the way to be known."""
    for _ in range(2):
        answers(http, path, 200)
    answer = http.get(path, headers=headers)
    assert answer.status_code in (200, 304), answer.text
    return answer


def ids(answer: httpx.Response) -> list[str]:
    return [one["id"] for one in answer.json()]


class TestWhatWasWritten:
    def test_is_shown_at_once_by_a_list_that_was_just_asked_for(self, tenant: Tenant) -> None:
        bot = tenant.bot()
        there: list[str] = []
        for n in range(6):
            assert ids(listed(tenant.http)) == there
            there.insert(0, tenant.source(bot, name=f"s{n}"))
            answer = tenant.http.get(LIST)
            assert ids(answer) == there
            assert answer.headers["x-total-count"] == str(len(there))
        path = f"/v1/sources/{there[0]}"
        for name in ("renamed", "renamed again"):
            assert tenant.http.patch(path, json={"name": name}).status_code == 200
            assert tenant.http.get(LIST).json()[0]["name"] == name
            assert tenant.http.get(path).json()["name"] == name
        assert tenant.http.delete(path).status_code == 204
        assert ids(tenant.http.get(LIST)) == there[1:]

    def test_by_one_tenant_is_not_shown_to_another(
        self, tenant: Tenant, other_tenant: Tenant
    ) -> None:
        source = tenant.source(tenant.bot())
        assert ids(listed(tenant.http)) == [source]
        assert ids(listed(other_tenant.http)) == []
        theirs = other_tenant.source(other_tenant.bot())
        assert (ids(listed(tenant.http)), ids(listed(other_tenant.http))) == ([source], [theirs])


class TestTheShortWay:
    @pytest.mark.parametrize("path", LISTS)
    def test_tells_what_the_long_one_tells(self, tenant: Tenant, path: str) -> None:
        tenant.source(tenant.bot())
        first = answers(tenant.http, path, 200)
        for _ in range(2):
            answer = tenant.http.get(path, headers={"X-Request-Id": "again"})
            assert answer.headers["x-request-id"] == "again"
            assert answer.content == first.content
            assert told(answer) == told(first)

    def test_leads_on_from_page_to_page(self, tenant: Tenant) -> None:
        bot = tenant.bot()
        made = [tenant.source(bot) for _ in range(5)][::-1]
        for _ in range(3):
            found, path = [], "/v1/sources?limit=2"
            while path:
                answer = answers(tenant.http, path, 200)
                found += ids(answer)
                path = answer.links.get("next", {}).get("url", "")
            assert found == made

    def test_is_counted_by_its_route(self, installation: Installation, tenant: Tenant) -> None:
        path = "/v1/stats/usage?limit=7"
        counted = {"route": "/v1/stats/usage", "method": "GET", "status": "200"}

        def so_far() -> float:
            return value(scraped(installation), "minirag_http_requests_total", **counted)

        before = so_far()
        for _ in range(3):
            answers(tenant.http, path, 200)
        assert so_far() >= before + 3

    def test_is_closed_to_a_revoked_token(self, tenant: Tenant) -> None:
        made = issue(tenant)
        http = tenant.with_(made["raw_token"])
        listed(http)
        assert tenant.http.delete(f"/v1/api-tokens/{made['id']}").status_code == 204
        answers(http, LIST, 401)
        assert http.get(LIST).status_code == 401

    def test_is_closed_to_who_has_another_role_by_now(self, tenant: Tenant) -> None:
        admin = tenant.user("admin")
        path = "/v1/erasures?limit=5"
        assert ids(listed(admin.http, path)) == []
        body = {"email": admin.email, "password": PASSWORD, "role": "member"}
        assert tenant.http.patch(f"/v1/users/{admin.id}", json=body).status_code == 200
        answers(admin.http, path, 403)
        assert admin.http.get(path).status_code == 403

    def test_is_closed_to_a_token_with_fewer_scopes(self, tenant: Tenant) -> None:
        listed(tenant.http)
        narrow = tenant.with_(issue(tenant, scopes=["chat"])["raw_token"])
        for _ in range(2):
            assert narrow.get(LIST).status_code == 403
        assert tenant.http.get(LIST).status_code == 200


class TestPagesThatAreThere:
    def test_are_not_sent_again(self, tenant: Tenant) -> None:
        tenant.source(tenant.bot())
        first = listed(tenant.http)
        tag = first.headers["etag"]
        for given in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            answer = tenant.http.get(LIST, headers={"If-None-Match": given})
            assert (answer.status_code, answer.content) == (304, b"")
            assert answer.headers["etag"] == tag
            assert answer.headers["x-total-count"] == "1"
        assert tenant.http.get(LIST, headers={"If-None-Match": '"other"'}).json() == first.json()

    def test_are_sent_once_they_are_others(self, tenant: Tenant) -> None:
        bot = tenant.bot()
        tag = listed(tenant.http).headers["etag"]
        source = tenant.source(bot)
        answer = tenant.http.get(LIST, headers={"If-None-Match": tag})
        assert (answer.status_code, ids(answer)) == (200, [source])
        assert answer.headers["etag"] != tag


def told(answer: httpx.Response) -> dict[str, Any]:
    """The headers that do not tell of one request alone."""
    return {name: value for name, value in answer.headers.items() if name not in OF_ONE_REQUEST}
