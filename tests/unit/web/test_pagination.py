"""Cursors: of use for their list only, and for nobody who changes them."""

import base64
import os

import pytest
from hypothesis import given, strategies as st
from starlette.requests import Request

from shared.kernel.errors import InvalidCommand
from shared.web.pagination import Address, Window, seal, unseal

KEY = bytes(32)
SCOPE = "/v1/sources?"


def address(query: str) -> Address:
    scope = {"type": "http", "path": "/v1/sources", "query_string": query.encode(), "headers": []}
    return Address.of(Request(scope))


@given(position=st.integers(0, 2**63 - 1), ident=st.text(max_size=64))
def test_a_cursor_leads_back_to_where_it_was_made(position: int, ident: str) -> None:
    cursor = seal(KEY, SCOPE, (position, ident))
    assert cursor.isascii()
    assert unseal(KEY, SCOPE, cursor) == (position, ident)


def test_a_cursor_tells_nothing_about_its_position() -> None:
    cursors = {seal(KEY, SCOPE, (7, "id")) for _ in range(10)}
    assert len(cursors) == 10
    raw = base64.urlsafe_b64decode(f"{next(iter(cursors))}==")
    assert b"id" not in raw


@given(flip=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_cursor_that_was_changed_anywhere_is_refused(flip: int, bit: int) -> None:
    raw = bytearray(base64.urlsafe_b64decode(seal(KEY, SCOPE, (7, "id" * 5)) + "=="))
    raw[flip % len(raw)] ^= 1 << bit
    with pytest.raises(InvalidCommand) as refusal:
        unseal(KEY, SCOPE, base64.urlsafe_b64encode(bytes(raw)).rstrip(b"=").decode())
    assert refusal.value.field == "cursor"


@given(st.text(max_size=100))
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidCommand):
        unseal(KEY, SCOPE, text)


def test_a_cursor_belongs_to_its_list_and_its_tenant() -> None:
    cursor = seal(KEY, SCOPE, (7, "id"))
    for key, scope in ((os.urandom(32), SCOPE), (KEY, "/v1/sources?bot_profile_id=b")):
        with pytest.raises(InvalidCommand):
            unseal(key, scope, cursor)


def test_a_list_is_named_by_its_filters_in_any_order() -> None:
    one = address("bot_profile_id=b&limit=5&parent_id=p&cursor=c&offset=1").scope
    assert one == address("parent_id=p&bot_profile_id=b").scope
    assert one != address("bot_profile_id=b").scope


def test_the_link_goes_on_with_the_same_filters_and_limit() -> None:
    asked = address("name=%C3%A9&limit=5&cursor=old")
    told = asked.headers(cursor="new", limit=5, total=12)
    assert told == {
        "Link": '</v1/sources?name=%C3%A9&limit=5&cursor=new>; rel="next"',
        "X-Total-Count": "12",
    }
    assert address("").headers(cursor=None, limit=None, total=None) == {}


@pytest.mark.parametrize(("limit", "size"), [(None, 50), (0, 0), (7, 7), (100, 100), (101, 100)])
def test_a_page_has_its_limit_within_bounds(limit: int | None, size: int) -> None:
    assert Window(limit, None).size(50, 100) == size


def test_a_window_that_says_nothing_is_the_whole_list() -> None:
    assert Window(None, None).whole
    assert not Window(0, None).whole
    assert not Window(None, "").whole
