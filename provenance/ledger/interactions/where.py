"""The condition of ``where``, tested on rows as the caller reads them.

A condition that names only common fields is handed just these, read off the columns; one that names others is handed
the rendered row. Both say the same, only the second takes three times as long.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Row

from provenance.core.clock import iso_millis
from provenance.core.db import ReadTx
from provenance.expressions import Condition, ExpressionError
from provenance.ledger.catalogue.cache import Catalogue, Catalogues
from provenance.ledger.interactions.filters import ROW
from provenance.ledger.interactions.rendering import render_record

_decode = msgspec.json.Decoder().decode
_NAME = re.compile(r"\w+")


class _Interaction(msgspec.Struct):
    interaction: Any = None


_decode_interaction = msgspec.json.Decoder(_Interaction).decode


class Field(NamedTuple):
    """How a field is read off a record, and whether masked rows hide it."""

    read: Callable[[Any, Catalogue], Any]
    hidden: bool = False


FIELDS: dict[str, Field] = {
    "interaction": Field(
        lambda row, _: None if row.content is None else _decode_interaction(row.content).interaction, hidden=True
    ),
    "resourceId": Field(lambda row, _: row.resource_id, hidden=True),
    "userId": Field(lambda row, _: row.user_id, hidden=True),
    "externalReference": Field(lambda row, _: None if row.content is None else row.external_reference, hidden=True),
    "interactionNumber": Field(lambda row, _: row.number),
    "interactionId": Field(lambda row, _: str(row.id)),
    "uowId": Field(lambda row, _: str(row.uow_id)),
    "outcome": Field(lambda row, _: row.outcome),
    "platform": Field(lambda row, _: row.platform),
    "createdDate": Field(lambda row, _: iso_millis(row.occurred_at)),
    "recordedDate": Field(lambda row, _: iso_millis(row.recorded_at)),
    "resourceTypeMnemonic": Field(lambda row, catalogue: catalogue.shown(row.resource_type_id).mnemonic),
    "actionMnemonic": Field(lambda row, catalogue: catalogue.shown(row.action_id).mnemonic),
    "originMnemonic": Field(lambda row, catalogue: catalogue.shown(row.origin_id).mnemonic),
}
"""The common fields. A test holds each to what the renderer shows."""


class WhereTest:
    """A condition, and the view of the caller whose rows it is tested on."""

    def __init__(self, tx: ReadTx, catalogues: Catalogues, condition: Condition) -> None:
        """Take the transaction, for its view and its words."""
        self._tx = tx
        self._sees_platform = tx.actor.reads_platform_rows
        self._catalogues = catalogues
        self._condition = condition
        self._catalogue: Catalogue | None = None
        named = ROW.keys() & set(_NAME.findall(condition.source))
        self._fields = {name: FIELDS[name] for name in named} if named <= FIELDS.keys() else None

    async def __call__(self, records: Sequence[Row[Any]]) -> list[bool]:
        """Tell which records satisfy the condition; a value missing, or of another type, does not."""
        if self._catalogue is None or not knows(self._catalogue, records):
            self._catalogue = await self._catalogues.within(self._tx)
        return [self._holds(self.values(record, self._catalogue)) for record in records]

    def values(self, record: Row[Any], catalogue: Catalogue) -> dict[str, Any]:
        """Return what the condition may look at."""
        if self._fields is None:
            shown: dict[str, Any] = _decode(render_record(record, catalogue, sees_platform=self._sees_platform))
            return shown
        masked = record.platform and not self._sees_platform
        return {
            name: None if masked and field.hidden else field.read(record, catalogue)
            for name, field in self._fields.items()
        }

    def _holds(self, values: dict[str, Any]) -> bool:
        try:
            return self._condition.holds(values)
        except ExpressionError:
            return False


def knows(catalogue: Catalogue, records: Sequence[Row[Any]]) -> bool:
    """Tell whether a catalogue has every word of these records: one made since it was read is not in it."""
    words = {word for row in records for word in (row.resource_type_id, row.action_id, row.origin_id)}
    return all(catalogue.with_id(word) is not None for word in words)
