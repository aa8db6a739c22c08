"""What holds for every route: errors, CORS, headers, pages. The contract's sections 1 and 14."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from tests.harness import PROXY, Installation, Tenant, client

SITE = "https://shop.example"


@pytest.fixture
def anybody(installation: Installation) -> Iterator[httpx.Client]:
    with client(installation.url) as http:
        yield http


class TestErrors:
    @pytest.mark.parametrize(
        ("header", "detail"),
        [
            (None, "Not authenticated"),
            ("Basic abc", "Not authenticated"),
            ("Bearer", "Not authenticated"),
            ("Bearer nrag_live_wrong", "Invalid or revoked API token"),
            ("Bearer unknown", "Invalid or revoked API token"),
            ("Bearer nrag_live_a.b", "Invalid or revoked API token"),
            ("Bearer a.b.c", "Invalid or expired JWT"),
        ],
    )
    def test_who_is_nobody_is_told_so(
        self, anybody: httpx.Client, header: str | None, detail: str
    ) -> None:
        headers = {} if header is None else {"Authorization": header}
        answer = anybody.get("/v1/tenants/me", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["detail"] == detail

    def test_a_validation_error_keeps_the_list_of_the_original(self, tenant: Tenant) -> None:
        answer = tenant.http.post("/v1/bot-profiles", json={"name": 7})
        assert answer.status_code == 422
        first = answer.json()["detail"][0]
        assert set(first) >= {"type", "loc", "msg", "input"}
        assert (first["type"], first["loc"]) == ("string_type", ["body", "name"])

    def test_what_is_no_json_is_told_with_its_place(self, tenant: Tenant) -> None:
        headers = {"Content-Type": "application/json"}
        answer = tenant.http.post("/v1/bot-profiles", content=b'{"name": }', headers=headers)
        assert answer.status_code == 422
        first = answer.json()["detail"][0]
        assert (first["type"], first["loc"]) == ("json_invalid", ["body", 9])

    @pytest.mark.parametrize(
        ("content", "offset"),
        [(b'{"name": "\xff"}', 10), (b"[" * 100_000 + b"]" * 100_000, 0)],
        ids=["no UTF-8", "too deep"],
    )
    def test_what_is_json_by_no_means_is_told_likewise(
        self, tenant: Tenant, content: bytes, offset: int
    ) -> None:
        headers = {"Content-Type": "application/json"}
        answer = tenant.http.post("/v1/bot-profiles", content=content, headers=headers)
        assert answer.status_code == 422
        first = answer.json()["detail"][0]
        assert (first["type"], first["loc"]) == ("json_invalid", ["body", offset])

    def test_json_needs_its_content_type(self, tenant: Tenant) -> None:
        answer = tenant.http.post("/v1/bot-profiles", content=b'{"name": "n"}')
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["type"] == "model_attributes_type"

    @pytest.mark.parametrize(
        ("method", "path", "body", "loc"),
        [
            ("GET", "/v1/sources/nope", None, ["path", "source_id"]),
            ("DELETE", "/v1/bot-profiles/nope", None, ["path", "bot_profile_id"]),
            ("GET", "/v1/sources?bot_profile_id=nope", None, ["query", "bot_profile_id"]),
            ("GET", "/v1/chat?bot_profile_id=nope", None, ["query", "bot_profile_id"]),
            ("POST", "/v1/chat", {"bot_profile_id": "nope"}, ["body", "bot_profile_id"]),
            ("POST", "/v1/sources", {"parent_id": "nope"}, ["body", "parent_id"]),
        ],
    )
    def test_what_is_no_id_is_refused_with_its_place(
        self, tenant: Tenant, method: str, path: str, body: Any, loc: list[str]
    ) -> None:
        answer = tenant.http.request(method, path, json=body)
        assert answer.status_code == 422
        assert ["uuid_parsing", loc] in [
            [one["type"], one["loc"]] for one in answer.json()["detail"]
        ]

    @pytest.mark.parametrize(
        ("path", "field", "limit"),
        [("/v1/bot-profiles", "name", 255), ("/v1/chat", "message", 32_000)],
    )
    def test_a_text_that_is_too_long_is_told_so_as_a_text(
        self, tenant: Tenant, path: str, field: str, limit: int
    ) -> None:
        answer = tenant.http.post(path, json={field: "x" * (limit + 1)})
        found = {one["loc"][-1]: one for one in answer.json()["detail"]}[field]
        assert (found["type"], found["ctx"]) == ("string_too_long", {"max_length": limit})

    def test_unknown_paths_and_methods(self, tenant: Tenant) -> None:
        answer = tenant.http.get("/v1/nothing")
        assert (answer.status_code, answer.json()["detail"]) == (404, "Not Found")
        answer = tenant.http.put("/v1/bot-profiles", json={})
        assert (answer.status_code, answer.json()["detail"]) == (405, "Method Not Allowed")
        assert answer.headers["allow"] == "GET, POST"
        answer = tenant.http.put(f"/v1/sources/{tenant.id}", json={})
        assert answer.headers["allow"] == "DELETE, GET, PATCH"

    def test_unknown_fields_and_parameters_are_passed_over(self, tenant: Tenant) -> None:
        answer = tenant.http.post("/v1/bot-profiles?x=1", json={"name": "n", "more": [1]})
        assert answer.status_code == 201

    @pytest.mark.parametrize("chunked", [False, True])
    def test_a_body_beyond_the_limit_is_refused(self, tenant: Tenant, *, chunked: bool) -> None:
        headers = {"Content-Type": "application/json"}
        piece = b'{"name": "' + b"x" * 400_000
        content: Any = iter([piece, b'"}']) if chunked else piece + b'"}'
        answer = tenant.http.post("/v1/bot-profiles", content=content, headers=headers)
        assert answer.status_code == 413
        assert answer.json()["type"] == "urn:minirag:problem:too-large"

    def test_a_problem_names_the_request(self, anybody: httpx.Client) -> None:
        answer = anybody.get("/v1/nothing", headers={"X-Request-Id": "my-own-id"})
        assert answer.headers["x-request-id"] == "my-own-id"
        assert answer.json()["request_id"] == "my-own-id"
        answer = anybody.get("/v1/nothing", headers={"X-Request-Id": 'no"id'})
        assert answer.headers["x-request-id"] != 'no"id'

    def test_a_log_line_names_the_request_too(
        self, installation: Installation, tenant: Tenant
    ) -> None:
        headers = {"X-Request-Id": "traced-through-everything"}
        tenant.http.post("/v1/nothing", headers=headers)
        lines = (installation.data_dir / "logs" / "services.log").read_text().splitlines()
        traced = [line for line in lines if "traced-through-everything" in line]
        assert any('"path": "/v1/nothing"' in line for line in traced)
        assert not any(tenant.token in line for line in lines)


class TestPaths:
    def test_a_slash_too_many_is_redirected(self, tenant: Tenant) -> None:
        answer = tenant.http.get("/v1/bot-profiles/")
        assert answer.status_code == 307
        assert answer.headers["location"] == f"{tenant.url}/v1/bot-profiles"

    def test_the_root_is_nothing(self, anybody: httpx.Client) -> None:
        assert anybody.get("/").status_code == 404

    def test_health_needs_nobody(self, anybody: httpx.Client) -> None:
        assert anybody.get("/health").json() == {"status": "ok"}

    def test_the_interface_is_described(self, anybody: httpx.Client) -> None:
        found = anybody.get("/openapi.json").json()
        assert found["openapi"].startswith("3.1")
        for path in ("/v1/auth/login", "/v1/users/{user_id}", "/v1/widget/sessions"):
            assert path in found["paths"]


class TestPages:
    @pytest.mark.parametrize("path", ["/docs", "/redoc", "/dashboard"])
    def test_a_page_loads_nothing_from_elsewhere_and_may_run_what_it_holds(
        self, anybody: httpx.Client, path: str
    ) -> None:
        answer = anybody.get(path)
        assert answer.status_code == 200
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "http" not in policy
        for quote in ('src="', 'href="'):
            for found in answer.text.split(quote)[1:]:
                address = found.split('"')[0]
                assert address.startswith(("/", "#", "data:")), address
                if address.startswith("/docs/"):
                    assert anybody.get(address).status_code == 200
        scripts = sum(answer.text.count(tag) for tag in ("<script>", '<script type="importmap">'))
        assert policy.split("script-src")[1].split(";")[0].count("'sha256-") == scripts

    def test_there_is_no_way_out_of_the_folder(self, anybody: httpx.Client) -> None:
        for path in (
            "/docs/..%2fcore.py",
            "/docs/%2e%2e/core.py",
            "/dashboard/assets/0/..%2fhttp%2fapp.py",
            "/dashboard/assets/0//etc/hostname",
        ):
            assert anybody.get(path).status_code == 404


class TestCors:
    def test_any_origin_is_echoed_without_credentials(self, tenant: Tenant) -> None:
        answer = httpx.get(f"{tenant.url}/health", headers={"Origin": SITE}, timeout=60)
        assert answer.headers["access-control-allow-origin"] == SITE
        assert "access-control-allow-credentials" not in answer.headers
        assert "Origin" in answer.headers["vary"]
        exposed = answer.headers["access-control-expose-headers"]
        assert {"X-Request-Id", "Retry-After", "Location"} <= set(exposed.split(", "))

    def test_an_answer_that_tells_of_an_error_is_readable_too(self, tenant: Tenant) -> None:
        for path, status in (("/v1/nothing", 404), ("/v1/sources", 401)):
            answer = httpx.get(tenant.url + path, headers={"Origin": SITE}, timeout=60)
            assert answer.status_code == status
            assert answer.headers["access-control-allow-origin"] == SITE

    def test_a_preflight_allows_what_the_widget_sends(self, anybody: httpx.Client) -> None:
        wanted = "authorization, content-type, idempotency-key, last-event-id"
        headers = {
            "Origin": SITE,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": wanted,
        }
        answer = anybody.options("/v1/chat", headers=headers)
        assert (answer.status_code, answer.text) == (200, "OK")
        assert answer.headers["access-control-allow-origin"] == SITE
        assert answer.headers["access-control-allow-headers"] == wanted
        assert answer.headers["access-control-max-age"] == "600"
        methods = answer.headers["access-control-allow-methods"]
        assert methods == "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"


class TestHeaders:
    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/health"),
            ("GET", "/docs"),
            ("GET", "/v1/nothing"),
            ("GET", "/v1/sources"),
            ("PUT", "/v1/sources"),
            ("POST", "/v1/auth/login"),
        ],
    )
    def test_every_answer_has_them(self, anybody: httpx.Client, method: str, path: str) -> None:
        headers = anybody.request(method, path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "permissions-policy" in headers
        assert "server" not in headers
        assert "strict-transport-security" not in headers
        if path.startswith("/v1/"):
            assert headers["cache-control"] == "no-store"

    def test_only_a_proxy_that_is_trusted_tells_of_tls(self, installation: Installation) -> None:
        forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7"}
        with client(installation.url, address=PROXY) as http:
            answer = http.get("/health", headers=forwarded)
        assert answer.headers["strict-transport-security"].startswith("max-age=31536000")
        with client(installation.url) as http:
            answer = http.get("/health", headers=forwarded)
        assert "strict-transport-security" not in answer.headers

    def test_only_a_proxy_that_is_trusted_tells_who_asks(
        self, tenant: Tenant, address: str
    ) -> None:
        """Limits go by address: whoever could choose it would have none."""

        def guess(http: httpx.Client, claimed: str) -> int:
            body = {"email": tenant.email, "password": "wrong"}
            headers = {"X-Forwarded-For": claimed}
            return http.post("/v1/auth/login", json=body, headers=headers).status_code

        with client(tenant.url, address=address) as http:
            codes = {guess(http, f"198.51.100.{n}") for n in range(15)}
        assert codes == {401, 429}
        with client(tenant.url, address=PROXY) as http:
            assert {guess(http, f"203.0.113.{n}") for n in range(8)} == {401}


class TestSlowClients:
    @pytest.mark.slow  # their term is ten seconds
    def test_those_that_never_end_their_request_are_let_go_and_hold_up_nobody(
        self, installation: Installation, tenant: Tenant
    ) -> None:
        url = httpx.URL(installation.url)
        with ExitStack() as stack:
            sockets = [
                stack.enter_context(socket.create_connection((url.host, url.port), 60))
                for _ in range(200)
            ]
            for each in sockets:
                each.sendall(b"GET /v1/tenants/me HTTP/1.1\r\nHost: a\r\nX-Never-Ends: ")
            assert tenant.http.get("/v1/tenants/me").status_code == 200
            for each in sockets:
                assert each.recv(100).startswith(b"HTTP/1.1 408 ")
                while each.recv(100):
                    pass
            assert tenant.http.get("/v1/tenants/me").status_code == 200
