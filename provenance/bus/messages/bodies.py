"""What the publishing routes are handed instead of a body: messages, read from whichever form was sent."""

from typing import Annotated, Any

from fastapi import Depends
from pydantic import BaseModel

from provenance.bus.messages.reading import read_many, read_one
from provenance.bus.messages.schemas import Sent
from provenance.core.routing import Incoming


async def sent_one(exchange: Incoming) -> Sent:
    """Read one message. Raises BadMessage."""
    return read_one(exchange)


async def sent_many(exchange: Incoming) -> list[Sent]:
    """Read a batch of messages. Raises BadMessage."""
    return read_many(exchange)


SentOne = Annotated[Sent, Depends(sent_one)]
SentMany = Annotated[list[Sent], Depends(sent_many)]


def described(body: type[BaseModel]) -> dict[str, Any]:
    """Return what the OpenAPI document says of a body that the framework does not read."""
    schema = body.model_json_schema(by_alias=True, ref_template="#/components/schemas/{model}")
    parts = schema.pop("$defs", {})
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": _inlined(schema, parts)}}}}


def _inlined(schema: Any, parts: dict[str, Any]) -> Any:
    """Put the parts of a schema in their places: this document has no others of these names."""
    if isinstance(schema, list):
        return [_inlined(each, parts) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(parts[schema["$ref"].rpartition("/")[2]], parts)
    return {name: _inlined(value, parts) for name, value in schema.items()}
