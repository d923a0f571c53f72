"""Routes of the objects (spec/automation.md, rows 95, 97 and 98, and the addresses that row 97 gives out)."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from provenance.core.actor import Actor, Role, Scope
from provenance.core.routing import Route, require
from provenance.datastores.dependencies import BaseUrl, RunningDatastores
from provenance.datastores.objects import serving
from provenance.datastores.objects.schemas import DeletedObject, DownloadUrl, Objects, ObjectsAsked
from provenance.datastores.objects.serving import Signed

router = APIRouter(route_class=Route, tags=["objects"])

Reader = Annotated[Actor, require(Scope.DATA_READ, Role.VIEWER)]
Writer = Annotated[Actor, require(Scope.DATA_WRITE, Role.EDITOR)]
_BYTES: dict[str, Any] = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
_WHOLE: dict[int | str, dict[str, Any]] = {200: {"description": "The bytes of the object.", "content": _BYTES}}
_PARTLY: dict[int | str, dict[str, Any]] = {
    206: {"description": "The range of bytes that was asked for.", "content": _BYTES},
    304: {"description": "The ETag that If-None-Match names is still the object's."},
}
_REFUSED: dict[int | str, dict[str, Any]] = {
    403: {
        "description": "The address has run out, or was changed.",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
}
_FOUND: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The bytes of the object, with its content type; or an address for them.",
        "content": {**_BYTES, "application/json": {"schema": DownloadUrl.model_json_schema(by_alias=True)}},
    }
}


async def signed(
    workspace: Annotated[str, Query(max_length=64)],
    expires: Annotated[int, Query(ge=0, le=2**40)],
    signature: Annotated[str, Query(max_length=128)],
) -> Signed:
    """Return what the address of a download says."""
    return Signed(workspace, expires, signature)


async def wanted(
    request: Request,
    range_: Annotated[str | None, Header(alias="range", description="bytes=FIRST-LAST")] = None,
    if_none_match: Annotated[str | None, Header()] = None,
    if_range: Annotated[str | None, Header()] = None,
) -> dict[str, str]:
    """Return the headers that say which bytes are asked for."""
    asked = {"range": range_, "if-none-match": if_none_match, "if-range": if_range}
    return {name: value for name, value in asked.items() if value is not None}


Wanted = Annotated[dict[str, str], Depends(wanted)]


@router.get("/datastores/{datastore_id}/objects", operation_id="objects.list")
async def list_objects(
    datastore_id: str, asked: Annotated[ObjectsAsked, Query()], actor: Reader, running: RunningDatastores
) -> Objects:
    """Objects of a datastore in the byte order of their keys."""
    return await serving.page(running, actor, datastore_id, asked)


@router.get(
    "/datastores/{datastore_id}/objects/{key:path}",
    operation_id="objects.get",
    response_class=Response,
    responses=_FOUND | _PARTLY,
)
async def get(
    datastore_id: str,
    key: str,
    actor: Reader,
    running: RunningDatastores,
    base_url: BaseUrl,
    asked: Wanted,
    download: Annotated[
        Literal["url"] | None, Query(description="url: answer with an address that gives the bytes for 15 minutes.")
    ] = None,
) -> Response:
    """The bytes of an object, or of a range of it; with download=url an address for them."""
    if download is not None:
        found = await serving.address(running, actor, datastore_id, key, base_url)
        return Response(found.model_dump_json(by_alias=True), media_type="application/json")
    return serving.answer(running, actor.workspace_id, await serving.located(running, actor, datastore_id, key), asked)


@router.delete("/datastores/{datastore_id}/objects/{key:path}", operation_id="objects.delete")
async def delete(datastore_id: str, key: str, actor: Writer, running: RunningDatastores) -> DeletedObject:
    """Delete an object; its bytes are destroyed when no address for them is good any more."""
    return await serving.delete(running, actor, datastore_id, key)


@router.get(
    "/downloads/{datastore_id}/{key:path}",
    operation_id="downloads.fetch",
    response_class=Response,
    responses=_WHOLE | _PARTLY | _REFUSED,
)
async def fetch(
    datastore_id: str, key: str, address: Annotated[Signed, Depends(signed)], running: RunningDatastores, asked: Wanted
) -> Response:
    """The bytes of an object, for whoever has a signed address."""
    return await serving.by_address(running, datastore_id, key, address, asked)
