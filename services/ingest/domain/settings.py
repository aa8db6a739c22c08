"""What an owner may set about a source of each type."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from services.ingest.domain.website import Website
from shared.contracts.ingest import Authority, SourceSettings, SourceType
from shared.contracts.scheduler import Rule
from shared.kernel.errors import InvalidCommand
from shared.kernel.slots import BadRule, check_rule

WEB = re.compile(r"https?://", re.IGNORECASE)
REMOTE_RESULTS = 100
"""Results that a remote knowledge API may be asked for at most, per question."""
AUTHORITIES: tuple[Authority, ...] = ("mandatory", "guideline", "informational")


def merged(settings: SourceSettings, changes: Mapping[str, Any]) -> SourceSettings:
    """`settings` with `changes`. Raises `InvalidCommand` with the field at fault."""
    try:
        return SourceSettings.model_validate(settings.model_dump() | dict(changes))
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0])
        raise InvalidCommand(f"{field}: {first['msg']}", field=field) from error


def check_settings(source_type: SourceType, settings: SourceSettings, below: str = "") -> None:
    """Raise `InvalidCommand` for a config that its type cannot mean; `below` names where it stands.

    What is absent is not refused: a parent of pages has no address of its own, and a source that
    cannot be ingested says so when it is.
    """
    config = settings.config
    if "api_token" in config:
        raise InvalidCommand("a token must not stand in a config", field=f"{below}config.api_token")
    if source_type == "url":
        _address(config, "url", "a url source needs an http or https address", below)
    if source_type == "nyxcore":
        _address(config, "base_url", "base_url must be an http or https address", below)
        _remote(config, below)
    if source_type == "website":
        Website.of(config, below)
    _refresh(settings, below)


def _refresh(settings: SourceSettings, below: str) -> None:
    cron, zone = settings.refresh_cron, settings.refresh_time_zone
    if cron is None:
        if zone is not None:
            raise InvalidCommand(
                "a time zone goes with refresh_cron", field=f"{below}refresh_time_zone"
            )
        return
    if settings.refresh_schedule not in (None, "none"):
        raise InvalidCommand(
            "give either refresh_schedule or refresh_cron", field=f"{below}refresh_cron"
        )
    try:
        check_rule(Rule(cron=cron, time_zone=zone or "UTC"))
    except BadRule as error:
        raise InvalidCommand(str(error), field=f"{below}refresh_{error.field}") from error


def _address(config: Mapping[str, Any], name: str, detail: str, below: str) -> None:
    if name not in config:
        return
    value = config[name]
    if not isinstance(value, str) or not WEB.match(value):
        raise InvalidCommand(detail, field=f"{below}config.{name}")


def _remote(config: Mapping[str, Any], below: str) -> None:
    limit = config.get("limit", 10)
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= REMOTE_RESULTS:
        raise InvalidCommand(
            f"limit must be a whole number from 1 to {REMOTE_RESULTS}", field=f"{below}config.limit"
        )
    authority = config.get("authority") or []
    if not isinstance(authority, list) or any(one not in AUTHORITIES for one in authority):
        raise InvalidCommand(
            f"authority must be a list of {', '.join(AUTHORITIES)}",
            field=f"{below}config.authority",
        )
