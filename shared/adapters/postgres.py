"""Connections to Postgres, and the switch to a tenant's own eyes."""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import orjson
from asyncpg import (
    IntegrityConstraintViolationError,
    InterfaceError,
    InternalClientError,
    PostgresError,
)
from sqlalchemy import URL, Connection, event, make_url, text
from sqlalchemy.exc import (
    IntegrityError,
    InvalidatePoolError,
    OperationalError,
    TimeoutError as PoolTimeout,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.util import await_only

from shared.adapters.connections import (
    ASKED_SECONDS,
    CONNECTIONS,
    EVERY_TENANT,
    EVERYONE,
    EYES,
    KEPT_EYES,
    TRUSTED_SECONDS,
    Connected,
    Connections,
)

POOL_SIZE = POOL_OVERFLOW = 8
"""Connections that are kept, and those that are made for a moment, at some milliseconds each."""
LEFT = "left at"
LOOK_AS = "select set_config('role', $1, false), set_config('app.tenant_id', $2, false)"
DRIVER = (PostgresError, InterfaceError, InternalClientError, OSError, TimeoutError)
"""What asyncpg raises for a statement, or for a connection that breaks under it."""
AWAY = ("08", "53", "57")
"""Classes of SQLSTATE: connections, resources, what an operator does (PostgreSQL, appendix A)."""
NARROW = text("select set_config('app.tenant_id', :id, true)")


def create_engine(url: str, application: str) -> AsyncEngine:
    """An engine for read models.

    `synchronous_commit` is off: rows and checkpoint commit together, so what a power cut takes
    from the tail is projected again from the log.
    """
    engine = create_async_engine(
        _address(url),
        pool_size=POOL_SIZE,
        max_overflow=POOL_OVERFLOW,
        pool_use_lifo=True,  # whose statements are prepared, and whose eyes are on
        pool_recycle=1800,
        # Rows are read by the names of their columns. To find them by the columns of a statement as
        # well, every run of one that was not kept builds all its subqueries' columns anew, which
        # was a third of what a write cost. The object mapper sets this for itself.
        execution_options={"_result_disable_adapt_to_context": True},
        json_serializer=dumps,
        json_deserializer=orjson.loads,
        connect_args={
            "server_settings": {
                "application_name": application,
                "synchronous_commit": "off",
                "app.tenant_id": EVERY_TENANT,
            },
            "timeout": 10,
            "command_timeout": 60,
        },
    )
    event.listen(engine.sync_engine, "checkout", _look)
    event.listen(engine.sync_engine, "checkin", _leave)
    event.listen(engine.sync_engine, "engine_connect", _look_as_everyone)
    engine.update_execution_options(**{CONNECTIONS: Connections(engine)})
    return engine


def _look(connection: Any, record: Any, _proxy: Any) -> None:
    """A restarted server must not cost every kept connection one failed request.

    A server that ends closes its connections, and the driver knows. Only one that nobody used for
    a while is asked: a firewall may have forgotten it without a word.
    """
    if connection.driver_connection.is_closed():
        raise InvalidatePoolError("the server closed the connection")
    idle = time.monotonic() - record.info.get(LEFT, time.monotonic())
    if idle > TRUSTED_SECONDS:
        try:
            await_only(connection.driver_connection.execute("", timeout=ASKED_SECONDS))
        except Exception as error:
            raise InvalidatePoolError("the connection does not answer") from error


def _leave(_connection: Any, record: Any) -> None:
    record.info[LEFT] = time.monotonic()


def _look_as_everyone(connection: Connection) -> None:
    """A connection that looked as a tenant does not, for whoever takes it next."""
    fairy = connection.connection
    options = connection.get_execution_options()
    if options.get(KEPT_EYES) or fairy.info.get(EYES, EVERYONE) == EVERYONE:
        return
    try:
        # Past SQLAlchemy, which would begin a transaction that may be rolled back.
        driver: Any = fairy.dbapi_connection
        driver.run_async(lambda server: server.fetchrow(LOOK_AS, *EVERYONE))
    except Exception as error:
        connection.invalidate(error)
        raise OperationalError(LOOK_AS, EVERYONE, error) from error
    except BaseException:
        connection.invalidate()  # nobody else gives it back: who asked for it has none yet
        raise
    fairy.info[EYES] = EVERYONE


@asynccontextmanager
async def seeing(
    connections: Connections, schema: str, eyes: tuple[str, str] = EVERYONE
) -> AsyncIterator[Connected]:
    """A connection for statements that are transactions of their own, with these eyes on: a role
    and a tenant.

    The eyes stay with the connection: who comes next with the same ones need not put them on.
    """
    async with connections.one(schema, eyes) as found:
        if found.eyes != eyes:
            found.info[EYES] = None  # nobody's, until the server has said so
            with told_by_driver(LOOK_AS):
                await found.driver.fetchrow(LOOK_AS, *eyes)
            found.info[EYES] = eyes
        yield found


@asynccontextmanager
async def as_tenant(
    connections: Connections, schema: str, role: str, tenant_id: str
) -> AsyncIterator[AsyncConnection]:
    """A connection whose statements can read one tenant's rows and write none, by row-level
    security.
    """
    async with seeing(connections, schema, (role, tenant_id)) as found:
        yield found.db


@asynccontextmanager
async def writing(
    connections: Connections, schema: str, tenant_id: str, lock: int
) -> AsyncIterator[AsyncConnection]:
    """A transaction of the service that sees and writes one tenant's rows, or `EVERY_TENANT`'s, and
    shares the advisory lock. It begins at one go, whatever eyes the connection has on.

    Raises `DBAPIError` as statements do. It cannot be ended but by leaving it.
    """
    async with connections.one(schema) as found, within(found.db, tenant_id, lock):
        yield found.db


@asynccontextmanager
async def within(
    db: AsyncConnection, tenant_id: str, lock: int, then: str = ""
) -> AsyncIterator[str]:
    """As `writing`, on a connection that commits by itself. It goes on with the statement `then`;
    yields what the server said about the last one.
    """
    said = await _order(
        db,
        "begin; select set_config('role', 'none', true), "
        f"set_config('app.tenant_id', {_quoted(tenant_id)}, true), "
        f"pg_advisory_xact_lock_shared({lock}); {then}",
    )
    try:
        yield said
    except Exception:
        if not db.invalidated:  # else there is nothing to end
            await _order(db, "rollback")
        raise
    except BaseException:
        await db.invalidate()  # no time to wait for an answer: the server ends it
        raise
    if await _order(db, "commit") != "COMMIT":
        raise OperationalError("commit", None, RuntimeError("a statement had failed"))


async def _order(db: AsyncConnection, statements: str) -> str:
    """Run statements past SQLAlchemy, which sends one at a time and begins transactions itself.
    Returns what the server says about the last one.
    """
    try:
        return str(await driver_of(db).execute(statements))
    except DRIVER as error:
        await db.invalidate()
        raise OperationalError(statements, None, error) from error
    except BaseException:
        await db.invalidate()
        raise


def driver_of(db: AsyncConnection) -> Any:
    """The connection as asyncpg has it, for statements that SQLAlchemy need not see.

    Raises `DBAPIError` if it is gone.
    """
    connection = db.sync_connection
    if connection is None or connection.closed or connection.invalidated:
        raise OperationalError("", None, InterfaceError("the connection is gone"))
    fairy: Any = connection.connection
    return fairy.driver_connection


@contextmanager
def told_by_driver(statement: str) -> Iterator[None]:
    """Raises what SQLAlchemy would for errors that the driver tells of a statement."""
    try:
        yield
    except IntegrityConstraintViolationError as error:
        raise IntegrityError(statement, None, error) from error
    except DRIVER as error:
        raise OperationalError(statement, None, error) from error


def _quoted(value: str) -> str:
    """A literal of SQL, as `standard_conforming_strings` has it."""
    doubled = value.replace("'", "''")
    return f"'{doubled}'"


async def narrow(db: AsyncConnection, tenant_id: str) -> None:
    """Let the rest of this transaction see and write the rows of one tenant only."""
    await db.execute(NARROW, {"id": tenant_id})


def _address(url: str) -> URL:
    """For asyncpg, which SQLAlchemy hands libpq's `sslmode` under another name."""
    address = make_url(url).set(drivername="postgresql+asyncpg")
    mode = address.query.get("sslmode")
    if mode is None:
        return address
    return address.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})


def dumps(value: Any) -> str:
    """JSON as it is given to the driver."""
    return orjson.dumps(value).decode()


def is_away(error: BaseException | None) -> bool:
    """Whether an error says that the database cannot be asked just now, and nothing about what it
    was asked: it starts, stops, has no connection left, or one broke.
    """
    while error is not None:
        if isinstance(error, ConnectionError | PoolTimeout | InternalClientError):
            return True
        if isinstance(error, InterfaceError) and not isinstance(error, ValueError):
            return True
        if isinstance(error, PostgresError) and (error.sqlstate or "")[:2] in AWAY:
            return True
        error = error.__cause__
    return False
