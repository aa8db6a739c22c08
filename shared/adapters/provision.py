"""The database and its roles: one per service, that reads and writes only what it made itself.

Works on the embedded Postgres and, with an administrator's address, on any other from version 15.
"""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress

import asyncpg

from shared.kernel.errors import Unusable

DATABASE = "minirag"
SERVICE_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
PROVISION_LOCK = 7_103_218_005
"""Roles belong to the whole server; two provisioners at once would trip over each other."""
SCRAM_ITERATIONS = 4096
INHERIT_SINCE = 16


def role(service: str) -> str:
    """The role a service logs in as; it owns the service's schemas."""
    return f"minirag_{service}"


def reader_role(service: str) -> str:
    """The role under which a service reads for one tenant, held back by row-level security."""
    return f"minirag_{service}_reader"


async def provision(admin_dsn: str, services: Mapping[str, str]) -> None:
    """Make database and roles, and set the services' passwords. Safe to repeat.

    `services` maps names to passwords. Raises `Unusable` if a role has rights that would let it
    pass by row-level security, and `ValueError` for a name or password that cannot be used.
    """
    for name in services:
        if not SERVICE_NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot be the name of a service")
    verifiers = {name: scram_verifier(password) for name, password in services.items()}
    server = await asyncpg.connect(admin_dsn, timeout=10)
    try:
        await server.execute("select pg_advisory_lock($1)", PROVISION_LOCK)
        for name, verifier in verifiers.items():
            await _make_roles(server, name, verifier)
        await _refuse_powerful(server, [r for n in services for r in (role(n), reader_role(n))])
        known = await server.fetchval("select 1 from pg_database where datname = $1", DATABASE)
        if known is None:
            await server.execute(f"create database {DATABASE}")
        await _limit_database(server, list(services))
    finally:
        await server.close()
    database = await asyncpg.connect(admin_dsn, database=DATABASE, timeout=10)
    try:
        await database.execute("revoke all on schema public from public")
        await _let_scrub(database, list(services))
    finally:
        await database.close()


async def _make_roles(
    server: "asyncpg.Connection[asyncpg.Record]", name: str, verifier: str
) -> None:
    """The login does not inherit from the reader: it must say when it reads as one."""
    for made, can_login in ((role(name), "login"), (reader_role(name), "nologin")):
        if not await server.fetchval("select 1 from pg_roles where rolname = $1", made):
            await server.execute(
                f'create role "{made}" {can_login} noinherit nosuperuser nocreatedb '
                "nocreaterole noreplication nobypassrls"
            )
    await server.execute(f"alter role \"{role(name)}\" login password '{verifier}'")
    await server.execute(f'grant "{reader_role(name)}" to "{role(name)}"')


async def _refuse_powerful(server: "asyncpg.Connection[asyncpg.Record]", roles: list[str]) -> None:
    powerful = await server.fetch(
        "select rolname from pg_roles where rolname = any($1) "
        "and (rolsuper or rolbypassrls or rolcreaterole)",
        roles,
    )
    if powerful:
        names = ", ".join(sorted(row["rolname"] for row in powerful))
        raise Unusable(f"row-level security would not hold back {names}: take their rights away")


async def _limit_database(
    server: "asyncpg.Connection[asyncpg.Record]", services: list[str]
) -> None:
    await server.execute(f"revoke all on database {DATABASE} from public")
    for name in services:
        await server.execute(
            f'grant connect, create, temporary on database {DATABASE} to "{role(name)}"'
        )


async def _let_scrub(database: "asyncpg.Connection[asyncpg.Record]", services: list[str]) -> None:
    """Services may end a segment of the write-ahead log, which holds rows that were erased.

    A managed server may keep that to itself; its segments go with its own checkpoints.
    """
    # Roles do not inherit unless they are told; before version 16 there is no telling them.
    inherit = " with inherit true" if database.get_server_version().major >= INHERIT_SINCE else ""
    for name in services:
        with suppress(asyncpg.InsufficientPrivilegeError):
            await database.execute(f'grant pg_checkpoint to "{role(name)}"{inherit}')
            await database.execute(f'grant execute on function pg_switch_wal() to "{role(name)}"')


def scram_verifier(password: str) -> str:
    """What Postgres stores for a password: RFC 5803 as in RFC 5802 and 7677.

    Made here, so that the password itself is in no statement that a server may log. Raises
    `ValueError` if it is not plain ASCII, which would have to be normalised first (RFC 4013).
    """
    if not password or not password.isascii() or not password.isprintable():
        raise ValueError("a database password must be printable ASCII")
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, SCRAM_ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    parts = (base64.b64encode(part).decode() for part in (salt, stored, server))
    return "SCRAM-SHA-256${}:{}${}:{}".format(SCRAM_ITERATIONS, *parts)
