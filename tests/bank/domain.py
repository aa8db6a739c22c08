"""What may happen to an account."""

from collections.abc import Sequence

from pydantic import TypeAdapter

from shared.contracts.base import Event, Message, Metadata
from shared.kernel.decider import Decider
from shared.kernel.errors import Conflict, InvalidCommand, NotFound
from shared.kernel.ids import derived_id
from tests.bank.messages import (
    AccountClosed,
    AccountCommand,
    AccountEvent,
    AccountOpened,
    CardIssued,
    CloseAccount,
    Deposit,
    Deposited,
    NumberClaimed,
    OpenAccount,
    Withdraw,
    Withdrawn,
)


class Account(Message):
    """An account, or none yet: then it was never open."""

    opened: bool = False
    closed: bool = False
    balance: int = 0


def decide(account: Account, command: AccountCommand, _meta: Metadata) -> Sequence[Event]:
    """What `command` does to `account`. Raises `NotFound`, `Conflict` or `InvalidCommand`."""
    account_id = command.account_id
    if isinstance(command, OpenAccount):
        if account.opened:
            raise Conflict("An account with this id exists already")
        return [
            AccountOpened(account_id=account_id, owner=command.owner, number=command.number),
            NumberClaimed(number=command.number, account_id=account_id),
            CardIssued(card_id=derived_id("card", account_id), account_id=account_id),
        ]
    if not account.opened or account.closed:
        raise NotFound("Account not found")
    match command:
        case Deposit(amount=amount):
            if amount < 0:
                raise InvalidCommand("amount: is below zero", field="amount")
            return [Deposited(account_id=account_id, amount=amount)] if amount else []
        case Withdraw(amount=amount):
            if amount > account.balance:
                raise Conflict("There is not so much")
            return [Withdrawn(account_id=account_id, amount=amount)]
        case CloseAccount():
            paid_out = [Withdrawn(account_id=account_id, amount=account.balance)]
            return [*(paid_out if account.balance else []), AccountClosed(account_id=account_id)]


def evolve(account: Account, event: AccountEvent) -> Account:
    match event:
        case AccountOpened():
            return Account(opened=True)
        case Deposited(amount=amount):
            return account.model_copy(update={"balance": account.balance + amount})
        case Withdrawn(amount=amount):
            return account.model_copy(update={"balance": account.balance - amount})
        case AccountClosed():
            return account.model_copy(update={"closed": True})


account_decider: Decider[Account, AccountCommand, AccountEvent] = Decider(
    aggregate="account",
    initial=Account(),
    state=TypeAdapter(Account),
    decide=decide,
    evolve=evolve,
)
