"""What a source looks like to clients, and what becomes of the parts they send."""

import re
from typing import Annotated, Any

from pydantic import BaseModel, Field

from services.gateway.http.context import Caller, Id, JsonObject, Text, Timestamp
from shared.contracts.ingest import (
    BATCH_CHILDREN,
    Authority,
    GetSource,
    RefreshSchedule,
    SourceSettings,
    SourceStatus,
    SourceType,
    SourceView,
)
from shared.kernel.errors import InvalidCommand
from shared.kernel.ids import new_id

TOKEN = "api_token"  # noqa: S105  a field's name
SERVER_SIDE = frozenset({TOKEN, "has_api_token", "encrypted_token"})
"""Members of a config that are not kept in it: clients send back what they read."""
TOKEN_TEXT = re.compile(r"[\x21-\x7e]{0,4096}")
"""What can be sent in a header."""

Name = Annotated[Text, Field(max_length=255)]
Language = Annotated[str, Field(pattern=r"^[a-z]{2}$", description="ISO 639-1.")]
Description = Annotated[Text, Field(max_length=1000)]
Cron = Annotated[Text, Field(max_length=100)]
"""A cron expression, or the name of a time zone."""


class ChildIn(BaseModel):
    name: Name
    description: Description = ""
    source_type: SourceType
    config: JsonObject = Field(default_factory=dict)
    content: Text | None = None


class SourceIn(ChildIn):
    bot_profile_id: Id
    parent_id: Id | None = None
    refresh_schedule: RefreshSchedule | None = None
    refresh_cron: Cron | None = None
    refresh_time_zone: Cron | None = None
    authority: Authority | None = None
    language: Language | None = None


class SourcePatch(BaseModel):
    name: Name = ""
    description: Description = ""
    config: JsonObject = Field(default_factory=dict)
    content: Text | None = None
    is_active: bool = True
    refresh_schedule: RefreshSchedule | None = None
    refresh_cron: Cron | None = None
    refresh_time_zone: Cron | None = None
    authority: Authority | None = None
    language: Language | None = None


class BatchIn(BaseModel):
    bot_profile_id: Id
    name: Name
    description: Description = ""
    source_type: SourceType = "url"
    children: Annotated[list[ChildIn], Field(max_length=BATCH_CHILDREN)]


class SourceOut(BaseModel):
    id: str
    tenant_id: str
    bot_profile_id: str
    parent_id: str | None
    name: str
    description: str
    source_type: SourceType
    status: SourceStatus
    config: dict[str, Any]
    document_count: int
    chunk_count: int
    error_message: str | None
    is_active: bool
    refresh_schedule: RefreshSchedule | None
    refresh_cron: str | None
    refresh_time_zone: str | None
    authority: Authority | None
    language: str | None
    revision: int
    last_refreshed_at: Timestamp | None
    next_refresh_at: Timestamp | None
    children_count: int
    created_at: Timestamp
    updated_at: Timestamp


def present(source: SourceView) -> SourceOut:
    return SourceOut.model_validate(source.model_dump())


async def settings_of(caller: Caller, body: ChildIn, **more: Any) -> SourceSettings:
    """Settings of a new source: its content in the blob store, its token in the vault."""
    return SourceSettings(
        name=body.name,
        description=body.description,
        content_ref=await kept_content(caller, body.content),
        **await kept_config(caller, body.config),
        **more,
    )


async def kept_content(caller: Caller, content: str | None) -> str | None:
    """Where the text was put; None if there is none."""
    if content is None:
        return None
    return await caller.gateway.blobs.put(caller.tenant_id, content.encode())


async def kept_config(
    caller: Caller, config: dict[str, Any], field: str = "config"
) -> dict[str, Any]:
    """`config` without its token, and `token_ref`: where in the vault that lies now."""
    token = config.get(TOKEN)
    if token is not None and not (isinstance(token, str) and TOKEN_TEXT.fullmatch(token)):
        raise InvalidCommand(
            f"{TOKEN} must be a text of visible ASCII characters", field=f"{field}.{TOKEN}"
        )
    ref = None
    if token:
        ref = f"source-token/{new_id()}"
        await caller.gateway.vault.put(caller.tenant_id, ref, token.encode())
    kept = {name: value for name, value in config.items() if name not in SERVER_SIDE}
    return {"config": kept, "token_ref": ref}


async def get_source(caller: Caller, source_id: str) -> SourceView:
    return await caller.ask(GetSource(source_id=source_id), SourceView)
