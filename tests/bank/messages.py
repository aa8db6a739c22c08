"""Accounts, cards and exchange rates: a small domain to try the runtime with.

It has what makes a runtime hard: sums that show every repetition, a claim, several events of one
decision, personal text, and events of another owner.
"""

from datetime import UTC, datetime
from typing import Annotated, ClassVar

from typing_extensions import override

from shared.contracts.base import Claim, Command, Event, Keyed, Message, Metadata, Personal
from shared.kernel.ids import new_id

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


class AccountMessage(Keyed):
    aggregate: ClassVar[str] = "account"
    account_id: str

    @property
    @override
    def aggregate_id(self) -> str:
        return self.account_id

    @property
    @override
    def data_subject(self) -> str:
        return f"account/{self.account_id}"


class OpenAccount(AccountMessage, Command):
    """With a card, and a number that nobody else in the tenant has."""

    verb: ClassVar[str] = "open"
    owner: Annotated[str, Personal()]
    number: str


class Deposit(AccountMessage, Command):
    """Depositing nothing changes nothing."""

    verb: ClassVar[str] = "deposit"
    amount: int


class Withdraw(AccountMessage, Command):
    verb: ClassVar[str] = "withdraw"
    amount: int


class CloseAccount(AccountMessage, Command):
    """What is left is paid out."""

    verb: ClassVar[str] = "close"


class AccountOpened(AccountMessage, Event):
    name: ClassVar[str] = "opened"
    owner: Annotated[str, Personal()]
    number: str


class Deposited(AccountMessage, Event):
    name: ClassVar[str] = "deposited"
    amount: int


class Withdrawn(AccountMessage, Event):
    name: ClassVar[str] = "withdrawn"
    amount: int


class AccountClosed(AccountMessage, Event):
    name: ClassVar[str] = "closed"


class NumberClaimed(Claim):
    aggregate: ClassVar[str] = "account_number"
    name: ClassVar[str] = "claimed"
    number: str
    account_id: str

    @property
    @override
    def aggregate_id(self) -> str:
        return self.number

    @property
    @override
    def taken(self) -> str:
        return f"Number {self.number} is taken"


class CardIssued(Event):
    aggregate: ClassVar[str] = "card"
    name: ClassVar[str] = "issued"
    card_id: str
    account_id: str

    @property
    @override
    def aggregate_id(self) -> str:
        return self.card_id


class RateSet(Event):
    """Somebody else's fact."""

    aggregate: ClassVar[str] = "rate"
    name: ClassVar[str] = "set"
    currency: str
    value: int

    @property
    @override
    def aggregate_id(self) -> str:
        return self.currency


AccountCommand = OpenAccount | Deposit | Withdraw | CloseAccount
AccountEvent = AccountOpened | Deposited | Withdrawn | AccountClosed
EVENTS = (
    AccountOpened,
    Deposited,
    Withdrawn,
    AccountClosed,
    NumberClaimed,
    CardIssued,
    RateSet,
)


class AccountView(Message):
    id: str
    owner: str
    number: str
    balance: int
    movements: int
    is_open: bool


def metadata(tenant_id: str, message_id: str | None = None) -> Metadata:
    """What travels with a message of `tenant_id`."""
    return Metadata(
        tenant_id=tenant_id,
        message_id=message_id or new_id(),
        correlation_id=new_id(),
        actor="user/test",
        now=NOW,
    )
