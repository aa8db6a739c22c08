"""Two gateways on one installation: what one of them changes, the other knows at once."""

import contextlib
import os
import signal
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.e2e.replicas import Replica
from tests.e2e.test_events import ended
from tests.harness import PASSWORD, PLAIN, Installation, Tenant, answers, client, eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

FOR_EVER = "36000"
REQUESTS = 400


@contextmanager
def one_more(installation: Installation, requests: int = REQUESTS) -> Iterator[Replica]:
    """One more gateway, that remembers who is who for as long as it may."""
    gateway = Replica(
        installation,
        "gateway",
        MINIRAG_PRINCIPAL_CACHE_SECONDS=FOR_EVER,
        MINIRAG_REQUESTS_PER_CALLER_MINUTE=str(requests),
    )
    try:
        eventually(
            lambda: httpx.get(f"{gateway.url}/livez", verify=PLAIN, timeout=60).status_code == 200
        )
        yield gateway
    finally:
        gateway.stop()


@pytest.fixture(scope="module")
def second(installation: Installation) -> Iterator[Replica]:
    with one_more(installation) as gateway:
        yield gateway


@pytest.fixture
def there(second: Replica) -> Iterator[Callable[[str], httpx.Client]]:
    """Makes clients of the second gateway that have been let in once."""
    with contextlib.ExitStack() as stack:

        def make(credential: str) -> httpx.Client:
            http = stack.enter_context(client(second.url, credential))
            for _ in range(3):
                assert http.get("/v1/bot-profiles").status_code == 200
            return http

        yield make


def test_a_revoked_token_opens_nothing_anywhere(
    tenant: Tenant, there: Callable[[str], httpx.Client]
) -> None:
    made = tenant.http.post("/v1/api-tokens", json={"name": "n"}).json()
    http = there(made["raw_token"])
    tenant.http.delete(f"/v1/api-tokens/{made['id']}").raise_for_status()
    answers(http, "/v1/bot-profiles", 401)


def test_a_stream_there_ends_with_its_token(
    tenant: Tenant, there: Callable[[str], httpx.Client]
) -> None:
    made = tenant.http.post("/v1/api-tokens", json={"name": "n"}).json()
    http = there(made["raw_token"])
    gone = ended(http, lambda: tenant.http.delete(f"/v1/api-tokens/{made['id']}"))
    assert gone["code"] == "not-authenticated"


def test_a_login_that_ended_here_is_over_there(
    tenant: Tenant, there: Callable[[str], httpx.Client]
) -> None:
    session = tenant.login()["access_token"]
    http = there(session)
    assert tenant.with_(session).post("/v1/auth/logout").status_code == 204
    answers(http, "/v1/bot-profiles", 401)


def test_a_deactivated_user_is_shut_out_everywhere(
    tenant: Tenant, there: Callable[[str], httpx.Client]
) -> None:
    user = tenant.user("admin")
    token = user.http.post("/v1/api-tokens", json={"name": "n"}).json()["raw_token"]
    both = there(token), there(user.session["access_token"])
    tenant.http.delete(f"/v1/users/{user.id}").raise_for_status()
    for http in both:
        answers(http, "/v1/bot-profiles", 401)


def test_a_role_that_changed_here_counts_there(
    tenant: Tenant, there: Callable[[str], httpx.Client]
) -> None:
    user = tenant.user("member")
    http = there(user.session["access_token"])
    assert http.post("/v1/bot-profiles", json={"name": "n"}).status_code == 403
    body = {"email": user.email, "password": PASSWORD, "role": "admin"}
    tenant.http.patch(f"/v1/users/{user.id}", json=body).raise_for_status()
    eventually(lambda: http.post("/v1/bot-profiles", json={"name": "n"}).status_code == 201)


def test_a_tenants_setting_that_changed_here_counts_there(
    tenant: Tenant, there: Callable[[str], httpx.Client]
) -> None:
    http = there(tenant.token)
    http.headers["Origin"] = "https://shop.example"
    answers(http, "/v1/bot-profiles", 403)
    tenant.http.patch("/v1/tenants/me", json={"browser_tokens": "all"}).raise_for_status()
    answers(http, "/v1/bot-profiles", 200)


def test_who_asks_too_often_is_told_how_often_and_when(second: Replica, tenant: Tenant) -> None:
    with client(second.url, tenant.token) as http:
        tried = (http.get("/v1/nothing") for _ in range(10 * REQUESTS))
        answer = next(answer for answer in tried if answer.status_code == 429)
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.headers["content-type"] == "application/problem+json"
    with client(second.url, tenant.login()["access_token"]) as http:
        answer = http.get("/v1/nothing")
    assert answer.status_code == 404
    assert answer.headers["ratelimit-policy"] == f'"caller";q={REQUESTS};w=60'
    assert answer.headers["ratelimit"].startswith('"caller";r=')


def test_what_a_killed_gateway_began_another_ends_with_the_same_token(
    installation: Installation, tenant: Tenant
) -> None:
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    with one_more(installation) as dying, client(dying.url, tenant.token) as http:
        http.get("/v1/tenants/me").raise_for_status()
        killing = threading.Timer(0.02, os.kill, (dying.process.pid, signal.SIGKILL))
        killing.start()
        with contextlib.suppress(httpx.HTTPError):
            http.post("/v1/api-tokens", json={"name": "n"}, headers=headers)
        killing.join()

    def again() -> httpx.Response | None:
        answer = tenant.http.post("/v1/api-tokens", json={"name": "n"}, headers=headers)
        return answer if answer.status_code == 201 else None

    token = eventually(again, seconds=120).json()["raw_token"]
    assert tenant.with_(token).get("/v1/tenants/me").status_code == 200
    names = [one["name"] for one in tenant.http.get("/v1/api-tokens").json()]
    assert sorted(names) == ["default", "n"]
