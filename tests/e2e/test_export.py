"""Exports: one chat or many, as JSON or CSV, whatever was said and however much."""

import csv
import io
import json
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psutil
import pytest

from tests.e2e import inside
from tests.e2e.test_chats import CHAT, MESSAGE, get, listed, messages
from tests.e2e.test_sources import refused
from tests.harness import Installation, Tenant

MESSAGE_HEADER = "message_id,role,content,feedback,prompt_tokens,completion_tokens,created_at"
CHATS_HEADER = f"chat_id,chat_title,{MESSAGE_HEADER}"
MEGABYTE = 1024 * 1024
FLAT = 60 * MEGABYTE
MANY = 100_000


def export(tenant: Tenant, chat: str | None = None, **query: Any) -> httpx.Response:
    path = "/v1/chat/export" if chat is None else f"/v1/chat/{chat}/export"
    answer = tenant.http.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer


def table(answer: httpx.Response) -> list[list[str]]:
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.reader(io.StringIO(answer.text, newline="")))


class TestOneChat:
    def test_as_json_it_is_the_chat_and_its_messages(self, tenant: Tenant) -> None:
        chat = tenant.ask(tenant.bot(), "Hällo \U0001f600?")["chat_id"]
        for query in ({}, {"format": "json"}, {"format": "xml"}):
            answer = export(tenant, chat, **query)
            assert answer.headers["content-type"] == "application/json"
            found = answer.json()
            assert set(found) == {"chat", "messages", "exported_at"}
            assert found["chat"] == get(tenant, chat)
            assert found["messages"] == messages(tenant, chat)
            exported = datetime.fromisoformat(found["exported_at"])
            assert abs(datetime.now(UTC) - exported) < timedelta(minutes=5)

    def test_as_csv_it_has_the_columns_of_the_contract(self, tenant: Tenant) -> None:
        answer = tenant.ask(tenant.bot(), 'Line one,\nline "two"; ünd \'')
        chat, message = answer["chat_id"], answer["message"]["id"]
        path = f"/v1/chat/{chat}/messages/{message}/feedback"
        tenant.http.patch(path, json={"feedback": "negative"})
        told = export(tenant, chat, format="csv")
        assert told.headers["content-disposition"] == f"attachment; filename=chat_{chat}.csv"
        assert told.text.startswith(f"{MESSAGE_HEADER}\r\n")
        assert told.text.endswith("\r\n")
        rows = table(told)
        question, said = messages(tenant, chat)
        assert rows[1:] == [
            [str(one[name] or ("" if name == "feedback" else 0)) for name in rows[0]]
            for one in (
                {**question, "message_id": question["id"]},
                {**said, "message_id": said["id"]},
            )
        ]
        assert [row[3] for row in rows[1:]] == ["", "negative"]

    @pytest.mark.parametrize(
        "beginning", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"]
    )
    def test_no_cell_is_a_formula(self, tenant: Tenant, beginning: str) -> None:
        text = f'{beginning}HYPERLINK("http://example.com","x")'
        chat = tenant.ask(tenant.bot(), text)["chat_id"]
        assert table(export(tenant, chat, format="csv"))[1][2] == f"'{text}"
        assert table(export(tenant, format="csv"))[1][1] == f"'{text}"
        assert export(tenant, chat).json()["messages"][0]["content"] == text


class TestManyChats:
    def test_they_come_newest_first_with_all_that_was_said(self, tenant: Tenant) -> None:
        bots = [tenant.bot(), tenant.bot()]
        chats = [tenant.ask(bot, f"Hello {n}?")["chat_id"] for n, bot in enumerate(bots * 2)]
        tenant.ask(bots[0], "And again?", chat_id=chats[0])
        found = export(tenant).json()
        assert set(found) == {"chats", "exported_at"}
        assert [set(one) for one in found["chats"]] == [{"chat", "messages"}] * 4
        assert [one["chat"]["id"] for one in found["chats"]] == chats[::-1]
        for one in found["chats"]:
            assert set(one["chat"]) == CHAT
            assert one["chat"] == get(tenant, one["chat"]["id"])
            assert one["messages"] == messages(tenant, one["chat"]["id"])
            assert all(set(message) == MESSAGE for message in one["messages"])

        answer = export(tenant, format="csv")
        disposition = answer.headers["content-disposition"]
        assert disposition == "attachment; filename=chats_export.csv"
        assert answer.text.startswith(f"{CHATS_HEADER}\r\n")
        rows = table(answer)[1:]
        assert [row[0] for row in rows] == [
            chat for chat in chats[::-1] for _ in messages(tenant, chat)
        ]
        assert rows[0][1] == "Hello 3?"

        def exported(**query: Any) -> list[str]:
            return [one["chat"]["id"] for one in export(tenant, **query).json()["chats"]]

        assert exported(bot_profile_id=bots[1]) == [chats[3], chats[1]]
        assert exported(limit=2) == [chats[3], chats[2]]
        assert exported(limit=0) == []
        assert exported(limit=10**30) == chats[::-1]
        assert exported(bot_profile_id=str(uuid.uuid4())) == []

    def test_nothing_is_an_empty_list_and_a_header(self, tenant: Tenant) -> None:
        assert export(tenant).json()["chats"] == []
        assert export(tenant, format="csv").text == f"{CHATS_HEADER}\r\n"

    def test_both_days_are_included(self, tenant: Tenant) -> None:
        chat = tenant.ask(tenant.bot(), "Hello?")["chat_id"]
        day = datetime.fromisoformat(get(tenant, chat)["created_at"]).date()
        before, after = day - timedelta(days=1), day + timedelta(days=1)

        def count(**query: Any) -> int:
            return len(export(tenant, **query).json()["chats"])

        assert count(from_date=day, to_date=day) == 1
        assert count(from_date=before, to_date=after) == 1
        assert count(from_date=day) == count(to_date=day) == 1
        assert count(from_date=after) == count(to_date=before) == 0
        assert count(from_date=after, to_date=before) == 0
        assert count(from_date="0001-01-01", to_date="9999-12-31") == 1
        assert len(table(export(tenant, from_date=day, format="csv"))) == 3

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("from_date", "yesterday"),
            ("from_date", "2026-02-30"),
            ("from_date", "0"),
            ("from_date", "0000-01-01"),
            ("to_date", "2026-1-1"),
            ("to_date", "20260101"),
            ("to_date", "2026-01-01T00:00:00"),
            ("to_date", ""),
            ("limit", "-1"),
            ("limit", "x"),
            ("bot_profile_id", "\x00"),
        ],
    )
    def test_what_cannot_be_is_refused_by_its_name(
        self, tenant: Tenant, name: str, value: str
    ) -> None:
        answer = tenant.http.get("/v1/chat/export", params={name: value})
        assert refused(answer, 422)["field"] == name

    def test_another_tenants_chats_are_not_in_it(
        self, tenant: Tenant, other_tenant: Tenant
    ) -> None:
        bot = other_tenant.bot()
        other_tenant.ask(bot, "Hello?")
        assert export(tenant).json()["chats"] == []
        assert export(tenant, bot_profile_id=bot).json()["chats"] == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_hundred_thousand_messages_are_exported_with_flat_memory(
    isolated: Installation, register: Callable[[str], Tenant]
) -> None:
    tenant = register(isolated.url)
    bot = tenant.bot(model="local/extractive")
    chat = tenant.ask(bot, "How much can you say?")["chat_id"]
    tenant.ask(bot, "And another one?")
    processes = {name: psutil.Process(isolated.pids()[name]) for name in ("gateway", "chat")}
    paths: dict[str, Callable[[Iterator[str]], int]] = {
        f"/v1/chat/{chat}/export?format=csv": _csv_rows,
        "/v1/chat/export?format=json": _json_messages,
        f"/v1/chat/{chat}/messages": _json_messages,
    }
    with inside.talkative(isolated.data_dir, tenant.id, chat, MANY - 2):
        assert get(tenant, chat)["message_count"] == MANY
        for path, count in paths.items():
            more = 2 if path.startswith("/v1/chat/export") else 0
            with growth(processes) as grown, tenant.http.stream("GET", path, timeout=300) as answer:
                assert answer.status_code == 200
                assert count(answer.iter_lines()) == MANY + more
            assert all(size < FLAT for size in grown.values()), (path, grown)
    assert len(messages(tenant, chat)) == get(tenant, chat)["message_count"] == 2
    assert len(listed(tenant)) == 2


@contextmanager
def growth(processes: dict[str, psutil.Process]) -> Iterator[dict[str, int]]:
    """How many bytes of memory each process takes more, at the worst moment."""
    idle = {name: process.memory_info().rss for name, process in processes.items()}
    grown = dict.fromkeys(processes, 0)
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.02):
            for name, process in processes.items():
                grown[name] = max(grown[name], process.memory_info().rss - idle[name])

    watching = threading.Thread(target=look)
    watching.start()
    try:
        yield grown
    finally:
        done.set()
        watching.join()


def _csv_rows(lines: Iterator[str]) -> int:
    """Rows below the header; none of them breaks its line."""
    return sum(1 for _ in lines) - 1


def _json_messages(lines: Iterator[str]) -> int:
    """Messages in a document of one line, which is read to its end and understood."""
    return sum(1 for _ in _roles(json.loads("".join(lines))))


def _roles(found: Any) -> Iterator[str]:
    if isinstance(found, list):
        for one in found:
            yield from _roles(one)
    elif "role" in found:
        yield found["role"]
    else:
        yield from _roles(found.get("chats", found.get("messages")))
