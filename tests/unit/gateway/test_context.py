"""Who calls, what goes with a request, and what text is taken from a client."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, cast

import pytest
from fastapi import Request
from pydantic import TypeAdapter, ValidationError
from typing_extensions import override

from services.gateway.http.context import (
    Caller,
    Gateway,
    JsonObject,
    Text,
    Timestamp,
    admin,
    authenticate,
    checked_id,
    metadata_for,
    owner,
)
from services.gateway.ports import Principals
from shared.contracts.gateway import Principal, Role
from shared.kernel.clock import utc_now
from shared.kernel.errors import InvalidCommand, NotAuthenticated, NotFound, NotPermitted
from shared.kernel.tokens import new_token, token_hash
from tests.unit.samples import T0, metadata

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class KnownPrincipals(Principals):
    """Knows what it is given, and counts how often it is asked."""

    def __init__(self, known: Mapping[str, Principal]) -> None:
        self.known = known
        self.asked = 0

    @override
    async def find(self, token_hash: str) -> Principal | None:
        self.asked += 1
        return self.known.get(token_hash)


def principal(role: Role = "owner", **fields: Any) -> Principal:
    return Principal(tenant_id="t1", user_id="u1", token_id="k1", role=role, **fields)


def gateway(principals: Principals) -> Gateway:
    nothing = cast("Any", None)
    return Gateway(nothing, nothing, principals, nothing, nothing, nothing, nothing, True)


def request(path: str = "/v1/chat", **headers: str) -> Request:
    found = Request(
        {
            "type": "http",
            "method": "POST",
            "path": path,
            "query_string": b"",
            "server": ("test", 80),
            "scheme": "http",
            "headers": [
                (name.replace("_", "-").encode(), value.encode("latin-1"))
                for name, value in headers.items()
            ],
        }
    )
    found.state.request_id = "r1"
    return found


class TestAuthenticating:
    @pytest.mark.parametrize(
        ("token", "words"),
        [
            ("a.b.c", "Invalid or expired JWT"),
            ("nrag_live_short", "Invalid or revoked API token"),
            ("x" * 43, "Invalid or revoked API token"),
            (new_token()[:-1] + "!", "Invalid or revoked API token"),
        ],
    )
    async def test_what_has_no_tokens_form_costs_no_look_up(self, token: str, words: str) -> None:
        principals = KnownPrincipals({})
        with pytest.raises(NotAuthenticated, match=words):
            await authenticate(gateway(principals), token)
        assert principals.asked == 0

    async def test_an_active_token_speaks_for_its_principal(self) -> None:
        token = new_token()
        known = KnownPrincipals({token_hash(token): principal()})
        assert await authenticate(gateway(known), token) == principal()

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            (None, "Invalid or revoked API token"),
            ({"expires_at": utc_now() - timedelta(seconds=1)}, "API token has expired"),
            ({"user_active": False}, "Token owner account is disabled"),
        ],
    )
    async def test_any_other_is_refused_in_the_words_of_the_contract(
        self, fields: dict[str, Any] | None, words: str
    ) -> None:
        token = new_token()
        known = {} if fields is None else {token_hash(token): principal(**fields)}
        with pytest.raises(NotAuthenticated, match=words):
            await authenticate(gateway(KnownPrincipals(known)), token)

    @pytest.mark.parametrize(
        ("role", "is_admin", "is_owner"),
        [("owner", True, True), ("admin", True, False), ("member", False, False)],
    )
    async def test_roles_open_what_they_should(
        self, role: Role, is_admin: bool, is_owner: bool
    ) -> None:
        caller = Caller(principal(role), gateway(KnownPrincipals({})), metadata())
        for guard, allowed in ((admin, is_admin), (owner, is_owner)):
            if allowed:
                assert await guard(caller) is caller
            else:
                with pytest.raises(NotPermitted):
                    await guard(caller)


class TestTheMetadataOfARequest:
    def test_the_same_idempotency_key_is_the_same_command(self) -> None:
        first = metadata_for(request(idempotency_key="k"), "t1", "token/k1")
        again = metadata_for(request(idempotency_key="k"), "t1", "token/k1")
        assert first.message_id == again.message_id

    def test_but_not_for_another_tenant_caller_route_or_key(self) -> None:
        made = {
            metadata_for(request(idempotency_key="k"), "t1", "token/k1").message_id,
            metadata_for(request(idempotency_key="k"), "t2", "token/k1").message_id,
            metadata_for(request(idempotency_key="k"), "t1", "token/k2").message_id,
            metadata_for(request("/v1/x", idempotency_key="k"), "t1", "token/k1").message_id,
            metadata_for(request(idempotency_key="K"), "t1", "token/k1").message_id,
            metadata_for(request(), "t1", "token/k1").message_id,
            metadata_for(request(), "t1", "token/k1").message_id,
        }
        assert len(made) == 7

    @pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "a\x00", "a\x7f", "\xa0"])
    def test_an_odd_idempotency_key_is_refused(self, key: str) -> None:
        with pytest.raises(InvalidCommand, match="Idempotency-Key"):
            metadata_for(request(idempotency_key=key), "t1", "token/k1")

    def test_a_trace_goes_along_if_it_is_one(self) -> None:
        assert metadata_for(request(traceparent=TRACE), "t1", "a").traceparent == TRACE

    @pytest.mark.parametrize(
        "trace", ["", "x", TRACE.upper(), TRACE + "-x", "é" * 55, "0" * 60_000]
    )
    def test_and_not_into_the_log_if_it_is_none(self, trace: str) -> None:
        assert metadata_for(request(traceparent=trace), "t1", "a").traceparent is None


class TestWhatAClientSends:
    def test_text_holds_no_nul(self) -> None:
        text = TypeAdapter[str](Text)
        assert text.validate_python("Größe\n") == "Größe\n"
        with pytest.raises(ValidationError, match="NUL"):
            text.validate_python("a\x00b")

    @pytest.mark.parametrize(
        "value",
        [{}, {"url": "http://x/", "n": [1, None, {"a": 1.5}]}, {"a": "\\u0000"}, {"東": "ä"}],
    )
    def test_a_json_object_is_taken_as_it_is(self, value: dict[str, Any]) -> None:
        assert TypeAdapter[dict[str, Any]](JsonObject).validate_python(value) == value

    @pytest.mark.parametrize(
        "value",
        [
            {"url": "http://x/\x00"},
            {"a": [{"b": "\x00"}]},
            {"\x00": 1},
            {"a": "\\\x00"},
            {"a": "\ud800"},
            {"a": 10**30},
            {"a": {1: "x"}},
        ],
    )
    def test_unless_it_could_not_be_stored(self, value: dict[str, Any]) -> None:
        with pytest.raises(ValidationError, match=r"NUL|cannot be stored"):
            TypeAdapter[dict[str, Any]](JsonObject).validate_python(value)

    @pytest.mark.parametrize("value", ["", "a.b", "*", "x" * 65, "a b", "\x00"])
    def test_an_id_that_cannot_exist_is_one_that_does_not(self, value: str) -> None:
        with pytest.raises(NotFound, match="Source not found"):
            checked_id(value, NotFound("Source not found"))
        assert checked_id("s-1", NotFound("x")) == "s-1"


def test_times_are_told_in_utc_with_a_z() -> None:
    assert TypeAdapter[Any](Timestamp).dump_python(T0) == "2026-01-01T12:30:00Z"
