"""What the expressions of a rule may read of an interaction: the names of `where`, off a row of the feed."""

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from provenance.core.clock import iso_millis
from provenance.expressions import Type
from provenance.ledger.feed import Row
from provenance.ledger.interactions.filters import ROW

_decode = msgspec.json.Decoder(dict[str, Any]).decode

_COLUMNS: Final[dict[str, Callable[[Row], Any]]] = {
    "interactionId": lambda row: str(row.id),
    "interactionNumber": lambda row: row.number,
    "resourceTypeId": lambda row: str(row.resource_type_id),
    "actionId": lambda row: str(row.action_id),
    "originId": lambda row: str(row.origin_id),
    "resourceTypeMnemonic": lambda row: row.resource_type,
    "actionMnemonic": lambda row: row.action,
    "originMnemonic": lambda row: row.origin,
    "resourceId": lambda row: row.resource_id,
    "userId": lambda row: row.user_id,
    "uowId": lambda row: str(row.uow_id),
    "spanId": lambda row: row.span_id and str(row.span_id),
    "parentSpanId": lambda row: row.parent_span_id and str(row.parent_span_id),
    "createdDate": lambda row: iso_millis(row.occurred_at),
    "occurredAt": lambda row: str(row.occurred_at),
    "recordedDate": lambda row: iso_millis(row.recorded_at),
    "outcome": lambda row: row.outcome,
    "platform": lambda row: row.platform,
    "recordedBy": lambda row: row.recorded_by,
    "sequenceIndex": lambda row: row.sequence_index,
}
_CONTENT: Final = (
    "changes",
    "externalReference",
    "externalResponse",
    "interaction",
    "ip",
    "links",
    "onBehalfOf",
    "relatedResources",
    "userAgent",
)

VARIABLES: Final[dict[str, Type]] = {name: ROW[name] for name in (*_COLUMNS, *_CONTENT)}
"""The names that a rule's expressions may use, with their types."""


class Reading:
    """One row, read as far as it is asked for."""

    def __init__(self, row: Row) -> None:
        """Take the row."""
        self.row = row
        self._content: dict[str, Any] | None = None

    def values(self, names: Iterable[str]) -> dict[str, Any]:
        """Return the values of these names; what the row has not got, or was erased, is null."""
        return {name: _COLUMNS[name](self.row) if name in _COLUMNS else self._member(name) for name in names}

    def _member(self, name: str) -> Any:
        if self._content is None:
            self._content = {} if self.row.content is None else _decode(self.row.content)
        return self._content.get(name)
