"""How often somebody may ask, and who counts as one."""

import pytest
from hypothesis import given, strategies as st

from services.gateway.http.limits import Limit, network_of
from services.gateway.http.throttle import LoginLimits, LoginThrottle
from services.gateway.http.visitors import VisitorQuotas
from services.gateway.ports import Principal
from shared.contracts.gateway import WidgetQuotas
from shared.kernel.errors import QuotaExceeded
from tests.unit.gateway.fakes import MemoryCounters


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class TestLimit:
    def test_what_is_spent_comes_back_with_time(self) -> None:
        clock = Clock()
        limit = Limit("address", 60, clock)
        assert [limit.take("a") for _ in range(60)] == [0] * 60
        assert limit.take("a") == pytest.approx(1)
        assert limit.take("b") == 0
        clock.now += 1
        assert limit.take("a") == 0
        assert limit.take("a") > 0

    def test_a_client_is_told_how_it_stands(self) -> None:
        clock = Clock()
        limit = Limit("caller", 60, clock)
        for _ in range(10):
            limit.take("a")
        assert limit.fields("a") == {
            "RateLimit-Policy": '"caller";q=60;w=60',
            "RateLimit": '"caller";r=50;t=10',
        }

    def test_zero_is_no_limit(self) -> None:
        limit = Limit("address", 0)
        assert {limit.take("a") for _ in range(1000)} == {0}
        assert limit.fields("a") == {}

    @given(st.lists(st.floats(0, 5), max_size=50))
    def test_never_more_than_the_limit_and_what_came_back(self, pauses: list[float]) -> None:
        clock = Clock()
        limit = Limit("address", 30, clock)
        passed = 0
        for pause in pauses:
            clock.now += pause
            passed += sum(limit.take("a") == 0 for _ in range(5))
        assert passed <= 30 + (clock.now - 1000.0) * 30 / 60 + 1


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
    ],
)
def test_an_ipv6_network_counts_as_one(address: str, network: str) -> None:
    assert network_of(address) == network


LIMITS = LoginLimits(
    per_account_and_address_minute=2,
    per_address_minute=5,
    per_account_hour=8,
    signups_per_address_hour=2,
)


async def yes() -> bool:
    return True


async def no() -> bool:
    return False


class TestThrottle:
    @pytest.fixture
    def throttle(self) -> LoginThrottle:
        return LoginThrottle(MemoryCounters(), LIMITS)

    async def test_one_account_from_one_address(self, throttle: LoginThrottle) -> None:
        for _ in range(2):
            await throttle.attempt("a", "home", no)
        with pytest.raises(QuotaExceeded) as error:
            await throttle.attempt("a", "home", yes)
        assert error.value.retry_after == 60
        await throttle.attempt("a", "elsewhere", no)
        await throttle.attempt("b", "home", no)

    async def test_one_address_for_many_accounts(self, throttle: LoginThrottle) -> None:
        for n in range(5):
            await throttle.attempt(f"a{n}", "office", no)
        with pytest.raises(QuotaExceeded):
            await throttle.attempt("a9", "office", no)
        await throttle.attempt("owner", "office", yes)

    async def test_one_account_from_many_addresses(self, throttle: LoginThrottle) -> None:
        for n in range(8):
            await throttle.attempt("a", f"bot{n}", no)
        with pytest.raises(QuotaExceeded) as error:
            await throttle.attempt("a", "bot9", no)
        assert error.value.retry_after == 3600
        await throttle.attempt("a", "home", yes)
        await throttle.attempt("b", "bot9", no)

    async def test_a_success_does_not_count(self, throttle: LoginThrottle) -> None:
        for _ in range(30):
            attempt = await throttle.attempt("a", "home", no)
            await attempt.succeeded()

    async def test_new_tenants_are_counted_apart(self, throttle: LoginThrottle) -> None:
        for _ in range(2):
            await throttle.signup("home")
        with pytest.raises(QuotaExceeded):
            await throttle.signup("home")
        await throttle.attempt("a", "home", no)

    async def test_zero_is_no_limit(self) -> None:
        throttle = LoginThrottle(MemoryCounters(), LoginLimits(0, 0, 0, 0))
        for _ in range(50):
            await throttle.attempt("a", "home", no)
            await throttle.signup("home")


class TestQuotas:
    def visitor(self, visitor_id: str, quotas: WidgetQuotas | None) -> Principal:
        return Principal(
            kind="visitor",
            id=visitor_id,
            tenant_id="t",
            bot_profile_id="b",
            key_id=None if quotas is None else "k",
            quotas=quotas,
        )

    @pytest.mark.parametrize(
        ("field", "same_visitor", "same_address"),
        [
            ("questions_per_visitor_hour", True, False),
            ("questions_per_address_hour", False, True),
            ("questions_per_day", False, False),
        ],
    )
    async def test_each_quota_counts_what_it_says(
        self, field: str, *, same_visitor: bool, same_address: bool
    ) -> None:
        none = dict.fromkeys(WidgetQuotas.model_fields, None)
        quotas = WidgetQuotas.model_validate({**none, field: 3})
        counted = VisitorQuotas(MemoryCounters())

        async def ask(n: int) -> None:
            visitor = self.visitor("v" if same_visitor else f"v{n}", quotas)
            await counted.question(visitor, "a" if same_address else f"a{n}")

        for n in range(3):
            await ask(n)
        with pytest.raises(QuotaExceeded):
            await ask(3)

    async def test_only_visitors_are_counted(self) -> None:
        counters = MemoryCounters()
        token = Principal(kind="token", id="t1", tenant_id="t", user_id="u")
        for _ in range(10):
            await VisitorQuotas(counters).question(token, "a")
        assert not counters.counts
