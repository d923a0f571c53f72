"""CloudEvents 1.0 over HTTP that come in: structured, binary and batched (spec/automation.md, 8; CloudEvents HTTP).

The topic is the extension ``topic``, else the event's ``type``; the key of the order is ``partitionkey``. How messages
leave as events is in `cloudevents_out`, which the worker needs without the web framework.
"""

from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from typing import Any
from urllib.parse import unquote

import msgspec

from provenance.bus.errors import BadMessage
from provenance.bus.messages.schemas import BATCH, Sent
from provenance.core.clock import parse_iso
from provenance.core.door import Exchange
from provenance.core.routing import admitted_body, is_json

STRUCTURED, BATCHED = "application/cloudevents+json", "application/cloudevents-batch+json"
_REQUIRED = ("id", "source", "specversion", "type")
_HEADER = b"ce-"


def is_event(exchange: Exchange) -> bool:
    """Tell whether a request carries one event, structured or binary."""
    return _kind(exchange) == STRUCTURED or b"ce-specversion" in exchange.headers


def is_batch(exchange: Exchange) -> bool:
    """Tell whether a request carries a batch of events."""
    return _kind(exchange) == BATCHED


def read_event(exchange: Exchange) -> Sent:
    """Read one event. Raises BadMessage."""
    if _kind(exchange) == STRUCTURED:
        return _sent(_decoded(exchange, dict), "")
    return _from_headers(exchange)


def read_batch(exchange: Exchange) -> list[Sent]:
    """Read a batch of events. Raises BadMessage."""
    events = _decoded(exchange, list)
    if not 1 <= len(events) <= BATCH or not all(isinstance(each, dict) for each in events):
        raise BadMessage.at("$", f"must be a list of 1 to {BATCH} events")
    return [_sent(each, f"[{place}].") for place, each in enumerate(events)]


def _kind(exchange: Exchange) -> str:
    return (exchange.header(b"content-type") or "").partition(";")[0].strip().lower()


def _decoded(exchange: Exchange, kind: type) -> Any:
    found = msgspec.json.decode(admitted_body(exchange))
    if not isinstance(found, kind):
        raise BadMessage.at("$", "must be an event" if kind is dict else "must be a list of events")
    return found


def _from_headers(exchange: Exchange) -> Sent:
    event: dict[str, Any] = {
        name[len(_HEADER) :].decode("latin-1"): unquote(exchange.header(name) or "")
        for name in exchange.headers
        if name.startswith(_HEADER)
    }
    kind = exchange.header(b"content-type")
    event["datacontenttype"] = kind
    if not exchange.body:
        return _sent(event, "")
    if is_json(kind):
        return _sent({**event, "data": msgspec.Raw(admitted_body(exchange))}, "")
    if (kind or "").startswith("text/"):
        return _sent({**event, "data": exchange.body.decode("utf-8", "replace")}, "")
    return _sent({**event, "data_base64": b64encode(exchange.body).decode()}, "")


def _sent(event: dict[str, Any], at: str) -> Sent:
    """Make a message of an event's members. Raises BadMessage."""
    for name in _REQUIRED:
        if not isinstance(event.get(name), str) or not event[name]:
            raise BadMessage.at(at + name, "is required of an event, as a text")
    if event["specversion"] != "1.0":
        raise BadMessage.at(at + "specversion", "must be 1.0")
    attributes = {name: value for name, value in event.items() if name not in ("data", "data_base64") and value != ""}
    _check(attributes, at)
    data = event.get("data")
    if "data_base64" in event:
        data, attributes["data_base64"] = _coded(event, at), True
    return Sent(
        topic=str(event.get("topic") or event["type"]),
        payload=data if isinstance(data, msgspec.Raw) else msgspec.Raw(msgspec.json.encode(data)),
        topic_key=_text(event, "partitionkey"),
        correlation_id=_text(event, "correlationid"),
        attributes=msgspec.json.encode({name: each for name, each in attributes.items() if each is not None}).decode(),
    )


def _coded(event: dict[str, Any], at: str) -> str:
    text = event["data_base64"]
    if "data" in event:
        raise BadMessage.at(at + "data_base64", "must not be there beside data")
    try:
        b64decode(text, validate=True)
    except (NotBase64, ValueError, TypeError):
        raise BadMessage.at(at + "data_base64", "is no base64") from None
    return str(text)


def _check(attributes: dict[str, Any], at: str) -> None:
    """Refuse attributes that no event may have. Raises BadMessage."""
    for name, value in attributes.items():
        if not name.isascii() or not name.isalnum() or name != name.lower() or len(name) > 64:
            raise BadMessage.at(at + name, "is no name of an event's attribute")
        if not isinstance(value, str | int | bool | None):
            raise BadMessage.at(at + name, "must be a text, an integer or true or false")
    if isinstance(attributes.get("time"), str):
        try:
            parse_iso(attributes["time"])
        except ValueError:
            raise BadMessage.at(at + "time", "must be a time as RFC 3339 has it") from None


def _text(event: dict[str, Any], name: str) -> str | None:
    value = event.get(name)
    return None if value is None or value == "" else str(value)
