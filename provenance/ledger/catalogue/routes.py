"""Routes of resource types, actions and origins: one shape, three prefixes (spec/ledger.md, 1)."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from provenance.core.pagination import Page, PageRequest
from provenance.core.routing import Db, Reader, Route, Writer
from provenance.ledger.catalogue import service
from provenance.ledger.catalogue.cache import Kind
from provenance.ledger.catalogue.schemas import WordCreate, WordUpdate, shown
from provenance.ledger.dependencies import RunningLedger

Prefix = Literal["resource-types", "actions", "origins"]
Text = Annotated[str | None, Query(max_length=200)]

router = APIRouter(route_class=Route)


def mount(prefix: Prefix, kind: Kind, tag: str) -> None:
    """Declare the five routes of one kind."""

    @router.get(f"/api/{prefix}", operation_id=f"{tag}.list", tags=[tag], response_model=None, responses=_LISTED)
    async def list_words(
        actor: Reader, db: Db, page: PageRequest, mnemonic: Text = None, title: Text = None
    ) -> list[dict[str, Any]] | Page:
        """All words of this kind as an array; with page or limit, one page of them."""
        async with db.read(actor) as tx:
            return await service.list_words(tx, kind, page, mnemonic=mnemonic, title=title)

    @router.post(f"/api/{prefix}", operation_id=f"{tag}.create", tags=[tag], status_code=201, responses={201: _ONE})
    async def create(body: WordCreate, actor: Writer, db: Db, ledger: RunningLedger) -> dict[str, Any]:
        """Make a word; one that was made on the fly and never edited is adopted with its id."""
        async with db.write(actor) as tx:
            return shown(await service.create(tx, ledger.catalogues, kind, body))

    @router.get(f"/api/{prefix}/{{reference}}", operation_id=f"{tag}.get", tags=[tag], responses={200: _ONE})
    async def get(reference: str, actor: Reader, db: Db) -> dict[str, Any]:
        """One word, by id or mnemonic."""
        async with db.read(actor) as tx:
            return shown(await service.get(tx, kind, reference))

    @router.put(f"/api/{prefix}/{{reference}}", operation_id=f"{tag}.update", tags=[tag], responses={200: _ONE})
    async def update(reference: str, body: WordUpdate, actor: Writer, db: Db, ledger: RunningLedger) -> dict[str, Any]:
        """Change a word's title and looks; its mnemonic stays for ever."""
        async with db.write(actor) as tx:
            return shown(await service.update(tx, ledger.catalogues, kind, reference, body))

    @router.delete(f"/api/{prefix}/{{reference}}", operation_id=f"{tag}.delete", tags=[tag], responses={200: _ONE})
    async def delete(reference: str, actor: Writer, db: Db, ledger: RunningLedger) -> dict[str, Any]:
        """Delete a word that no interaction names."""
        async with db.write(actor) as tx:
            return shown(await service.delete(tx, ledger.catalogues, kind, reference))


_WORD = {"$ref": "#/components/schemas/Word"}
_ONE: dict[str, Any] = {"description": "The word.", "content": {"application/json": {"schema": _WORD}}}
_LISTED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "An array, or with page or limit an envelope.",
        "content": {
            "application/json": {
                "schema": {
                    "oneOf": [
                        {"type": "array", "items": _WORD},
                        {
                            "type": "object",
                            "properties": {
                                "data": {"type": "array", "items": _WORD},
                                "pagination": {"$ref": "#/components/schemas/Pagination"},
                            },
                            "required": ["data", "pagination"],
                        },
                    ]
                }
            }
        },
    }
}

mount("resource-types", Kind.RESOURCE_TYPE, "resource_types")
mount("actions", Kind.ACTION, "actions")
mount("origins", Kind.ORIGIN, "origins")
