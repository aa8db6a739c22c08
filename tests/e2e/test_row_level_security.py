"""What Postgres itself holds back, whatever a service asks."""

import json
from collections.abc import AsyncIterator

import asyncpg
import pytest

from shared.embedded.surroundings import SERVICES
from tests.e2e import inside
from tests.harness import Installation, Tenant

TABLES = """
    select n.nspname as schema, c.relname as name, c.relrowsecurity as enabled,
        c.relforcerowsecurity as forced, r.rolname as owner,
        array(select pg_get_expr(p.polqual, p.polrelid) from pg_policy p
              where p.polrelid = c.oid) as used,
        array(select rolname::text || ' ' || p.polcmd::text from pg_policy p,
              unnest(p.polroles) as of join pg_roles on pg_roles.oid = of
              where p.polrelid = c.oid) as policies
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    join pg_roles r on r.oid = c.relowner
    where c.relkind in ('r', 'p') and n.nspname not like 'pg_%'
        and n.nspname <> 'information_schema'
        and exists (select from pg_attribute a where a.attrelid = c.oid
            and a.attname = 'tenant_id' and not a.attisdropped)
"""


async def connect(installation: Installation, service: str) -> asyncpg.Connection:
    secrets = json.loads((installation.data_dir / "secrets.json").read_text())
    ports = json.loads((installation.data_dir / "ports.json").read_text())
    return await asyncpg.connect(
        host="127.0.0.1",
        port=ports["postgres"],
        user=f"minirag_{service}",
        password=secrets["database_passwords"][service],
        database="minirag",
        ssl=False,
    )


@pytest.fixture
async def admin(installation: Installation) -> AsyncIterator[asyncpg.Connection]:
    db = await inside.connect(installation.data_dir)
    yield db
    await db.close()


async def test_every_table_with_tenants_is_secured_and_that_for_its_owner_too(
    admin: asyncpg.Connection, tenant: Tenant
) -> None:
    tables = await admin.fetch(TABLES)
    schemas = {table["schema"] for table in tables}
    assert schemas >= set(inside.READ_MODELS)
    for table in tables:
        name = f"{table['schema']}.{table['name']}"
        service = table["schema"].split("_")[0]
        assert table["owner"] == f"minirag_{service}", name
        assert table["enabled"], name
        assert table["forced"], name
        expected = [f"minirag_{service} *", f"minirag_{service}_reader r"]
        assert sorted(table["policies"]) == expected, name
        assert all("tenant_id = current_setting" in rule for rule in table["used"]), name


async def test_no_role_of_a_service_passes_by(admin: asyncpg.Connection) -> None:
    powerful = await admin.fetch(
        "select rolname from pg_roles where rolname like 'minirag%' "
        "and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication)"
    )
    assert powerful == []


async def test_no_service_reads_what_belongs_to_another(
    installation: Installation, admin: asyncpg.Connection
) -> None:
    tables = await admin.fetch(TABLES)
    assert len({table["schema"] for table in tables}) > 1
    for service in SERVICES:
        db = await connect(installation, service)
        try:
            for table in tables:
                if table["schema"].split("_")[0] == service:
                    continue
                name = f'"{table["schema"]}"."{table["name"]}"'
                for attempt in ("select * from", "delete from", "drop table"):
                    with pytest.raises(asyncpg.InsufficientPrivilegeError):
                        await db.execute(f"{attempt} {name}")
        finally:
            await db.close()


async def test_a_service_that_acts_for_one_tenant_reaches_no_other(
    installation: Installation, tenant: Tenant, other_tenant: Tenant
) -> None:
    db = await connect(installation, "gateway")
    users = "gateway_identity.users"
    try:
        with pytest.raises(asyncpg.UndefinedObjectError):
            await db.fetch(f"select * from {users}")
        for role in ("minirag_gateway", "minirag_gateway_reader"):
            async with db.transaction():
                await db.execute("select set_config('role', $1, true)", role)
                await db.execute("select set_config('app.tenant_id', $1, true)", tenant.id)
                seen = await db.fetch(f"select distinct tenant_id from {users}")
                assert [row["tenant_id"] for row in seen] == [tenant.id]
        trial = db.transaction()
        await trial.start()
        await db.execute("select set_config('app.tenant_id', $1, true)", tenant.id)
        steal = f"update {users} set role = 'member' where tenant_id = $1"
        assert await db.execute(steal, other_tenant.id) == "UPDATE 0"
        assert await db.execute(steal, tenant.id) == "UPDATE 1"
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await db.execute(
                "insert into gateway_identity.known_addresses values ($1, 'u', 'a', now())",
                other_tenant.id,
            )
        await trial.rollback()
    finally:
        await db.close()


async def test_who_reads_without_a_tenant_sees_nothing(installation: Installation) -> None:
    db = await connect(installation, "gateway")
    try:
        for scope in ("", "*"):
            async with db.transaction():
                await db.execute("select set_config('app.tenant_id', $1, true)", scope)
                await db.execute("set local role minirag_gateway_reader")
                assert await db.fetch("select * from gateway_identity.users") == []
    finally:
        await db.close()
