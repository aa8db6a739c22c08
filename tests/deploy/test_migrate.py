"""`minirag migrate` on a database that somebody else manages."""

import asyncpg
import pytest

from shared.adapters.postgres import create_engine
from shared.cli.migrate import migrate
from shared.embedded.ports import LOOPBACK
from tests.deploy.containers import Containers, database
from tests.harness import reachable


@pytest.mark.slow
@pytest.mark.timeout(600)
class TestAnAdministratorWhoIsNoSuperuser:
    async def test_is_enough(
        self, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found = Containers(reachable(tmp_path_factory, "managed"))
        async with database(found):
            admin = found.here(found.secret("MINIRAG_ADMIN_DATABASE_URL"))
            server = await asyncpg.connect(admin)
            await server.execute(
                "create role manager login createdb createrole nosuperuser password 'm1'"
            )
            await server.close()
            for name, value in found.environment("migrate").items():
                monkeypatch.setenv(name, value)
            port = found.ports["postgres"]
            address = f"postgresql+asyncpg://manager:m1@{LOOPBACK}:{port}/postgres"
            monkeypatch.setenv("MINIRAG_ADMIN_DATABASE_URL", address)
            await migrate()
            await migrate()
            own = await asyncpg.connect(found.here(found.secret("MINIRAG_CHAT_DATABASE_URL")))
            assert await own.fetchval("select current_user") == "minirag_chat"
            await own.execute("create schema chat_bots")
            await own.close()


class TestTheAddressOfADatabase:
    @pytest.mark.parametrize("mode", ["require", "verify-full"])
    async def test_asks_for_tls_in_libpq_s_words(self, mode: str) -> None:
        engine = create_engine(f"postgresql://u:m1@db.example.com/minirag?sslmode={mode}", "test")
        _, arguments = engine.dialect.create_connect_args(engine.url)
        await engine.dispose()
        assert arguments["ssl"] == mode
        assert "sslmode" not in arguments

    async def test_stays_as_it_is_otherwise(self) -> None:
        engine = create_engine("postgresql://u:m1@db.example.com/minirag", "test")
        await engine.dispose()
        assert engine.url.query == {}
        assert engine.url.drivername == "postgresql+asyncpg"
