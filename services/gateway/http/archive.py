"""/v1/tenants/me/archive: all that is known of a tenant, to take away."""

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from services.gateway.http.context import OwnerDep
from shared.adapters.tenant_export import exported
from shared.kernel.errors import NotAuthenticated, NotPermitted
from shared.web.problem import responses

router = APIRouter(prefix="/v1/tenants", tags=["tenants"])
MEDIA_TYPE = "application/zip"
FILE = {"content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}}


@router.get(
    "/me/archive",
    response_class=StreamingResponse,
    responses={**responses(NotAuthenticated, NotPermitted), 200: FILE},
)
async def archive(caller: OwnerDep) -> StreamingResponse:
    """The tenant with its whole history as one ZIP file, personal text in clear, secrets left out.

    `minirag tenant import` takes it into another installation.
    """
    gateway = caller.gateway
    pieces = exported(gateway.event_log, gateway.blobs, gateway.vault, caller.tenant_id)
    name = f"minirag-{caller.tenant_id}.zip"
    headers = {"Content-Disposition": f"attachment; filename={name}"}
    return StreamingResponse(pieces, media_type=MEDIA_TYPE, headers=headers)
