"""The answers as they are on the wire: plain dicts with these keys (spec: ledger, sections 1 to 4)."""

from __future__ import annotations

from typing import Any, Generic, Literal, NotRequired, TypedDict, TypeVar

T = TypeVar("T")
Json = dict[str, Any]


class CatalogueRow(TypedDict):
    """A resource type, an action or an origin; `id` repeats `resourceTypeId`, `actionId` or `originId`."""

    id: str
    resourceTypeId: NotRequired[str]
    actionId: NotRequired[str]
    originId: NotRequired[str]
    title: str
    mnemonic: str
    description: str | None
    icon: str | None
    fontColorHex: str | None
    bgColorHex: str | None
    isSystem: bool
    autoCreated: bool
    createdDate: str
    modifiedDate: str


class Interaction(TypedDict):
    """One row of the ledger. Keys that only some answers carry are not required here."""

    interactionId: str
    interactionNumber: int
    resourceId: str
    resourceTypeId: str
    actionId: str
    originId: str
    resourceTypeMnemonic: str
    resourceTypeTitle: str
    resourceTypeIcon: str | None
    resourceTypeFontColorHex: str | None
    resourceTypeBgColorHex: str | None
    actionMnemonic: str
    actionTitle: str
    actionIcon: str | None
    actionFontColorHex: str | None
    actionBgColorHex: str | None
    originMnemonic: str
    originTitle: str
    originIcon: str | None
    originFontColorHex: str | None
    originBgColorHex: str | None
    interaction: Json | None
    uowId: str
    userId: str | None
    spanId: str | None
    parentSpanId: str | None
    externalReference: str | None
    externalResponse: Any
    createdDate: str
    recordedDate: str
    outcome: NotRequired[str | None]
    sequenceIndex: NotRequired[int | None]
    onBehalfOf: NotRequired[list[str] | None]
    relatedResources: NotRequired[list[Json] | None]
    changes: NotRequired[list[Json] | None]
    corrects: NotRequired[str | None]
    recordedBy: NotRequired[str | None]
    platform: NotRequired[bool]
    links: NotRequired[Any]
    ip: NotRequired[str | None]
    userAgent: NotRequired[str | None]
    proof: NotRequired[Json | None]


class Pagination(TypedDict):
    """Where a page stands. `totalCapped` and `scanComplete.

    False` say that counting or scanning stopped at its budget.
    """

    page: int
    limit: int
    total: int
    totalPages: int
    hasNext: bool
    hasPrev: bool
    nextCursor: NotRequired[str | None]
    totalCapped: NotRequired[bool]
    scanComplete: NotRequired[bool]


class Page(TypedDict, Generic[T]):
    """One page of a list."""

    data: list[T]
    pagination: Pagination


class BatchItem(TypedDict):
    """What became of one item of a batch."""

    index: int
    status: Literal["created", "duplicate", "failed"]
    interactionId: str | None
    error: NotRequired[Json | None]


class BatchAnswer(TypedDict):
    """What became of a batch, item by item, and the sums."""

    items: list[BatchItem]
    created: int
    duplicates: int
    failed: int


class Trace(TypedDict):
    """A trace: its interactions oldest first, and the same nested by parent span in `tree`."""

    id: str
    kind: str
    summary: Json
    interactions: list[Interaction]
    tree: list[Json]
    unitsTruncated: NotRequired[bool]
    nextCursor: NotRequired[str | None]


class QueueConfig(TypedDict):
    """Where a queue-pushing SDK sends, and with which token."""

    provisioned: bool
    queueUrl: str
    queueToken: str
    apiUrl: str
