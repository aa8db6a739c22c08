"""`minirag config check`: the settings, read as the services do, before anything is started.

It loads settings alone, none of what a service is made of.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module

import typer.main
from pydantic import AliasChoices, ValidationError
from pydantic.fields import FieldInfo

from shared.embedded.surroundings import SERVICES
from shared.kernel.errors import Unusable
from shared.runtime.settings import (
    SECRETS_DIR,
    BackupSettings,
    Configuration,
    ProvisioningSettings,
    complaints,
)

PREFIX = "MINIRAG_"
OTHERS: tuple[type[Configuration], ...] = (BackupSettings, ProvisioningSettings)
OURS = frozenset({SECRETS_DIR, "MINIRAG_NATS_PASSWORD"})
"""Of no settings: where secrets lie, and what the broker's own configuration reads."""


def check(services: Sequence[str], app: typer.Typer) -> bool:
    """Tell everything that is wrong, a line each, and whether nothing is.

    Raises `Unusable` for a service that is not here.
    """
    wanted = SERVICES if list(services) == ["all"] else services
    wrong = 0
    for service in wanted:
        try:
            _settings(service)()
        except ValidationError as error:
            for line in complaints(error):
                wrong += 1
                _say(f"{service}: {line}")
    if wanted is SERVICES:
        for name in _unknown(app):
            _say(f"{name}: nobody reads a variable of this name")
            wrong += 1
    if not wrong:
        _say(f"the settings of {', '.join(wanted)} are complete")
    return not wrong


def _settings(service: str) -> type[Configuration]:
    try:
        found: type[Configuration] = import_module(f"services.{service}.settings").Settings
    except ModuleNotFoundError:
        raise Unusable(f"there is no service {service!r} here") from None
    return found


def _unknown(app: typer.Typer) -> list[str]:
    """Variables that look like ours and are not."""
    known = {
        name
        for settings in [*map(_settings, SERVICES), *OTHERS]
        for field, info in settings.model_fields.items()
        for name in _names(field, info)
    }
    known |= OURS | set(_options(app))
    own = {name for name in os.environ if name.startswith(PREFIX)}  # noqa: TID251  only the names
    return sorted(own - known)


def _names(field: str, info: FieldInfo) -> list[str]:
    match info.validation_alias:
        case AliasChoices(choices=choices):
            return [str(choice) for choice in choices]
        case str() as name:
            return [name]
        case _:
            return [f"{PREFIX}{field.upper()}"]


def _options(app: typer.Typer) -> Iterator[str]:
    """Variables that stand for options of commands."""
    group = typer.main.get_group(app)
    for command in group.commands.values():
        for parameter in command.params:
            named = parameter.envvar or ()
            yield from [named] if isinstance(named, str) else named


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
