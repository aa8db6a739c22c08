"""Where something was ordered from: sealed for its user, and gone with the user's key."""

from typing_extensions import override

from shared.adapters.origins import LONGEST_AGENT, Origin, open_origin, seal_origin, user_of

HERE = Origin(address="203.0.113.7", user_agent="curl/8.14.1")


class Keys:
    def __init__(self) -> None:
        self.keys: dict[str, bytes] = {}

    async def data_key(self, tenant_id: str, subject: str, *, create: bool) -> bytes | None:
        name = f"{tenant_id} {subject}"
        if create:
            self.keys.setdefault(name, bytes([len(self.keys)]) * 32)
        return self.keys.get(name)


async def seal(keys: Keys, tenant_id: str, user_id: str, origin: Origin) -> str:
    sealed = await seal_origin(keys, tenant_id, user_id, origin)
    assert sealed is not None
    return sealed


async def test_an_origin_is_opened_with_the_key_of_its_user() -> None:
    keys = Keys()
    sealed = await seal(keys, "t1", "u1", HERE)
    assert sealed.isascii()
    assert "203" not in sealed
    assert user_of(sealed) == "u1"
    assert await open_origin(keys, "t1", sealed) == HERE


async def test_without_the_key_or_with_a_later_one_it_stays_shut() -> None:
    keys = Keys()
    sealed = await seal(keys, "t1", "u1", HERE)
    keys.keys = {"another": bytes(32)}
    assert await open_origin(keys, "t1", sealed) is None
    await seal(keys, "t1", "u1", HERE)
    assert await open_origin(keys, "t1", sealed) is None


async def test_it_is_worth_nothing_under_another_name() -> None:
    keys = Keys()
    keys.keys = dict.fromkeys(("t1 user/u1", "t1 user/u2", "t2 user/u1"), bytes(32))
    sealed = await seal(keys, "t1", "u1", HERE)
    assert await open_origin(keys, "t2", sealed) is None
    assert await open_origin(keys, "t1", sealed.replace("u1", "u2", 1)) is None


async def test_what_a_client_calls_itself_is_cut() -> None:
    keys = Keys()
    long = Origin(address="::1", user_agent="é" * 9999)
    opened = await open_origin(keys, "t1", await seal(keys, "t1", "u1", long))
    assert opened is not None
    assert opened.user_agent == "é" * LONGEST_AGENT


async def test_of_an_erased_user_nothing_is_sealed() -> None:
    class Erased(Keys):
        @override
        async def data_key(self, tenant_id: str, subject: str, *, create: bool) -> bytes | None:
            return None

    assert await seal_origin(Erased(), "t1", "u1", HERE) is None
