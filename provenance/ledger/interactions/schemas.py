"""What a client sends to record an interaction (spec/ledger.md, 2), and what it is told."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw, Struct

_NULL = Raw(b"null")


def absent() -> Raw:
    """Return what a raw member reads when it is not sent (a factory, because JSON Schema can't show a raw default)."""
    return _NULL


def shown_as(**schema: Any) -> Meta:
    """Describe a member in the OpenAPI document; the reader checks it itself, with words of its own."""
    return Meta(extra_json_schema=schema)


def ref_to(name: str) -> dict[str, str]:
    """Return a reference to one of these types in the OpenAPI document."""
    return {"$ref": f"#/components/schemas/{name}"}


Identifier = Annotated[str, Meta(min_length=1, max_length=512)]
Mnemonic = Annotated[str, Meta(min_length=1, max_length=64, extra_json_schema={"pattern": r"^[A-Za-z0-9_.-]+$"})]
UuidText = Annotated[str, shown_as(format="uuid")]
TimeText = Annotated[str, shown_as(format="date-time")]
RawObject = Annotated[Raw, shown_as(type=["object", "null"])]
RawPatch = Annotated[Raw, shown_as(type=["array", "null"], items=ref_to("PatchOperation"))]
RawInteraction = Annotated[Raw, shown_as(**ref_to("InteractionCreate"))]
Outcome = Literal["success", "failure", "denied", "unknown"]


class RelatedResource(Struct, frozen=True, rename="camel"):
    """Another resource that the interaction used, made or touched. The members stand in canonical order."""

    resource_id: Identifier
    resource_type: Mnemonic
    role: Literal["used", "generated", "affected"] = "affected"


class PatchOperation(Struct, frozen=True, forbid_unknown_fields=True):
    """One operation of a JSON patch (RFC 6902)."""

    op: Literal["add", "remove", "replace", "move", "copy", "test"]
    path: Annotated[str, Meta(pattern=r"^(/([^~/]|~[01])*)*$")]
    value: Raw = msgspec.field(default_factory=absent)
    from_: Annotated[str, Meta(pattern=r"^(/([^~/]|~[01])*)*$")] | None = msgspec.field(default=None, name="from")


class QueueHeaders(Struct, frozen=True):
    """The headers of section 2 as a queue message carries them; each may be null."""

    uow_id: UuidText | None = msgspec.field(default=None, name="x-uowid")
    user_id: str | None = msgspec.field(default=None, name="x-userid")
    timestamp: TimeText | None = msgspec.field(default=None, name="x-interaction-timestamp")
    span_id: UuidText | None = msgspec.field(default=None, name="x-span-id")
    parent_span_id: UuidText | None = msgspec.field(default=None, name="x-parent-span-id")


class InteractionCreate(Struct, rename="camel"):
    """One interaction as sent: alone, in a batch, or through the queue. Raw members are kept as canonical text."""

    resource_id: Identifier
    resource_type: Mnemonic | None = None
    resource_type_id: UuidText | None = None
    action: Mnemonic | None = None
    action_id: UuidText | None = None
    origin: Mnemonic | None = None
    origin_id: UuidText | None = None
    interaction: RawObject = msgspec.field(default_factory=absent)
    external_reference: Identifier | None = None
    external_response: Raw = msgspec.field(default_factory=absent)
    user_id: Identifier | None = None
    sequence_index: Annotated[int, Meta(ge=0, le=2**53 - 1)] | None = None
    outcome: Outcome | None = None
    on_behalf_of: Annotated[list[Identifier], Meta(max_length=16)] | None = None
    related_resources: Annotated[list[RelatedResource], Meta(max_length=64)] | None = None
    changes: RawPatch = msgspec.field(default_factory=absent)
    corrects: UuidText | None = None
    uow_id: UuidText | None = None
    span_id: UuidText | None = None
    parent_span_id: UuidText | None = None
    timestamp: TimeText | None = None
    idempotency_key: Identifier | None = None
    headers: QueueHeaders | None = msgspec.field(default=None, name="_headers")


class BatchEnvelope(Struct):
    """A batch as an object."""

    items: list[RawInteraction]


class BatchResult(Struct, rename="camel"):
    """What became of one item of a batch."""

    index: int
    status: Literal["created", "duplicate", "failed"]
    interaction_id: str | None
    error: dict[str, Any] | None = None


class BatchAnswer(Struct):
    """What became of a batch, item by item."""

    items: list[BatchResult]
    created: int
    duplicates: int
    failed: int
