"""What goes in and out of schemas (spec/automation.md, 8.4)."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints, field_validator

from provenance.bus.messages.schemas import Wire
from provenance.bus.topics import PATTERN_RULE, is_pattern

Mode = Literal["reject", "warn"]
Compatibility = Literal["none", "backward"]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


def _pattern(value: str | None) -> str | None:
    if value is not None and not is_pattern(value):
        raise ValueError(PATTERN_RULE)
    return value


class SchemaCreate(Wire):
    """A schema for the payloads of the topics of a pattern; of several that match, the most specific holds."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    topic_pattern: str = Field(examples=["orders/created"])
    schema_: dict[str, Any] | bool = Field(alias="schema", description="JSON Schema 2020-12.")
    mode: Mode = Field(default="reject", description="Refuse what does not fit, or let it pass and count it.")
    compatibility: Compatibility = Field(
        default="none", description="backward: a later version takes everything that this one takes."
    )

    _topic = field_validator("topic_pattern")(_pattern)


class SchemaUpdate(Wire):
    """What is to be different; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    schema_id: str | None = Field(default=None, max_length=64, description="For the address without an id.")
    name: Name | None = None
    topic_pattern: str | None = None
    schema_: dict[str, Any] | bool | None = Field(default=None, alias="schema")
    mode: Mode | None = None
    compatibility: Compatibility | None = None

    _topic = field_validator("topic_pattern")(_pattern)


class BusSchema(Wire):
    """A schema as it holds now."""

    schema_id: str
    name: str
    topic_pattern: str
    schema_: dict[str, Any] | bool = Field(alias="schema")
    version: int
    mode: Mode
    compatibility: Compatibility
    created_at: str
    created_by: str
    updated_at: str
    updated_by: str


class BusSchemas(Wire):
    """A page of schemas, newest first."""

    items: list[BusSchema]
    next_cursor: str | None


class SchemaDeleted(Wire):
    """A schema that is gone."""

    deleted: Literal[True]
