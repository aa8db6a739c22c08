"""Every service looks the same, and its card says what is true of it."""

import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from docs.configuration import settings_of
from docs.wiring import wiring
from shared.contracts.base import Command, Event, Question
from shared.kernel.registry import released
from shared.runtime.process import SERVICES
from shared.runtime.settings import ServiceSettings
from tests.architecture.extras import ROOT

CANONICAL = {
    "__init__", "main", "settings", "domain", "handlers", "reactions", "projections", "queries",
    "ports", "tables", "adapters", "http",
}  # fmt: skip
BESIDE = {"gateway": {"ui"}}
"""Folders that hold no Python: what a browser runs."""
MESSAGE_NAME = re.compile(r"(?:[A-Z][a-z]+){2,}")
KNOWN = {cls.__name__ for kind in (Command, Event, Question) for cls in released(kind)}
ADDRESS_NAMES = re.compile(r"_(url|uri|dsn|host|address|endpoint|server)$|^(url|dsn)$")
SECRET_NAMES = re.compile(r"(secret|password|token|_key|credential)")


def card(service: str) -> dict[str, str]:
    """The sections of a service's card, by their first word."""
    sections: dict[str, str] = {}
    label = ""
    for line in inspect.cleandoc(import_module(f"services.{service}").__doc__ or "").splitlines():
        started = re.match(r"(\w+)\s{2,}(.*)", line)
        if started:
            label = started[1]
            sections[label] = started[2]
        elif line.startswith(" "):
            sections[label] = f"{sections.get(label, '')} {line}"
    return sections


def messages_in(text: str) -> set[str]:
    """Words that are the name of a message, or look like one that is gone."""
    words = set(re.findall(r"\w+", text))
    return (words & KNOWN) | {word for word in words if MESSAGE_NAME.fullmatch(word)}


@pytest.mark.parametrize("service", SERVICES)
class TestAService:
    def test_has_the_canonical_files_and_no_others(self, service: str) -> None:
        folder = ROOT / "services" / service
        found = {item.stem for item in folder.iterdir() if item.name != "__pycache__"}
        assert found <= CANONICAL | BESIDE.get(service, set())
        assert {"__init__", "main", "settings"} <= found

    def test_has_a_card_that_says_what_it_owns_and_answers(self, service: str) -> None:
        assert {"Owns", "Answers"} <= set(card(service))

    def test_is_wired_as_its_card_says(self, service: str) -> None:
        main, said = wiring(import_module(f"services.{service}.main")), card(service)
        for section, classes in (
            ("Takes", main.takes),
            ("Answers", main.answers),
            ("Projects", main.projects),
            ("Reacts", main.reacts),
            (
                "Emits",
                [
                    e
                    for e in released(Event)
                    if e.__module__.startswith(f"shared.contracts.{service}")
                ],
            ),
        ):
            wired = {found.__name__ for found in classes}
            assert messages_in(said.get(section, "")) == wired, section

    def test_builds_and_has_settings(self, service: str) -> None:
        main = import_module(f"services.{service}.main")
        assert inspect.iscoroutinefunction(main.build)
        assert issubclass(main.Settings, ServiceSettings)


def test_every_service_is_in_the_list_of_services() -> None:
    assert {file.parent.name for file in (ROOT / "services").glob("*/__init__.py")} == set(SERVICES)


SETTINGS = [(service, name) for service in SERVICES for name in settings_of(service).model_fields]


@pytest.mark.parametrize(("service", "name"), SETTINGS)
def test_a_setting_is_explained_and_guesses_no_address_and_no_secret(
    service: str, name: str
) -> None:
    assert faults(name, settings_of(service).model_fields[name]) == []


def faults(name: str, field: FieldInfo) -> list[str]:
    """What is wrong with a setting."""
    found = []
    if not field.description:
        found.append("no docstring")
    guessed = field.default not in (PydanticUndefined, None) or field.default_factory is not None
    secret = "SecretStr" in str(field.annotation) or SECRET_NAMES.search(name)
    if guessed and (secret or ADDRESS_NAMES.search(name)):
        found.append("a default that must not be guessed")
    return found


class TestTheChecksThemselves:
    def test_a_setting_can_be_faulty(self) -> None:
        class Settings(ServiceSettings):
            quiet: bool = False
            admin_password: str = "admin"
            """Of the administrator."""
            peer_url: str = "http://127.0.0.1"
            """Where the other one is."""
            key: SecretStr = SecretStr("0000")
            """Seals."""

        fields: Any = Settings.model_fields
        assert faults("quiet", fields["quiet"]) == ["no docstring"]
        for name in ("admin_password", "peer_url", "key"):
            assert faults(name, fields[name]) == ["a default that must not be guessed"]

    def test_a_card_is_read_in_sections(self) -> None:
        assert messages_in(card("chat")["Takes"]) >= {"CreateBotProfile", "AskQuestion"}
        assert "Takes" not in card("scheduler")


def test_the_canonical_files_are_those_of_the_import_rule() -> None:
    rule = (Path(ROOT) / "pyproject.toml").read_text().split('id = "service-shape"')[1]
    layers = rule.split("layers = [")[1].split("]")[0]
    assert set(re.findall(r"\((\w+)\)", layers)) == CANONICAL - {"__init__"}
