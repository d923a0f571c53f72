"""`/resource-types`, `/actions`, `/origins`: three lists of one shape."""

from __future__ import annotations

from typing import Any, ClassVar, Generic

from msgspec import UNSET, UnsetType

from provenance_client.api.answers import CatalogueRow, Page
from provenance_client.api.operation import Resource, Tr, operation
from provenance_client.api.request import Request, body, camel, json_request, query, segment
from provenance_client.content import encode


class Catalogue(Resource[Tr], Generic[Tr]):
    """The rows of one kind. `key` below is the row's UUID or its mnemonic."""

    path: ClassVar[str]

    @operation
    def list(self, *, mnemonic: str | None = None, title: str | None = None) -> Request[list[CatalogueRow]]:
        """Every row, system rows included; `title` matches a part of it."""
        return Request("GET", self.path, params=query(mnemonic=mnemonic, title=title))

    @operation
    def page(
        self, page: int = 1, limit: int = 50, *, mnemonic: str | None = None, title: str | None = None
    ) -> Request[Page[CatalogueRow]]:
        """One page in the envelope `{data, pagination}`."""
        return Request("GET", self.path, params=query(page=page, limit=limit, mnemonic=mnemonic, title=title))

    @operation
    def create(
        self,
        *,
        title: str,
        mnemonic: str,
        description: str | None = None,
        icon: str | None = None,
        font_color_hex: str | None = None,
        bg_color_hex: str | None = None,
    ) -> Request[CatalogueRow]:
        """Add a row. Raises Conflict (`mnemonic_taken`)."""
        content = body(
            title=title,
            mnemonic=mnemonic,
            description=description,
            icon=icon,
            font_color_hex=font_color_hex,
            bg_color_hex=bg_color_hex,
        )
        return json_request("POST", self.path, content)

    @operation
    def get(self, key: str) -> Request[CatalogueRow]:
        """One row. Raises NotFound."""
        return Request("GET", f"{self.path}/{segment(key)}")

    @operation
    def update(
        self,
        key: str,
        *,
        title: str | UnsetType = UNSET,
        description: str | UnsetType | None = UNSET,
        icon: str | UnsetType | None = UNSET,
        font_color_hex: str | UnsetType | None = UNSET,
        bg_color_hex: str | UnsetType | None = UNSET,
    ) -> Request[CatalogueRow]:
        """Change what was given; None clears a field. Raises Conflict for a system row."""
        given: dict[str, Any] = {
            "title": title,
            "description": description,
            "icon": icon,
            "font_color_hex": font_color_hex,
            "bg_color_hex": bg_color_hex,
        }
        content = encode({camel(name): value for name, value in given.items() if value is not UNSET})
        return json_request("PUT", f"{self.path}/{segment(key)}", content)

    @operation
    def delete(self, key: str) -> Request[Any]:
        """Remove a row that nothing uses. Raises Conflict (`in_use`)."""
        return Request("DELETE", f"{self.path}/{segment(key)}")


class ResourceTypes(Catalogue[Tr], Generic[Tr]):
    """Kinds of things."""

    path = "/resource-types"


class Actions(Catalogue[Tr], Generic[Tr]):
    """What is done to them."""

    path = "/actions"


class Origins(Catalogue[Tr], Generic[Tr]):
    """Where it came from."""

    path = "/origins"
