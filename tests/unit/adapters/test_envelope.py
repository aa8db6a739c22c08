"""Messages on the wire: attributes as headers, the body as JSON, personal text sealed."""

import base64
import json
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given, strategies as st

from shared.adapters.envelope import (
    CIPHER,
    MAX_BODY,
    Codec,
    Erased,
    aggregate_subject,
    command_subject,
    event_headers,
    event_subject,
    metadata_headers,
    read_metadata,
    tenant_of,
)
from shared.contracts.base import Keyed
from shared.contracts.chat import AskQuestion, QuestionAsked
from shared.contracts.gateway import SlugClaimed, UserCreated
from shared.contracts.gateway_erasure import ErasureTold
from shared.contracts.ingest import DeleteSource, SourceUnchanged
from shared.kernel.decoding import UnknownEvent
from shared.kernel.errors import NotFound, TooLarge, Unusable
from shared.kernel.registry import REGISTRY
from tests.unit.samples import TENANT, MemoryKeys, metadata

USER = UserCreated(
    tenant_id=TENANT,
    user_id="u1",
    email="ada@acme.example",
    email_hash="hash-of-ada",
    display_name="Ada Größe",
    role="owner",
    password_ref="password/u1",
)
TYPE = UserCreated.type()


async def unsealed(codec: Codec, message: Keyed) -> dict[str, Any]:
    """The body, in which only what is personal is still sealed."""
    body: dict[str, Any] = json.loads(
        await codec.clear(await codec.encode(message, TENANT), TENANT)
    )
    return body


@pytest.fixture
def keys() -> MemoryKeys:
    return MemoryKeys()


@pytest.fixture
def codec(keys: MemoryKeys) -> Codec:
    return Codec(keys, REGISTRY)


class TestPersonalText:
    async def test_is_sealed_and_comes_back(self, codec: Codec) -> None:
        data = await codec.encode(USER, TENANT)
        for word in (b"ada@acme", b"Ada", "Größe".encode(), b"Gr\\u00f6"):
            assert word not in data
        assert (await unsealed(codec, USER))["role"] == "owner"
        assert await codec.decode(UserCreated, data, TENANT) == USER
        assert await codec.decode_event(TYPE, data, TENANT) == USER

    async def test_is_sealed_anew_each_time(self, codec: Codec) -> None:
        assert await codec.encode(USER, TENANT) != await codec.encode(USER, TENANT)

    async def test_is_erased_everywhere_once_its_key_is_destroyed(
        self, codec: Codec, keys: MemoryKeys
    ) -> None:
        data = await codec.encode(USER, TENANT)
        keys.kept.clear()
        found = await codec.decode(UserCreated, data, TENANT)
        assert found == USER.model_copy(update={"email": "[erased]", "display_name": "[erased]"})
        assert keys.kept == {}, "reading makes no key"

    async def test_stays_erased_when_a_new_key_is_made_for_the_same_person(
        self, codec: Codec, keys: MemoryKeys
    ) -> None:
        before = await codec.encode(USER, TENANT)
        keys.kept.clear()
        after = await codec.encode(USER, TENANT)
        assert (await codec.decode(UserCreated, before, TENANT)).email == "[erased]"
        assert await codec.decode(UserCreated, after, TENANT) == USER

    async def test_cannot_be_moved_to_another_field(self, codec: Codec) -> None:
        body = await unsealed(codec, USER)
        body["email"], body["display_name"] = body["display_name"], body["email"]
        with pytest.raises(InvalidTag):
            await codec.decode(UserCreated, json.dumps(body).encode(), TENANT)

    async def test_cannot_be_moved_to_another_person(self, codec: Codec, keys: MemoryKeys) -> None:
        other = USER.model_copy(update={"user_id": "u2"})
        mine, theirs = await unsealed(codec, USER), await unsealed(codec, other)
        keys.kept[TENANT, "user/u2"] = keys.kept[TENANT, "user/u1"]
        theirs["email"] = {**mine["email"], "of": "user/u2"}
        with pytest.raises(InvalidTag):
            await codec.decode(UserCreated, json.dumps(theirs).encode(), TENANT)

    async def test_cannot_be_moved_to_another_tenant(self, codec: Codec, keys: MemoryKeys) -> None:
        data = json.dumps(await unsealed(codec, USER)).encode()
        assert (await codec.decode(UserCreated, data, "other")).email == "[erased]"
        keys.kept["other", "user/u1"] = keys.kept[TENANT, "user/u1"]
        with pytest.raises(InvalidTag):
            await codec.decode(UserCreated, data, "other")

    async def test_that_was_tampered_with_does_not_open(self, codec: Codec) -> None:
        body = await unsealed(codec, USER)
        raw = bytearray(base64.b64decode(body["email"][CIPHER]))
        raw[-1] ^= 1
        body["email"][CIPHER] = base64.b64encode(raw).decode()
        with pytest.raises(InvalidTag):
            await codec.decode(UserCreated, json.dumps(body).encode(), TENANT)

    async def test_written_before_it_was_sealed_is_read_as_it_is(self, codec: Codec) -> None:
        assert await codec.decode(UserCreated, USER.model_dump_json().encode(), TENANT) == USER

    async def test_that_is_none_needs_no_key(self, codec: Codec, keys: MemoryKeys) -> None:
        event = SourceUnchanged(source_id="s1", run_id="r1")
        data = await codec.encode(event, TENANT)
        assert await unsealed(codec, event) == {"source_id": "s1", "run_id": "r1"}
        assert await codec.decode_event("source.unchanged.v1", data, TENANT) == event
        assert keys.asked == 0

    @given(st.text(max_size=200))
    async def test_of_any_kind_comes_back(self, question: str) -> None:
        codec = Codec(MemoryKeys(), REGISTRY)
        order = AskQuestion(
            chat_id="c1", turn_id="t1", bot_profile_id="b1", new_chat=True, question=question
        )
        data = await codec.encode(order, TENANT)
        assert await codec.decode(AskQuestion, data, TENANT) == order


class TestATenant:
    async def test_has_its_messages_sealed_as_a_whole(self, codec: Codec) -> None:
        event = SourceUnchanged(source_id="s1", run_id="r1")
        data = await codec.encode(event, TENANT)
        assert b"s1" not in data
        assert await codec.decode(SourceUnchanged, data, TENANT) == event
        with pytest.raises(InvalidTag):
            await codec.decode(SourceUnchanged, data, "other")

    async def test_that_was_erased_can_be_neither_read_nor_written_about(
        self, codec: Codec, keys: MemoryKeys
    ) -> None:
        event = SourceUnchanged(source_id="s1", run_id="r1")
        sealed, plain = await codec.encode(event, TENANT), event.model_dump_json().encode()
        assert await codec.decode(SourceUnchanged, plain, TENANT) == event
        keys.erased.add(TENANT)
        for data in (sealed, plain):
            with pytest.raises(Erased):
                await codec.decode(SourceUnchanged, data, TENANT)
            with pytest.raises(Erased):
                await codec.decode_event("source.unchanged.v1", data, TENANT)
        with pytest.raises(NotFound, match="Tenant not found"):
            await codec.encode(event, TENANT)

    async def test_leaves_its_receipt(self, codec: Codec, keys: MemoryKeys) -> None:
        keys.erased.add(TENANT)
        told = ErasureTold(erasure_id=TENANT, kind="tenant", subject_id=TENANT)
        data = await codec.encode(told, TENANT)
        assert await codec.decode_event(told.type(), data, TENANT) == told

    async def test_whose_key_is_another_is_not_taken_for_erased(
        self, codec: Codec, keys: MemoryKeys
    ) -> None:
        event = SourceUnchanged(source_id="s1", run_id="r1")
        data = await codec.encode(event, TENANT)
        keys.tenants.clear()
        headers = event_headers(event, "e1", metadata(), "ingest")
        with pytest.raises(Unusable, match="restore the vault"):
            await codec.recorded(1, headers, data)


class TestBodies:
    async def test_that_do_not_fit_into_a_message_are_refused(self, codec: Codec) -> None:
        event = SourceUnchanged(source_id="s1", run_id="x" * MAX_BODY)
        with pytest.raises(TooLarge, match="do not fit"):
            await codec.encode(event, TENANT)

    async def test_of_the_longest_question_fit(self, codec: Codec) -> None:
        order = AskQuestion(
            chat_id="c1", turn_id="t", bot_profile_id="b", new_chat=True, question="👩" * 32_000
        )
        assert len(await codec.encode(order, TENANT)) < MAX_BODY

    async def test_of_a_newer_version_are_told_apart(self, codec: Codec) -> None:
        with pytest.raises(UnknownEvent):
            await codec.decode_event("user.created.v9", b"{}", TENANT)


class TestHeaders:
    def test_are_cloud_events_in_binary_mode(self) -> None:
        meta = metadata(causation_id="cause", traceparent="00-trace")
        assert event_headers(USER, "e1", meta, "gateway") == {
            "Nats-Msg-Id": "e1",
            "ce-id": "e1",
            "ce-type": "directory.user_created.v1",
            "ce-source": "/minirag/gateway",
            "ce-subject": f"directory/{TENANT}",
            "ce-datacontenttype": "application/json",
            "ce-specversion": "1.0",
            "ce-time": "2026-01-01T12:30:00+00:00",
            "ce-tenant": TENANT,
            "ce-actor": "token/t1",
            "ce-correlationid": meta.correlation_id,
            "ce-causationid": "cause",
            "cmd-id": meta.message_id,
            "traceparent": "00-trace",
        }

    @pytest.mark.parametrize(
        "fields", [{}, {"causation_id": "c"}, {"traceparent": "t"}, {"actor": "system"}]
    )
    def test_give_the_metadata_back(self, fields: dict[str, Any]) -> None:
        assert read_metadata(metadata_headers(metadata(**fields))) == metadata(**fields)

    @pytest.mark.parametrize("name", ["ce-tenant", "cmd-id", "ce-time", "ce-actor"])
    def test_that_are_missing_are_noticed(self, name: str) -> None:
        headers = metadata_headers(metadata())
        del headers[name]
        with pytest.raises(KeyError):
            read_metadata(headers)

    async def test_and_body_make_the_event_as_it_stands_in_the_log(self, codec: Codec) -> None:
        event = QuestionAsked(
            chat_id="c1",
            turn_id="t1",
            bot_profile_id="b1",
            message_id="m1",
            first=True,
            question="How long?",
        )
        headers = event_headers(event, "e1", metadata(), "chat")
        record = await codec.recorded(7, headers, await codec.encode(event, TENANT))
        assert (record.event, record.metadata) == (event, metadata())
        assert (record.event_id, record.sequence, record.tenant_id) == ("e1", 7, TENANT)


class TestSubjects:
    def test_name_tenant_aggregate_and_what_happened(self) -> None:
        assert event_subject("t1", USER) == f"evt.t1.directory.{TENANT}.user_created"
        assert aggregate_subject("t1", "user", "u1") == "evt.t1.user.u1"
        assert command_subject("t1", DeleteSource(source_id="s1")) == "cmd.t1.source.s1.delete"

    @pytest.mark.parametrize("hostile", ["a.b", "*", ">", "", "a b", "a\r\nPUB x"])
    def test_take_nothing_that_could_lead_elsewhere(self, hostile: str) -> None:
        with pytest.raises(ValueError, match="cannot stand in a subject"):
            event_subject(hostile, USER)
        with pytest.raises(ValueError, match="cannot stand in a subject"):
            command_subject("t1", DeleteSource(source_id=hostile))

    def test_of_what_spans_tenants_belong_to_none(self) -> None:
        assert tenant_of(SlugClaimed(slug="acme", tenant_id="t1"), metadata()) == "_"
        assert tenant_of(USER, metadata()) == TENANT


class TestReadingMany:
    async def test_each_comes_out_as_it_does_alone(self, codec: Codec) -> None:
        events = [
            USER,
            SourceUnchanged(source_id="s1", run_id="r1"),
            SlugClaimed(slug="acme", tenant_id=TENANT),
        ]
        stored = []
        for n, event in enumerate(events):
            headers = event_headers(event, f"e{n}", metadata(TENANT), "test")
            stored.append((n, headers, await codec.encode(event, TENANT)))
        clear = SourceUnchanged(source_id="s2", run_id="r2")
        headers = event_headers(clear, "e9", metadata(TENANT), "test")
        stored.append((9, headers, clear.model_dump_json().encode()))
        found = await codec.recorded_all(stored)
        assert found == [await codec.recorded(*one) for one in stored]
        assert [one and one.event for one in found] == [*events, clear]

    async def test_what_is_erased_is_passed_over(self, codec: Codec, keys: MemoryKeys) -> None:
        event = SourceUnchanged(source_id="s1", run_id="r1")
        headers = event_headers(event, "e1", metadata(TENANT), "test")
        stored = (1, headers, await codec.encode(event, TENANT))
        keys.erased.add(TENANT)
        assert await codec.recorded_all([stored, stored]) == [None, None]

    async def test_what_only_a_newer_version_knows_says_where_it_is(self, codec: Codec) -> None:
        event = SourceUnchanged(source_id="s1", run_id="r1")
        headers = event_headers(event, "e1", metadata(TENANT), "test")
        headers["ce-type"] = "source.dreamt.v1"
        with pytest.raises(Unusable, match="event 7"):
            await codec.recorded_all([(7, headers, await codec.encode(event, TENANT))])

    async def test_another_vault_is_told(self, codec: Codec) -> None:
        event = SourceUnchanged(source_id="s1", run_id="r1")
        headers = event_headers(event, "e1", metadata(TENANT), "test")
        body = await codec.encode(event, TENANT)
        with pytest.raises(Unusable, match="event 7"):
            await Codec(MemoryKeys(), REGISTRY).recorded_all([(7, headers, body)])
