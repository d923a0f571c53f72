"""What a search for activity takes and answers (spec/ledger.md, 4)."""

from typing import Annotated, Any, Literal, Self

import msgspec
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic.alias_generators import to_camel

from provenance.core.pagination import DEFAULT_LIMIT, MAX_LIMIT
from provenance.ledger.interactions.filters import End, Filters, JsonTest, Start, Storable, Text, Texts, Uuid

MAX_RESOURCES = 100
MAX_TESTS = 20
MAX_PATH = 32
_STRICT = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)


class ResourceAsked(BaseModel):
    """A resource to search for: by id (``*`` at its end: a prefix, alone: any), by type, or by both."""

    model_config = _STRICT

    resource_id: Text | None = None
    resource_type: Text | None = None
    resource_type_id: Uuid | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.resource_id is None and self.resource_type is None and self.resource_type_id is None:
            raise ValueError("must name a resourceId, a resourceType or both")
        return self


class JsonAsked(BaseModel):
    """A test of one place in the free JSON; ``path`` joins names, and places in arrays, with dots.

    ``equals`` compares JSON values. ``contains``: a text holds the value, an array has it, an object has its members.
    ``startsWith`` takes texts. ``exists`` takes no value, or false for a place that must not exist.
    """

    model_config = _STRICT

    path: Annotated[Storable, Field(min_length=1, max_length=512, examples=["address.city"])]
    op: Literal["equals", "contains", "startsWith", "exists"]
    value: Any = None

    @field_validator("path")
    @classmethod
    def _has_names(cls, path: str) -> str:
        names = path.split(".")
        if not all(names) or len(names) > MAX_PATH:
            raise ValueError(f"must be 1 to {MAX_PATH} names joined by dots")
        return path

    @model_validator(mode="after")
    def _fits(self) -> Self:
        given = "value" in self.model_fields_set
        if self.op == "exists":
            if given and not isinstance(self.value, bool):
                raise ValueError("exists takes true, false or no value")
        elif not given:
            raise ValueError(f"{self.op} needs a value")
        if self.op == "startsWith" and not isinstance(self.value, str):
            raise ValueError("startsWith takes a text")
        return self

    @property
    def test(self) -> JsonTest:
        """What it means."""
        path = tuple(self.path.split("."))
        if self.op == "exists":
            return JsonTest(path, "absent" if self.value is False else "exists")
        text = self.value if isinstance(self.value, str) else None
        return JsonTest(path, self.op, msgspec.json.encode(self.value).decode(), text)


class StrictFilters(Filters):
    """The filters of lists, in a body: a name that is none of them is refused."""

    model_config = ConfigDict(extra="forbid")


class ActivitySearch(BaseModel):
    """A search for activity. Everything given must hold; of ``resources`` and of ``json`` any one."""

    model_config = _STRICT

    resources: Annotated[list[ResourceAsked], Field(max_length=MAX_RESOURCES)] = []
    user_id: Text | None = None
    uow_id: Uuid | None = None
    action: Texts = None
    resource_type: Texts = None
    from_: Start = Field(default=None, alias="from")
    to: End = None
    json_: Annotated[list[JsonAsked], Field(alias="json", max_length=MAX_TESTS)] = []
    filters: StrictFilters = Field(default_factory=StrictFilters)
    page: Annotated[int, Field(ge=1, le=2**31)] = 1
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="Interactions a page.")] = DEFAULT_LIMIT
    cursor: str | None = None


INTERACTIONS = {"type": "array", "items": {"$ref": "#/components/schemas/Interaction"}}
_TIME = {"type": "string", "format": "date-time"}
USER_UNITS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "userId": {"type": ["string", "null"]},
        "units": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "uowId": {"type": "string", "format": "uuid"},
                    "from": _TIME,
                    "to": _TIME,
                    "count": {"type": "integer", "description": "Interactions of this unit on this page."},
                    "interactions": INTERACTIONS,
                },
                "required": ["uowId", "from", "to", "count", "interactions"],
            },
        },
    },
    "required": ["userId", "units"],
}
"""One user's units of work, as OpenAPI describes them."""
