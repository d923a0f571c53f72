"""Rows as they read on the wire: the stored canonical content is spliced in, never decoded into objects.

The one renderer serves the answer of a post, single rows, lists, traces and exports, so a row reads the same
everywhere. Masked rows are platform rows as a caller without editor role or ``audit:read`` sees them.
"""

from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Text, literal_column

from provenance.core.clock import iso_millis
from provenance.ledger.catalogue.cache import Catalogue
from provenance.ledger.entry import Columns
from provenance.ledger.tables import interactions

_REFERENCE = (
    "CASE WHEN {0}.content IS NOT NULL THEN {0}.external_reference ELSE ("
    "SELECT e.shown FROM erasure_ranges AS r JOIN erasures AS e ON e.workspace_id = r.workspace_id "
    "AND e.id = r.erasure_id WHERE r.workspace_id = {0}.workspace_id AND r.first <= {0}.number "
    "AND r.last >= {0}.number ORDER BY r.first DESC LIMIT 1) END"
)
_reference = literal_column(_REFERENCE.format("interactions"), Text()).label("external_reference")

SELECTED: list[ColumnElement[Any]] = [
    interactions.c.number,
    *[_reference if name == "external_reference" else interactions.c[name] for name in Columns._fields],
]
"""What a statement selects so that its rows can be rendered: the number, then the columns of an entry.

An erased row has no content, and where its external reference was ``{"erased": {at, by, reason, certificate}}``: only
for such a row does the database look for its erasure.
"""


def selected_of(row: str) -> str:
    """Return what `SELECTED` selects in SQL's own words, of a table that goes by the name ``row``."""
    columns = [f"{row}.number", *[f"{row}.{name}" for name in Columns._fields]]
    place = columns.index(f"{row}.external_reference")
    columns[place] = f"{_REFERENCE.format(row)} AS external_reference"
    return ", ".join(columns)


_NULL = msgspec.Raw(b"null")


class _Content(msgspec.Struct, rename="camel"):
    interaction: msgspec.Raw = _NULL
    external_reference: msgspec.Raw = _NULL
    external_response: msgspec.Raw = _NULL
    on_behalf_of: msgspec.Raw = _NULL
    related_resources: msgspec.Raw = _NULL
    changes: msgspec.Raw = _NULL
    links: msgspec.Raw = _NULL
    ip: msgspec.Raw = _NULL
    user_agent: msgspec.Raw = _NULL


_decode_content = msgspec.json.Decoder(_Content).decode
_text = msgspec.json.Encoder().encode
_NOTHING = _Content()


def _string(value: Any) -> str:
    return "null" if value is None else f'"{value}"'


def render(number: int, row: Columns, catalogue: Catalogue, *, masked: bool = False) -> bytes:
    """Render one row. ``masked``: only number, ids, mnemonics, unit of work, spans, outcome and dates show."""
    content = _NOTHING if masked or row.content is None else _decode_content(row.content)
    occurred = iso_millis(row.occurred_at)
    integrated = "true" if number <= catalogue.integrated else "false"
    recorded = occurred if row.recorded_at == row.occurred_at else iso_millis(row.recorded_at)
    head = f'{{"interactionId":"{row.id}","interactionNumber":{number},"resourceId":'.encode()
    tail = (
        f',"uowId":"{row.uow_id}","spanId":{_string(row.span_id)},"parentSpanId":{_string(row.parent_span_id)},'
        f'"createdDate":"{occurred}","occurredAt":"{row.occurred_at}","recordedDate":"{recorded}",'
        f'"outcome":{_string(row.outcome)},"platform":{"true" if row.platform else "false"},'
        f'"proof":{{"leafIndex":{number - 1},"integrated":{integrated}}},'
    ).encode()
    if masked:
        own = b'"sequenceIndex":null,"corrects":null,"recordedBy":null,"userId":null'
    else:
        sequence = "null" if row.sequence_index is None else row.sequence_index
        own = (
            f'"sequenceIndex":{sequence},"corrects":{_string(row.corrects)},"recordedBy":"{row.recorded_by}","userId":'
        ).encode() + _text(row.user_id)
    return b"".join(
        (
            head,
            b"null" if masked else _text(row.resource_id),
            catalogue.badges(str(row.resource_type_id), str(row.action_id), str(row.origin_id)),
            content.interaction,
            tail,
            own,
            b',"externalReference":',
            content.external_reference,
            b',"externalResponse":',
            content.external_response,
            b',"onBehalfOf":',
            content.on_behalf_of,
            b',"relatedResources":',
            content.related_resources,
            b',"changes":',
            content.changes,
            b',"links":',
            content.links,
            b',"ip":',
            content.ip,
            b',"userAgent":',
            content.user_agent,
            b"}" if row.content is not None or masked else _erased(row),
        )
    )


def _erased(row: Columns) -> bytes:
    """Return the end of an erased row: what `SELECTED` has where its external reference was, if it knows."""
    return b"}" if row.external_reference is None else b"," + row.external_reference[1:].encode()


def render_record(record: Any, catalogue: Catalogue, *, sees_platform: bool) -> bytes:
    """Render a selected record (see `SELECTED`) for a caller who may or may not see platform rows whole."""
    number, *columns = record
    row = Columns._make(columns)
    return render(number, row, catalogue, masked=row.platform and not sees_platform)


def render_list(records: Iterable[Any], catalogue: Catalogue, *, sees_platform: bool) -> bytes:
    """Render records as a JSON array."""
    rows = [render_record(record, catalogue, sees_platform=sees_platform) for record in records]
    return b"[" + b",".join(rows) + b"]"
