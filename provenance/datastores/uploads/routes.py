"""Routes of the uploads (spec/automation.md, row 96, and the addresses it gives out)."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query

from provenance.core.actor import Actor, Role, Scope
from provenance.core.routing import Route, require
from provenance.datastores.dependencies import BaseUrl, RunningDatastores, sent
from provenance.datastores.uploads import beginning, taking
from provenance.datastores.uploads.schemas import UploadAsked, Uploaded, UploadUrl
from provenance.datastores.uploads.taking import Address, Sent

router = APIRouter(route_class=Route, tags=["uploads"])

Id = Annotated[str, Path(max_length=64)]
_BODY: dict[str, Any] = {
    "requestBody": {
        "description": "The bytes of the object, or of the part that Content-Range names.",
        "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
    }
}


async def address(
    upload_id: Id,
    workspace: Annotated[str, Query(max_length=64)],
    signature: Annotated[str, Query(max_length=128)],
) -> Address:
    """Return what the address of an upload says."""
    return Address(upload_id, workspace, signature)


Addressed = Annotated[Address, Depends(address)]


@router.post("/datastores/{datastore_id}/upload-url", operation_id="uploads.begin")
async def begin(
    datastore_id: str,
    body: UploadAsked,
    actor: Annotated[Actor, require(Scope.DATA_WRITE, Role.EDITOR)],
    running: RunningDatastores,
    base_url: BaseUrl,
) -> UploadUrl:
    """Announce an object and get the address that takes its bytes, once, within 15 minutes."""
    return await beginning.begin(running, actor, datastore_id, body, base_url)


@router.put("/uploads/{upload_id}", operation_id="uploads.put", openapi_extra=_BODY)
async def put(addressed: Addressed, running: RunningDatastores, content: Annotated[Sent, Depends(sent)]) -> Uploaded:
    """Send the announced bytes, whole or the part that Content-Range names; the address is the credential."""
    return await taking.take(running, addressed, content)


@router.get("/uploads/{upload_id}", operation_id="uploads.get")
async def get(addressed: Addressed, running: RunningDatastores) -> Uploaded:
    """How far an upload is, to go on with it; the address is the credential."""
    return await taking.state(running, addressed)
