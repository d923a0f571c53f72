"""Words on the wire. The id's key is that of the kind and comes first; the same value follows as ``id``."""

import uuid
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from provenance.core.clock import iso_millis

Colour = Annotated[str, Field(pattern=r"^#[0-9A-Fa-f]{6}$", examples=["#3b82f6"])]
Title = Annotated[str, Field(min_length=1, max_length=200)]


class CatalogueRow(NamedTuple):
    """One row of the table ``catalogue``."""

    id: uuid.UUID
    kind: str
    mnemonic: str
    title: str
    description: str | None
    icon: str | None
    font_color_hex: str | None
    bg_color_hex: str | None
    is_system: bool
    auto_created: bool
    edited: bool
    used: bool
    created_at: int
    modified_at: int


class SettingsRow(NamedTuple):
    """One row of the table ``ledger_settings``, and how many leaves the workspace's log has signed."""

    workspace: str
    catalogue_version: int
    strict_catalogue: bool
    queue_generation: int
    integrated: int


class WordCreate(BaseModel):
    """A word to be made."""

    model_config = ConfigDict(str_strip_whitespace=True)

    title: Title
    mnemonic: str = Field(examples=["USER"], json_schema_extra={"pattern": r"^[A-Za-z0-9_.-]{1,64}$"})
    description: str | None = Field(default=None, max_length=2000)
    icon: str | None = Field(default=None, max_length=64, examples=["👤"])
    fontColorHex: Colour | None = None  # noqa: N815 — the wire's spelling
    bgColorHex: Colour | None = None  # noqa: N815 — the wire's spelling


class WordUpdate(BaseModel):
    """A word's new looks: what is not sent reads null afterwards, except title and mnemonic, which stay."""

    model_config = ConfigDict(str_strip_whitespace=True)

    title: Title | None = None
    mnemonic: str | None = None
    description: str | None = Field(default=None, max_length=2000)
    icon: str | None = Field(default=None, max_length=64)
    fontColorHex: Colour | None = None  # noqa: N815 — the wire's spelling
    bgColorHex: Colour | None = None  # noqa: N815 — the wire's spelling


def shown(row: CatalogueRow) -> dict[str, Any]:
    """Return a word as it reads on the wire."""
    return {
        f"{row.kind}Id": str(row.id),
        "id": str(row.id),
        "title": row.title,
        "mnemonic": row.mnemonic,
        "description": row.description,
        "icon": row.icon,
        "fontColorHex": row.font_color_hex,
        "bgColorHex": row.bg_color_hex,
        "isSystem": row.is_system,
        "autoCreated": row.auto_created,
        "createdDate": iso_millis(row.created_at),
        "modifiedDate": iso_millis(row.modified_at),
    }


def looks(body: WordCreate | WordUpdate) -> dict[str, Any]:
    """Return the columns that a body sets besides title and mnemonic."""
    return {
        "description": body.description,
        "icon": body.icon,
        "font_color_hex": body.fontColorHex,
        "bg_color_hex": body.bgColorHex,
    }
