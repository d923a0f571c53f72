"""Messages that leave as CloudEvents 1.0 over HTTP, structured or binary (spec/automation.md, 8; CloudEvents HTTP).

What came as an event leaves with its own attributes; any other message gets ``id`` from its msgId, ``type`` from its
topic.
"""

from base64 import b64decode
from typing import Any
from urllib.parse import quote

import msgspec

from provenance.bus.envelope import payload_ref
from provenance.bus.messages.schemas import PREFIX, Row
from provenance.core.clock import iso_millis
from provenance.core.ids import encode

_UNQUOTED = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')
_JSON = "application/json"


def structured_event(row: Row, **extensions: str) -> bytes:
    """Return a message as one event in JSON."""
    return msgspec.json.encode(event_of(row, **extensions))


def event_of(row: Row, **extensions: str) -> dict[str, Any]:
    """Return a message as the members of an event; its payload is written as it was published."""
    attributes = _attributes(row)
    coded = attributes.pop("data_base64", None)
    members = {**attributes, **extensions}
    if row.payload is None:
        return members
    return {**members, "data_base64" if coded else "data": msgspec.Raw(row.payload.encode())}


def binary_event(row: Row) -> tuple[dict[str, str], bytes]:
    """Return a message as headers and a body."""
    attributes = _attributes(row)
    coded = attributes.pop("data_base64", None)
    kind = str(attributes.pop("datacontenttype", _JSON))
    headers = {f"ce-{name}": quote(str(value), safe=_UNQUOTED) for name, value in attributes.items()}
    payload = (row.payload or "").encode()
    if coded:
        payload = b64decode(msgspec.json.decode(payload or b'""'))
    elif payload and kind.startswith("text/"):
        payload = str(msgspec.json.decode(payload)).encode()
    return {**headers, "content-type": kind}, payload


def _attributes(row: Row) -> dict[str, Any]:
    ours = {
        "specversion": "1.0",
        "id": encode(PREFIX, row.id),
        "source": f"/bus/{row.topic}",
        "type": row.topic.replace("/", "."),
        "subject": row.topic_key,
        "time": iso_millis(row.published_at),
        "datacontenttype": _JSON,
        "topic": row.topic,
        "partitionkey": row.topic_key,
        "correlationid": row.correlation_id,
        "dataref": payload_ref(row),
        "msgid": encode(PREFIX, row.id),
        "traceparent": f"00-{row.uow_id.hex}-{row.id.hex[16:]}-01",
    }
    if row.attributes is not None:
        own: dict[str, Any] = msgspec.json.decode(row.attributes)
        if "subject" not in own:
            ours["subject"] = None
        ours |= own
    return {name: value for name, value in ours.items() if value is not None}
