"""The arguments that `log()`, `span()` and `add_context()` share, and their spelling on the wire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict, Unpack, cast

from provenance_client.api.interactions import Outcome
from provenance_client.api.request import camel
from provenance_client.content import uuid_text


class LogFields(TypedDict, total=False):
    """One interaction, in snake_case (spec: ledger, section 2).

    Needed in the end: `resource_id`, and for type, action and origin a mnemonic or an id. `uow_id`,
    `span_id`, `parent_span_id` are UUIDs; `timestamp` is a datetime or ISO 8601 text with a zone.
    """

    resource_id: str
    resource_type: str
    resource_type_id: str
    action: str
    action_id: str
    origin: str
    origin_id: str
    interaction: Mapping[str, Any]
    external_reference: str
    external_response: Any
    user_id: str
    sequence_index: int
    outcome: Outcome
    on_behalf_of: Sequence[str]
    related_resources: Sequence[Mapping[str, Any]]
    changes: Sequence[Mapping[str, Any]]
    corrects: str
    uow_id: str
    timestamp: datetime | str
    span_id: str
    parent_span_id: str
    idempotency_key: str


_WIRE = {name: camel(name) for name in LogFields.__annotations__}
_IDS = frozenset(("uow_id", "span_id", "parent_span_id"))
_EITHER = (("resource_type", "resource_type_id"), ("action", "action_id"), ("origin", "origin_id"))


def merged(bound: LogFields, given: LogFields) -> LogFields:
    """The given arguments over the bound ones; `interaction` objects are merged key by key.

    A bound mnemonic steps back for a given id of the same thing (and the other way round): both would have
    to match.

    Raises TypeError for an argument that does not exist, InvalidRequest for an id that is no UUID.
    """
    if unknown := given.keys() - _WIRE.keys():
        raise TypeError(f"no such argument: {', '.join(sorted(unknown))}")
    result: dict[str, Any] = {**bound}
    for pair in _EITHER:
        if any(given.get(name) is not None for name in pair):
            for name in pair:
                result.pop(name, None)
    result.update((name, value) for name, value in given.items() if value is not None)
    for name in _IDS & given.keys():
        if name in result:
            result[name] = uuid_text(result[name], name)
    if bound.get("interaction") and given.get("interaction"):
        result["interaction"] = {**bound["interaction"], **given["interaction"]}
    return cast(LogFields, result)


def wire(**fields: Unpack[LogFields]) -> dict[str, Any]:
    """The fields as keys of a batch item."""
    return {_WIRE[name]: value for name, value in fields.items()}
