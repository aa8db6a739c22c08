"""What says that the database is away, and what is about the statement."""

import pytest
from asyncpg import (
    CannotConnectNowError,
    ConnectionDoesNotExistError,
    DataError,
    InterfaceError,
    InternalClientError,
    TooManyConnectionsError,
    UniqueViolationError,
)
from sqlalchemy.exc import DBAPIError, TimeoutError as PoolTimeout

from shared.adapters.postgres import is_away


def wrapped(cause: Exception) -> DBAPIError:
    """As SQLAlchemy raises what the driver does."""
    error = DBAPIError("select 1", None, cause)
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        CannotConnectNowError("the database system is starting up"),
        ConnectionDoesNotExistError("connection was closed in the middle of operation"),
        TooManyConnectionsError("too many clients"),
        InterfaceError("the connection is closed"),
        InternalClientError("unexpected connection_lost() call"),
        ConnectionResetError(),
        PoolTimeout(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_is_seen_through_what_wraps_it(error: Exception) -> None:
    assert is_away(error)
    assert is_away(wrapped(error))


@pytest.mark.parametrize(
    "error",
    [
        UniqueViolationError("duplicate key"),
        DataError("invalid input for query argument $1"),
        RuntimeError("a bug"),
        None,
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_was_wrong_with_a_statement_is_no_absence(error: Exception | None) -> None:
    assert not is_away(error)
    if error is not None:
        assert not is_away(wrapped(error))
