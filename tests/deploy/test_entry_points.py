"""Every container's command and environment, run as a process here, make a working product."""

import signal
import ssl
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import nats
import pytest

from shared.embedded.ports import LOOPBACK
from tests.deploy.compose import OURS
from tests.deploy.containers import Containers, containers, database
from tests.deploy.manifests import kinds, rendered
from tests.deploy.smoke import smoke
from tests.harness import Tenant, eventually, reachable
from tests.subscribing import over_websocket

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    with containers(reachable(tmp_path_factory, "compose")) as found:
        yield found


@pytest.fixture(scope="module")
async def stores(fresh: Containers) -> AsyncIterator[Containers]:
    """Broker and database, and the database provisioned by the container `migrate`."""
    async with database(fresh):
        fresh.start_nats()
        for _ in range(2):  # a Job may be repeated
            done = fresh.run("migrate")
            assert done.returncode == 0, done.stderr
        yield fresh


@pytest.fixture(scope="module")
def running(stores: Containers) -> Iterator[Containers]:
    """All six services, and the proxy before them. At the end they stop when they are told to."""
    for name in OURS:
        stores.start(name)
    for name in OURS:
        stores.healthy(name)
    stores.start_caddy()
    yield stores
    assert {name: stores.stop(name) for name in OURS} == dict.fromkeys(OURS, 0)


class TestTheWholeStack:
    def test_answers_through_the_proxy_with_tls(self, running: Containers) -> None:
        smoke(f"https://localhost:{running.ports['https']}", verify=False)

    async def test_lets_subscribers_with_a_token_into_the_broker_through_the_proxy(
        self, running: Containers
    ) -> None:
        port = running.ports["https"]
        tenant = Tenant(f"https://localhost:{port}", f"feed-{uuid.uuid4().hex[:12]}", verify=False)
        tenant.close()
        tls = ssl._create_unverified_context()  # noqa: S323  the proxy's own authority signed it
        assert b"PONG" in await over_websocket(port, {"auth_token": tenant.token}, tls=tls)
        refused = await over_websocket(port, {"auth_token": f"{tenant.token}x"}, tls=tls)
        assert b"Authorization Violation" in refused

    def test_the_proxy_sends_plain_http_to_tls(self, running: Containers) -> None:
        answer = httpx.get(
            f"http://localhost:{running.ports['http']}/docs", trust_env=False, timeout=60
        )
        assert answer.status_code == 308
        assert answer.headers["location"].startswith("https://localhost/")

    def test_the_proxy_s_own_probe_answers(self, running: Containers) -> None:
        url = f"http://{LOOPBACK}:{running.ports['probe']}/healthz"
        assert httpx.get(url, trust_env=False, timeout=60).status_code == 200

    async def test_the_broker_has_the_consumers_that_kubernetes_scales_by(
        self, running: Containers
    ) -> None:
        client = await nats.connect(running.here(running.secret("NATS_URL")))
        have = set()
        for stream in ("EVENTS", "JOBS"):
            infos = await client.jetstream().consumers_info(stream)
            have |= {(stream, info.config.durable_name) for info in infos}
        await client.close()
        wanted = {
            (trigger["metadata"]["stream"], trigger["metadata"]["consumer"])
            for scaled in kinds(rendered("ha"), "ScaledObject")
            for trigger in scaled["spec"]["triggers"]
            if trigger["type"] == "nats-jetstream"
        }
        assert wanted
        assert wanted - have == set()

    @pytest.mark.parametrize("name", OURS)
    def test_every_service_stays_below_half_of_its_memory(
        self, name: str, running: Containers
    ) -> None:
        limit = running.services[name]["deploy"]["resources"]["limits"]["memory"]
        factor = {"m": 2**20, "g": 2**30}[limit[-1]]
        assert running.memory(name) < int(limit[:-1]) * factor / 2


class TestTheProbe:
    @pytest.mark.parametrize("name", OURS)
    def test_tells_that_a_service_lives(self, name: str, running: Containers) -> None:
        done = running.probe(name, "--live")
        assert (done.returncode, done.stderr) == (0, "")

    @pytest.mark.parametrize("name", ["ingest", "gateway"])
    def test_tells_when_the_very_process_hangs(self, name: str, running: Containers) -> None:
        running.signal(name, signal.SIGSTOP)
        try:
            done = running.probe(name)
            assert done.returncode == 1
            assert done.stderr.startswith("minirag: ")
        finally:
            running.signal(name, signal.SIGCONT)
        running.healthy(name)

    def test_of_the_gateway_does_not_fail_because_another_service_is_away(
        self, running: Containers
    ) -> None:
        try:
            assert running.stop("analytics") == 0
            assert running.probe("analytics").returncode == 1
            assert running.probe("analytics", "--live").returncode == 0  # for half a minute
            url = f"http://{LOOPBACK}:{running.ports['gateway']}/v1/system/health"
            eventually(
                lambda: httpx.get(url, trust_env=False, timeout=60).json()["status"] == "degraded"
            )
            assert running.probe("gateway").returncode == 0
        finally:
            running.start("analytics")
        running.healthy("analytics")

    def test_of_liveness_says_so_when_there_is_no_heartbeat(self, running: Containers) -> None:
        (running.folder / "containers" / "webhooks" / "minirag.alive").unlink()
        running.signal("webhooks", signal.SIGSTOP)
        (running.folder / "containers" / "webhooks" / "minirag.alive").unlink(missing_ok=True)
        try:
            assert running.probe("webhooks", "--live").returncode == 1
        finally:
            running.signal("webhooks", signal.SIGCONT)


class TestRefusals:
    def test_a_placeholder_keeps_a_service_from_starting(
        self, fresh: Containers, tmp_path: Path
    ) -> None:
        env = {**fresh.environment("scheduler"), "MINIRAG_VAULT_KEY": "change-me"}
        done = fresh._command(fresh.argv("scheduler"), env)
        assert done.returncode == 78
        (line,) = done.stderr.splitlines()
        assert line.startswith("minirag: MINIRAG_VAULT_KEY: empty or a placeholder;")

    def test_migrate_takes_no_address_of_another_role(self, fresh: Containers) -> None:
        wrong = "postgresql://postgres:m1@127.0.0.1:1/minirag"
        env = {**fresh.environment("migrate"), "MINIRAG_CHAT_DATABASE_URL": wrong}
        done = fresh._command(fresh.argv("migrate"), env)
        assert done.returncode == 78
        assert "MINIRAG_CHAT_DATABASE_URL must name the role minirag_chat" in done.stderr

    def test_migrate_says_in_a_line_that_postgres_is_away(self, fresh: Containers) -> None:
        env = fresh.environment("migrate") | {
            "MINIRAG_ADMIN_DATABASE_URL": "postgresql://postgres:m1@127.0.0.1:1/postgres"
        }
        done = fresh._command(fresh.argv("migrate"), env)
        assert done.returncode == 1
        assert done.stderr.startswith("minirag: Postgres could not be provisioned")
        assert "m1@" not in done.stderr
