"""Who may do what, for every route there is."""

from collections.abc import Iterator
from typing import Any, cast

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from services.gateway.http.app import Limits, create_app
from services.gateway.http.authentication import Authenticator
from services.gateway.http.context import Gateway, admin, caller, owner
from services.gateway.http.permissions import RULES, check, demand, effective, rule_for
from services.gateway.ports import Principal
from shared.contracts.gateway import Role, Scope
from shared.kernel.errors import NotPermitted
from tests.unit.gateway.fakes import MemoryReplays

PUBLIC = {
    ("POST", "/v1/tenants"),
    ("POST", "/v1/auth/login"),
    ("POST", "/v1/auth/refresh"),
    ("POST", "/v1/auth/logout"),
    ("POST", "/v1/auth/browser/login"),
    ("POST", "/v1/auth/browser/refresh"),
    ("POST", "/v1/auth/browser/logout"),
    ("POST", "/v1/widget/sessions"),
    ("GET", "/v1/system/health"),
}


def principal(role: Role, scopes: tuple[Scope, ...] | None = None, **fields: Any) -> Principal:
    return Principal(
        kind="token", id="t1", tenant_id="t", user_id="u", role=role, scopes=scopes, **fields
    )


@pytest.fixture(scope="module")
def routes() -> list[tuple[str, APIRoute]]:
    nothing = cast("Any", None)
    app = create_app(
        cast("Gateway", None),
        authenticator=cast("Authenticator", nothing),
        replays=MemoryReplays(),
        limits=Limits(),
        allowed_origins=["*"],
    )
    return [(method, route) for route in walk(app) for method in sorted(route.methods or ())]


def walk(app: FastAPI) -> Iterator[APIRoute]:
    for route in app.routes:
        inner = getattr(route, "original_router", None)
        for found in inner.routes if inner is not None else [route]:
            if isinstance(found, APIRoute) and found.path.startswith("/v1/"):
                yield found


def asks(route: APIRoute, dependency: Any) -> bool:
    def below(dependant: Any) -> bool:
        return any(one.call is dependency or below(one) for one in dependant.dependencies)

    return below(route.dependant)


def test_every_route_asks_who_calls_unless_it_is_for_everybody(
    routes: list[tuple[str, APIRoute]],
) -> None:
    open_ones = {(method, route.path) for method, route in routes if not asks(route, caller)}
    assert open_ones == PUBLIC


def test_every_change_but_those_of_everybodys_own_asks_for_a_role(
    routes: list[tuple[str, APIRoute]],
) -> None:
    member = principal("member")
    for method, route in routes:
        if method in ("GET", "HEAD") or (method, route.path) in PUBLIC:
            continue
        own = rule_for(method, route.path).scope in ("chat", "read")
        if not own:
            with pytest.raises(NotPermitted):
                check(member, method, route.path)
        assert own or asks(route, admin) or asks(route, owner) or "/users" in route.path


def test_every_rule_belongs_to_a_route_that_is_there(routes: list[tuple[str, APIRoute]]) -> None:
    known = {(method, "/".join(_plain(route.path))) for method, route in routes}
    assert {rule for rule in RULES if rule not in known} == set()


def _plain(path: str) -> list[str]:
    return ["{}" if part.startswith("{") else part for part in path.split("/")]


def test_who_is_bound_to_a_bot_gets_to_chats_and_that_bot_alone(
    routes: list[tuple[str, APIRoute]],
) -> None:
    bound = principal("owner", bot_profile_id="b")
    let_in = set()
    for method, route in routes:
        try:
            check(bound, method, route.path)
        except NotPermitted:
            continue
        let_in.add((method, route.path))
    assert (
        let_in - PUBLIC
        <= {
            ("POST", "/v1/chat"),
            ("GET", "/v1/chat/turns/{turn_id}"),
            ("GET", "/v1/chat/turns/{turn_id}/stream"),
            ("GET", "/v1/chat/{chat_id}"),
            ("GET", "/v1/chat/{chat_id}/messages"),
            ("PATCH", "/v1/chat/{chat_id}/messages/{message_id}/feedback"),
            ("DELETE", "/v1/chat/turns/{turn_id}"),
            ("GET", "/v1/citations/{citation_id}"),
            ("GET", "/v1/openai/models"),
            ("GET", "/v1/openai/models/{model}"),
            ("POST", "/v1/openai/chat/completions"),
            ("POST", "/v1/mcp"),
            ("GET", "/v1/operations/{operation_id}"),
            ("GET", "/v1/bot-profiles/{bot_profile_id}"),
        }
        | PUBLIC
    )


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/v1/sources", "read"),
        ("POST", "/v1/sources", "write"),
        ("PATCH", "/v1/bot-profiles/{bot_profile_id}", "write"),
        ("POST", "/v1/chat", "chat"),
        ("GET", "/v1/users", "read"),
        ("POST", "/v1/users", "admin"),
        ("DELETE", "/v1/api-tokens/{token_id}", "admin"),
        ("POST", "/v1/webhooks", "admin"),
        ("PATCH", "/v1/tenants/me", "admin"),
        ("GET", "/v1/something/new", "read"),
        ("POST", "/v1/something/new", "write"),
    ],
)
def test_each_route_asks_for_one_scope(method: str, path: str, scope: Scope) -> None:
    check(principal("owner", (scope,)), method, path)
    others: tuple[Scope, ...] = tuple(
        one for one in ("chat", "read", "write", "admin") if one != scope
    )
    with pytest.raises(NotPermitted, match=f"lacks the scope '{scope}'"):
        check(principal("owner", others), method, path)


def test_a_credential_is_never_good_for_more_than_its_role() -> None:
    assert effective("member", ("chat", "read", "write", "admin")) == {"chat", "read"}
    assert effective("admin", None) == {"chat", "read", "write", "admin", "events"}
    with pytest.raises(NotPermitted, match="Only owners and admins can manage users"):
        check(principal("member"), "POST", "/v1/users")
    with pytest.raises(NotPermitted, match="Only owners and admins can do this"):
        check(principal("member", ("write",)), "POST", "/v1/sources")


def test_what_a_part_of_a_request_asks_for_is_held_against_all_that_a_credential_may() -> None:
    demand(principal("admin"), "write")
    demand(principal("owner", ("chat", "write")), "write")
    with pytest.raises(NotPermitted, match="Only owners and admins"):
        demand(principal("member"), "write")
    with pytest.raises(NotPermitted, match="lacks the scope 'write'"):
        demand(principal("owner", ("chat", "read")), "write")
    with pytest.raises(NotPermitted, match="for one bot only"):
        demand(principal("owner", bot_profile_id="b1"), "write")
