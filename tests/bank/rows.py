"""Rows that show accounts. Every repetition of an event would show in a sum or break a key."""

from collections.abc import Callable, Sequence

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Integer,
    MetaData,
    Table,
    Text,
    insert,
    select,
    update as change,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.adapters.read_model import ReadModel, ReadModelStore
from shared.contracts.base import Event, Recorded
from shared.kernel.errors import NotFound
from shared.kernel.ids import new_id
from tests.bank.domain import account_decider
from tests.bank.messages import (
    AccountClosed,
    AccountOpened,
    AccountView,
    CardIssued,
    Deposited,
    RateSet,
    Withdrawn,
)

tables = MetaData()

accounts = Table(
    "accounts",
    tables,
    Column("tenant_id", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("balance", Integer, nullable=False),
    Column("movements", Integer, nullable=False),
    Column("is_open", Boolean, nullable=False),
)
movements = Table(
    "movements",
    tables,
    Column("tenant_id", Text, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("account_id", Text, nullable=False),
    Column("amount", Integer, nullable=False),
)
cards = Table(
    "cards",
    tables,
    Column("tenant_id", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("account_id", Text, nullable=False),
)
rates = Table(
    "rates",
    tables,
    Column("tenant_id", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("value", Integer, nullable=False),
    Column("times", Integer, nullable=False),
)


class Accounts:
    """Accounts, their movements and cards, and how often each rate was set."""

    def __init__(self, interrupt: Callable[[Event], None] = lambda _: None) -> None:
        """`interrupt` may raise in the middle of a transaction."""
        self._interrupt = interrupt

    async def apply(self, db: AsyncConnection, recorded: Recorded[Event]) -> None:
        tenant_id = recorded.tenant_id
        match recorded.event:
            case AccountOpened(account_id=account_id, owner=owner, number=number):
                row = {
                    "tenant_id": tenant_id,
                    "id": account_id,
                    "owner": owner,
                    "number": number,
                    "balance": 0,
                    "movements": 0,
                    "is_open": True,
                }
                await db.execute(insert(accounts).values(row))
            case Deposited(amount=amount):
                await _move(db, recorded, amount)
            case Withdrawn(amount=amount):
                await _move(db, recorded, -amount)
            case AccountClosed(account_id=account_id):
                await db.execute(
                    change(accounts)
                    .where(accounts.c.tenant_id == tenant_id, accounts.c.id == account_id)
                    .values(is_open=False)
                )
            case CardIssued(card_id=card_id, account_id=account_id):
                card = {"tenant_id": tenant_id, "id": card_id, "account_id": account_id}
                await db.execute(insert(cards).values(card))
            case RateSet(currency=currency, value=value):
                rate = {"tenant_id": tenant_id, "currency": currency, "value": value, "times": 1}
                await db.execute(
                    upsert(rates)
                    .values(rate)
                    .on_conflict_do_update(
                        index_elements=["tenant_id", "currency"],
                        set_={"value": value, "times": rates.c.times + 1},
                    )
                )
            case _:
                pass
        self._interrupt(recorded.event)


async def _move(db: AsyncConnection, recorded: Recorded[Event], amount: int) -> None:
    account_id = recorded.event.aggregate_id
    row = {
        "tenant_id": recorded.tenant_id,
        "sequence": recorded.sequence,
        "account_id": account_id,
        "amount": amount,
    }
    await db.execute(insert(movements).values(row))
    await db.execute(
        change(accounts)
        .where(accounts.c.tenant_id == recorded.tenant_id, accounts.c.id == account_id)
        .values(balance=accounts.c.balance + amount, movements=accounts.c.movements + 1)
    )


def accounts_model(
    projection: Accounts | None = None, *, name: str | None = None, version: int = 1
) -> ReadModel:
    """A read model of accounts with a schema of its own."""
    return ReadModel(
        service="bank",
        name=name or f"accounts_{new_id()[:8]}",
        version=version,
        tables=tables,
        owns={"account": account_decider, "account_number": None, "card": None},
        projection=projection or Accounts(),
        listens=[("rate", "set")],
    )


class AccountQueries:
    """Reads accounts with a tenant's own eyes."""

    def __init__(self, store: ReadModelStore) -> None:
        self._store = store

    async def accounts(self, tenant_id: str) -> list[AccountView]:
        query = select(accounts).where(accounts.c.tenant_id == tenant_id).order_by(accounts.c.id)
        async with self._store.reading(tenant_id) as db:
            rows = (await db.execute(query)).mappings().all()
        return [AccountView.model_validate(dict(row)) for row in rows]

    async def account(self, tenant_id: str, account_id: str) -> AccountView:
        """Raise `NotFound` if the tenant has no such account."""
        for found in await self.accounts(tenant_id):
            if found.id == account_id:
                return found
        raise NotFound("Account not found")

    async def cards(self, tenant_id: str) -> list[str]:
        """The accounts that have a card."""
        query = select(cards.c.account_id).where(cards.c.tenant_id == tenant_id)
        async with self._store.reading(tenant_id) as db:
            return sorted(await db.scalars(query))

    async def rates(self, tenant_id: str) -> dict[str, tuple[int, int]]:
        """Value of every rate, and how often it was set."""
        query = select(rates).where(rates.c.tenant_id == tenant_id)
        async with self._store.reading(tenant_id) as db:
            return {row.currency: (row.value, row.times) for row in await db.execute(query)}


async def rows(
    store: ReadModelStore, tenant_id: str | None = None, *, leave_out: Sequence[str] = ()
) -> dict[str, list[str]]:
    """Every row of a read model, or those of one tenant, in a canonical form.

    Without checkpoint and outcomes: a refusal is remembered, but is no fact of the log.
    """
    found = {}
    engine: AsyncEngine = store.engine
    async with engine.connect() as db:
        for name, table in sorted(store.model.tables.tables.items()):
            if name in ("checkpoint", "outcomes", *leave_out):
                continue
            query = select(table)
            if tenant_id is not None and "tenant_id" in table.c:
                query = query.where(table.c.tenant_id == tenant_id)
            found[name] = sorted(repr(dict(row)) for row in (await db.execute(query)).mappings())
    return found
