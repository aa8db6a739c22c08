"""Who calls, what goes with a request, and what text is taken from a client."""

from typing import Annotated, Any, cast

import pytest
from fastapi import Request
from pydantic import Field, TypeAdapter, ValidationError

from services.gateway.http.context import (
    Caller,
    Gateway,
    Id,
    JsonObject,
    Text,
    Timestamp,
    admin,
    metadata_for,
    owner,
)
from services.gateway.ports import Principal
from shared.contracts.gateway import Role
from shared.kernel.errors import NotPermitted
from tests.unit.samples import T0, metadata

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


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


async def still_good() -> None:
    """A credential that is good for ever."""


class TestRoles:
    @pytest.mark.parametrize(
        ("role", "is_admin", "is_owner"),
        [("owner", True, True), ("admin", True, False), ("member", False, False)],
    )
    async def test_roles_open_what_they_should(
        self, role: Role, is_admin: bool, is_owner: bool
    ) -> None:
        principal = Principal(kind="token", id="k1", tenant_id="t1", user_id="u1", role=role)
        caller = Caller(
            cast("Gateway", None), metadata(), b"", "127.0.0.1", "", principal, still_good
        )
        for guard, allowed in ((admin, is_admin), (owner, is_owner)):
            if allowed:
                assert await guard(caller) is caller
            else:
                with pytest.raises(NotPermitted):
                    await guard(caller)


class TestTheMetadataOfARequest:
    def test_the_same_seed_is_the_same_command(self) -> None:
        first, again, other = (
            metadata_for(request(), "t1", "token/k1", seed).message_id
            for seed in (b"a", b"a", b"b")
        )
        assert first == again != other

    def test_who_asks_and_for_whom_goes_along(self) -> None:
        made = metadata_for(request(), "t1", "token/k1", b"a")
        assert (made.tenant_id, made.actor, made.correlation_id) == ("t1", "token/k1", "r1")

    def test_a_trace_goes_along_if_it_is_one(self) -> None:
        assert metadata_for(request(traceparent=TRACE), "t1", "a", b"").traceparent == TRACE

    @pytest.mark.parametrize(
        "trace", ["", "x", TRACE.upper(), TRACE + "-x", "é" * 55, "0" * 60_000]
    )
    def test_and_not_into_the_log_if_it_is_none(self, trace: str) -> None:
        assert metadata_for(request(traceparent=trace), "t1", "a", b"").traceparent is None


class TestWhatAClientSends:
    def test_text_holds_no_nul(self) -> None:
        text = TypeAdapter[str](Text)
        assert text.validate_python("Größe\n") == "Größe\n"
        with pytest.raises(ValidationError, match="should match"):
            text.validate_python("a\x00b")

    def test_a_length_is_one_of_the_text(self) -> None:
        text = TypeAdapter[str](Annotated[Text, Field(min_length=1, max_length=3)])
        for value, kind in (("abcd", "string_too_long"), ("", "string_too_short")):
            with pytest.raises(ValidationError) as refused:
                text.validate_python(value)
            assert refused.value.errors()[0]["type"] == kind

    def test_an_id_is_a_uuid_however_it_is_written(self) -> None:
        ident = TypeAdapter[str](Id)
        known = "0f0e0d0c-0b0a-4908-8706-050403020100"
        for form in (known, known.upper(), known.replace("-", ""), f"urn:uuid:{known}"):
            assert ident.validate_python(form) == known
        assert ident.dump_json(known) == f'"{known}"'.encode()
        for value, kind in (("nope", "uuid_parsing"), ("", "uuid_parsing"), (7, "uuid_type")):
            with pytest.raises(ValidationError) as refused:
                ident.validate_python(value)
            assert refused.value.errors()[0]["type"] == kind

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


def test_times_are_told_in_utc_with_a_z() -> None:
    assert TypeAdapter[Any](Timestamp).dump_python(T0) == "2026-01-01T12:30:00Z"
