"""Lists in parts: every list that has them, while others write."""

import threading
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.e2e.test_sources import refused
from tests.harness import Tenant

Make = Callable[[int], str]


class Many:
    """A list that can be paged, and how something is added to it."""

    def __init__(self, tenant: Tenant, path: str, make: Make, *, newest_first: bool = True) -> None:
        self.tenant = tenant
        self.path = path
        self.make = make
        self.newest_first = newest_first

    def get(self, path: str | None = None, **query: Any) -> httpx.Response:
        answer = self.tenant.http.get(path or self.path, params=query or None)
        assert answer.status_code == 200, answer.text
        return answer

    def walk(self, limit: int) -> list[str]:
        """Ids on all pages."""
        answer = self.get(limit=limit)
        found: list[str] = [one["id"] for one in answer.json()]
        while (link := answer.links.get("next")) is not None:
            answer = self.get(link["url"])
            page = [one["id"] for one in answer.json()]
            assert 0 < len(page) <= limit
            found += page
        return found


@pytest.fixture(params=["sources", "children", "bots", "chats", "messages"])
def many(request: pytest.FixtureRequest, tenant: Tenant) -> Many:
    bot = tenant.bot(model="local/extractive")
    match request.param:
        case "sources":
            return Many(tenant, "/v1/sources", lambda n: tenant.source(bot, name=f"s{n}"))
        case "children":
            parent = tenant.source(bot)
            return Many(
                tenant,
                f"/v1/sources/{parent}/children",
                lambda n: tenant.source(bot, name=f"s{n}", parent_id=parent),
                newest_first=False,
            )
        case "bots":
            tenant.http.delete(f"/v1/bot-profiles/{bot}")
            return Many(tenant, "/v1/bot-profiles", lambda n: tenant.bot(name=f"b{n}"))
        case "chats":
            return Many(tenant, "/v1/chat", lambda n: str(tenant.ask(bot, f"{n}?")["chat_id"]))
        case _:
            chat = tenant.ask(bot, "0?")["chat_id"]
            return Many(
                tenant,
                f"/v1/chat/{chat}/messages",
                lambda n: str(tenant.ask(bot, f"{n}?", chat_id=chat)["message"]["id"]),
                newest_first=False,
            )


class TestPages:
    def test_they_hold_everything_once_and_in_order(self, many: Many) -> None:
        for n in range(5):
            many.make(n)
        answer = many.get()
        assert not answer.links
        everything = [one["id"] for one in answer.json()]
        assert len(everything) >= 5
        for limit in (1, 2, 3, len(everything) - 1, len(everything), 200):
            assert many.walk(limit) == everything
        first = many.get(limit=2)
        assert first.headers["x-total-count"] == str(len(everything))
        assert 'rel="next"' in first.headers["link"]
        last = many.get(limit=len(everything))
        assert "link" not in last.headers
        assert many.get(limit=0).json() == []
        assert [one["id"] for one in many.get(limit=10**30).json()] == everything

    def test_what_was_there_is_neither_missed_nor_doubled_while_others_write(
        self, many: Many
    ) -> None:
        before = [many.make(n) for n in range(6)]
        stop = threading.Event()
        made: list[str] = []

        def write() -> None:
            while not stop.is_set() and len(made) < 40:
                made.append(many.make(len(made)))

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for limit in (1, 2, 4):
                found = many.walk(limit)
                assert len(found) == len(set(found))
                there = [one for one in found if one in before]
                assert there == (before[::-1] if many.newest_first else before)
        finally:
            stop.set()
            writer.join()

    def test_a_cursor_that_was_changed_or_belongs_elsewhere_is_refused(
        self, many: Many, other_tenant: Tenant
    ) -> None:
        for n in range(3):
            many.make(n)
        cursor = many.get(limit=1).links["next"]["url"].split("cursor=")[1]
        flipped = cursor[:-2] + ("A" if cursor[-2] != "A" else "B") + cursor[-1]
        http = many.tenant.http
        for wrong in (flipped, cursor[:-4], cursor + "AAAA", "", "x", "ä", "\x00", cursor * 9):
            answer = http.get(many.path, params={"cursor": wrong})
            assert refused(answer, 422)["field"] == "cursor"
        elsewhere = {"cursor": cursor, "bot_profile_id": str(uuid.uuid4())}
        refused(http.get(many.path, params=elsewhere), 422)
        if many.path.count("/") == 2:  # a list that every tenant has
            refused(other_tenant.http.get(many.path, params={"cursor": cursor}), 422)
        assert http.get(many.path, params={"cursor": cursor}).status_code == 200

    @pytest.mark.parametrize("limit", ["-1", "x", "1.5", ""])
    def test_a_limit_that_is_none_is_refused(self, tenant: Tenant, limit: str) -> None:
        for path in ("/v1/sources", "/v1/bot-profiles", "/v1/chat"):
            answer = tenant.http.get(path, params={"limit": limit})
            assert refused(answer, 422)["field"] == "limit"


class TestFilters:
    def test_they_go_along_to_the_next_page(self, tenant: Tenant) -> None:
        bots = [tenant.bot(), tenant.bot()]
        sources = [tenant.source(bot) for bot in bots * 4]
        mine = Many(tenant, f"/v1/sources?bot_profile_id={bots[0]}", str)
        answer = tenant.http.get("/v1/sources", params={"bot_profile_id": bots[0], "limit": 3})
        assert answer.headers["x-total-count"] == "4"
        rest = mine.get(answer.links["next"]["url"])
        found = [one["id"] for one in (*answer.json(), *rest.json())]
        assert found == sources[::2][::-1]
        assert not rest.links


class TestLargeItems:
    def test_a_list_larger_than_a_message_of_the_broker_is_whole(self, tenant: Tenant) -> None:
        prompt = "\x01\u20ac" * 25_000
        bots = [tenant.bot(system_prompt=prompt) for _ in range(12)]
        listed = tenant.http.get("/v1/bot-profiles").json()
        assert [one["id"] for one in listed] == bots[::-1]
        assert {one["system_prompt"] for one in listed} == {prompt}
        assert Many(tenant, "/v1/bot-profiles", str).walk(200) == bots[::-1]
