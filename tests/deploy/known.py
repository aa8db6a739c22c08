"""Which environment variables mean something, and to whom."""

from collections.abc import Iterable
from importlib import import_module

from pydantic import AliasChoices

from shared.runtime.settings import Configuration, ProvisioningSettings

COMMAND = {"MINIRAG_SECRETS_DIR", "MINIRAG_SERVICE"}
"""Read before any settings are."""

THIRD_PARTY = {
    "AWS_REGION": "obstore: where the bucket is",
    "HOME": "libraries that look for a cache",
    "PATH": "the shell's",
    "PYTHONDONTWRITEBYTECODE": "Python",
    "PYTHONUNBUFFERED": "Python",
}


def names(settings: type[Configuration]) -> set[str]:
    """Every variable that these settings read."""
    found: set[str] = set()
    for field, info in settings.model_fields.items():
        match info.validation_alias:
            case AliasChoices(choices=choices):
                found |= {str(choice) for choice in choices}
            case str() as name:
                found.add(name)
            case _:
                found.add(f"MINIRAG_{field.upper()}")
    return found


def settings_of(service: str) -> type[Configuration]:
    """`migrate` is no service, but reads settings too."""
    if service == "migrate":
        return ProvisioningSettings
    found: type[Configuration] = import_module(f"services.{service}.settings").Settings
    return found


def unknown(service: str, variables: Iterable[str]) -> set[str]:
    """Those of `variables` that nothing in this service's container reads."""
    return set(variables) - names(settings_of(service)) - COMMAND - set(THIRD_PARTY)
