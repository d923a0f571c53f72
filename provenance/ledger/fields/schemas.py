"""Fields on the wire."""

from pydantic import BaseModel

from provenance.core.pagination import Pagination


class FieldType(BaseModel):
    """How often a path held values of one JSON type."""

    type: str
    count: int


class FoundField(BaseModel):
    """One JSON path of the interactions of one resource type and action, with the types of its values."""

    resourceType: str  # noqa: N815 — the wire's spelling
    action: str
    path: str
    types: list[FieldType]
    count: int


class FieldPage(BaseModel):
    """One page of fields."""

    data: list[FoundField]
    pagination: Pagination
