"""The one door is closed, and says what it can answer."""

import json
import re
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from docs.api import application
from services.gateway.http.examples import EXAMPLES
from services.gateway.http.reference import Described
from shared.kernel.errors import NotFound, Unavailable
from shared.web.problem import MEDIA_TYPE, STATUS
from tests.architecture.routes import ANONYMOUS, Route, changes, ids, reads, routes

APP = application()
ROUTES = routes(APP)
DOCUMENT = APP.openapi()
DOCUMENTED = [route for route in ROUTES if route.path in DOCUMENT["paths"]]


def every(found: list[Route]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("route", found, ids=lambda route: route.name)


def fits(value: Any, name: str) -> bool:
    """Whether a value fits the schema with this name."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    return Draft202012Validator(schema).is_valid(value)


def declared(route: Route) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["paths"][route.path][route.method.lower()]["responses"]
    return found


class TestEveryRoute:
    @every([route for route in ROUTES if route.name not in ANONYMOUS])
    async def test_turns_a_stranger_away(self, route: Route) -> None:
        path = route.path.replace("{", "").replace("}", "")
        transport = httpx.ASGITransport(app=APP)
        async with httpx.AsyncClient(transport=transport, base_url="http://door") as http:
            answer = await http.request(route.method, path, json={})
        assert answer.status_code == 401
        assert answer.headers["content-type"] == MEDIA_TYPE
        assert answer.headers["www-authenticate"] == "Bearer"

    @every(ROUTES)
    def test_needs_a_caller_or_says_why_not(self, route: Route) -> None:
        assert route.authenticated != (route.name in ANONYMOUS)

    def test_is_there_if_it_is_excused(self) -> None:
        assert set(ANONYMOUS) <= {route.name for route in ROUTES}

    def test_can_fail_to_be_closed(self) -> None:
        app = Described()
        app.get("/open")(lambda: None)
        (made,) = (route for route in routes(app) if route.path == "/open")
        assert not made.authenticated


class TestEveryDocumentedRoute:
    @every(DOCUMENTED)
    def test_declares_the_errors_it_mentions(self, route: Route) -> None:
        mentioned = {str(int(STATUS[error])) for error in route.mentioned_errors()}
        assert mentioned <= set(declared(route))

    @every(DOCUMENTED)
    def test_declares_what_its_guards_answer(self, route: Route) -> None:
        assert ("401" in declared(route)) >= route.authenticated
        # Not every credential is good for every route.
        assert ("403" in declared(route)) >= route.authenticated

    @every([route for route in DOCUMENTED if "{" in route.path])
    def test_with_an_id_in_its_path_declares_that_there_may_be_none(self, route: Route) -> None:
        assert "404" in declared(route)

    @every(DOCUMENTED)
    def test_describes_every_error_as_a_problem(self, route: Route) -> None:
        for status, answer in declared(route).items():
            if status < "400" or route.name == "GET /readyz":
                continue  # a probe's 503 is its answer, not an error
            assert answer["description"]
            content = answer["content"][MEDIA_TYPE]
            assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
            for example in content["examples"].values():
                assert fits(example["value"], "Problem")
                assert example["value"]["status"] == int(status)

    @every(DOCUMENTED)
    def test_says_what_it_does(self, route: Route) -> None:
        assert DOCUMENT["paths"][route.path][route.method.lower()]["description"]


class TestExamples:
    @every(DOCUMENTED)
    def test_show_every_body_that_is_sent_or_answered(self, route: Route) -> None:
        operation = DOCUMENT["paths"][route.path][route.method.lower()]
        answers = [
            answer for status, answer in operation["responses"].items() if status in ("200", "201")
        ]
        for part in (operation.get("requestBody", {}), *answers):
            schema = part.get("content", {}).get("application/json", {}).get("schema", {})
            for name in re.findall(r'"#/components/schemas/(\w+)"', json.dumps(schema)):
                assert name in EXAMPLES

    @pytest.mark.parametrize("name", EXAMPLES)
    def test_fit_what_they_are_examples_of(self, name: str) -> None:
        assert fits(EXAMPLES[name], name)
        # What a client may leave out is left out, and nothing is shown that there is not.
        assert set(EXAMPLES[name]) <= set(DOCUMENT["components"]["schemas"][name]["properties"])


class TestTheDescription:
    def test_calls_every_id_from_a_client_a_uuid(self) -> None:
        """What is none is then refused by its place, before anybody is asked about it."""
        taken = ids(APP)
        assert len(taken) > 20
        assert [one for one in taken if "uuid" not in json.dumps(one.schema)] == []

    def test_points_to_nothing_that_is_not_there(self) -> None:
        text = json.dumps(DOCUMENT)
        wanted = {piece.split('"')[0] for piece in text.split('"$ref": "#/components/schemas/')[1:]}
        assert wanted <= set(DOCUMENT["components"]["schemas"])

    def test_has_a_problem_with_the_members_that_clients_branch_on(self) -> None:
        problem = DOCUMENT["components"]["schemas"]["Problem"]
        assert {"type", "status", "detail", "instance"} <= set(problem["required"])

    def test_is_the_same_at_every_call(self) -> None:
        assert APP.openapi() is APP.openapi()


class TestTheListsForOtherTests:
    def test_reads_are_those_that_name_something_of_a_tenant(self) -> None:
        names = {route.name for route in reads()}
        assert "GET /v1/sources/{source_id}" in names
        assert "GET /v1/sources" not in names

    def test_changes_are_the_same_for_other_methods(self) -> None:
        names = {route.name for route in changes()}
        assert "POST /v1/sources/{source_id}/ingest" in names
        assert "POST /v1/sources" not in names
        assert not any(name.startswith("GET") for name in names)

    def test_ids_are_found_wherever_a_client_sends_them(self) -> None:
        found = {(one.route, one.name, one.place) for one in ids(APP)}
        assert ("GET /v1/sources", "parent_id", "query") in found
        assert ("POST /v1/chat", "chat_id", "body") in found
        assert ("GET /v1/sources/{source_id}", "source_id", "path") in found
        assert ("POST /v1/sources/upload", "parent_id", "body") in found

    def test_mentioned_errors_are_found_in_helpers_too(self) -> None:
        by_name = {route.name: route for route in ROUTES}
        assert NotFound in by_name["GET /v1/bot-profiles/{bot_profile_id}"].mentioned_errors()
        assert Unavailable in by_name["POST /v1/users"].mentioned_errors()
