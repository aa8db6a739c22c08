"""POST /v1/sources/upload."""

from pathlib import PureWindowsPath
from typing import Annotated, Any

from fastapi import APIRouter, Request, status
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from services.gateway.http.admission import admit
from services.gateway.http.context import AdminDep, Id
from services.gateway.http.source_fields import (
    Description,
    Language,
    Name,
    SourceOut,
    get_source,
    present,
)
from shared.contracts.ingest import UPLOAD_TYPES, CreateSource, SourceSettings
from shared.contracts.ingest_backlog import AskAdmission
from shared.kernel.errors import (
    BacklogFull,
    InvalidCommand,
    NotAuthenticated,
    NotFound,
    NotPermitted,
)
from shared.web.problem import responses

router = APIRouter(prefix="/v1/sources", tags=["sources"])

MEGABYTES = 10
FILE_LIMIT = MEGABYTES * 1024 * 1024
"""Bytes of a file, inclusive."""
BODY_LIMIT = 4 * FILE_LIMIT
"""Bytes of the request. More than a file may have, for who sends a larger one is to be told so."""
NAME_LENGTH = 255
FIELDS = 16
FIELD_BYTES = 16_384


def _left_empty(value: Any) -> Any:
    """A form sends a field that nobody filled in as an empty text."""
    return value or None


class UploadIn(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    file: UploadFile
    bot_profile_id: Id
    name: Name | None = None
    description: Description = ""
    parent_id: Annotated[Id | None, BeforeValidator(_left_empty)] = None
    language: Annotated[Language | None, BeforeValidator(_left_empty)] = None


FORM = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file", "bot_profile_id"],
                "properties": {
                    "file": {
                        "type": "string",
                        "format": "binary",
                        "description": f"{', '.join(UPLOAD_TYPES)}; {MEGABYTES} MB at most.",
                    },
                    "bot_profile_id": {"type": "string", "format": "uuid"},
                    "name": {"type": "string", "maxLength": NAME_LENGTH},
                    "description": {"type": "string", "maxLength": 1000},
                    "parent_id": {"type": "string", "format": "uuid"},
                    "language": {"type": "string", "pattern": "^[a-z]{2}$"},
                },
            }
        }
    },
}


@router.post(
    "/upload",
    status_code=status.HTTP_201_CREATED,
    responses=responses(NotAuthenticated, NotPermitted, NotFound, InvalidCommand, BacklogFull),
    openapi_extra={"requestBody": FORM},
)
async def upload(request: Request, caller: AdminDep) -> SourceOut:
    """Add a file as a source. Its ingestion starts at once; the answer shows the source before it.

    The file goes to disk while it comes in, and from there to the blob store.
    """
    form = await _form(request)
    try:
        body = _checked(dict(form))
        filename = _filename(body.file.filename)
        media_type = _media_type(filename)
        if (body.file.size or 0) > FILE_LIMIT:
            detail = f"File too large. Maximum size is {MEGABYTES} MB."
            raise InvalidCommand(detail, field="file")
        await admit(
            caller, AskAdmission(bot_profile_id=body.bot_profile_id, parent_id=body.parent_id)
        )
        source_id = caller.id_for("source")
        settings = SourceSettings(
            name=body.name or filename,
            description=body.description,
            config={"original_filename": filename, "file_size": body.file.size or 0},
            content_ref=await caller.gateway.blobs.put_file(caller.tenant_id, body.file.file),
            media_type=media_type,
            language=body.language,
        )
    finally:
        await form.close()
    await caller.order(
        CreateSource(
            source_id=source_id,
            bot_profile_id=body.bot_profile_id,
            parent_id=body.parent_id,
            source_type="upload",
            settings=settings,
            ingest=True,
        )
    )
    created = await get_source(caller, source_id)
    before = {"status": "pending", "document_count": 0, "chunk_count": 0, "error_message": None}
    return present(created.model_copy(update=before))


async def _form(request: Request) -> FormData:
    try:
        return await request.form(max_files=1, max_fields=FIELDS, max_part_size=FIELD_BYTES)
    except HTTPException as error:
        raise InvalidCommand(f"The form cannot be read: {error.detail}") from error


def _checked(fields: dict[str, Any]) -> UploadIn:
    """Raise the validation error that a JSON body would have."""
    try:
        return UploadIn.model_validate(fields)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False)
        raise RequestValidationError(
            [{**one, "loc": ("body", *one["loc"]), "input": _shown(one["input"])} for one in found]
        ) from error


def _shown(value: Any) -> Any:
    """What a client sent, as its error repeats it: of a form nothing, of a field its text."""
    return value if isinstance(value, str) else None


def _filename(given: str | None) -> str:
    """The last part of the name, whatever system it comes from."""
    name = PureWindowsPath(given or "").name.replace("\x00", "").strip()
    if not name:
        raise InvalidCommand("The file needs a name", field="file")
    return name[-NAME_LENGTH:]


def _media_type(filename: str) -> str:
    """Raise `InvalidCommand`, in the words of the contract."""
    ending = PureWindowsPath(filename).suffix.lower()
    media_type = UPLOAD_TYPES.get(ending)
    if media_type is None:
        allowed = ", ".join(sorted(UPLOAD_TYPES))
        raise InvalidCommand(f"Unsupported file type: {ending}. Allowed: {allowed}", field="file")
    return media_type
