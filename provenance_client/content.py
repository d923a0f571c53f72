"""What may go into an interaction: the server's cheap rules, told to the caller at once (spec.

Ledger, section 2).
"""

from __future__ import annotations

import json
import re
import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import uuid_utils

from provenance_client.errors import InvalidRequest, TooLarge

MAX_BODY_BYTES = 256 * 1024
MAX_DEPTH = 64
MAX_TEXT = 512
_SAFE_INTEGER = 2**53 - 1
# Cheap first look at the finished text: only a text with one of these is walked value by value.
_SUSPECT = re.compile(r"\\u0000|\d{16}")


def encode(value: object) -> bytes:
    """JSON text of `value`. Dates become ISO 8601 UTC, UUIDs and decimals strings.

    Raises InvalidRequest (`not_json`) for NaN, infinity, cycles, lone surrogates and types JSON does not
    know.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain)
        return text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"not representable as JSON: {error}", code="not_json") from error


def encode_interaction(fields: dict[str, Any]) -> bytes:
    """JSON text of one interaction's fields (wire spelling), after the rules the server would answer 400 or
    413 to.

    Raises InvalidRequest naming the path, or TooLarge above 256 KiB.
    """
    check_interaction(fields)
    content = encode(fields)
    if len(content) > MAX_BODY_BYTES:
        raise TooLarge(f"{len(content):,} bytes, at most {MAX_BODY_BYTES:,} fit into one interaction")
    text = content.decode()
    if _SUSPECT.search(text) or text.count("{") + text.count("[") > MAX_DEPTH:
        _walk(json.loads(text), "", 1)
    return content


def check_interaction(fields: dict[str, Any]) -> None:
    """Check presence, lengths and identifiers of one interaction (wire spelling). Raises InvalidRequest."""
    resource = fields.get("resourceId")
    if not isinstance(resource, str):
        raise _invalid("resourceId", "a string is required")
    for name in ("resourceId", "userId", "externalReference", "idempotencyKey"):
        _check_length(name, fields.get(name))
    for name in ("resourceType", "action", "origin"):
        if not fields.get(name) and not fields.get(name + "Id"):
            raise _invalid(name, f"give {name} or {name}Id")
    for name in ("uowId", "spanId", "parentSpanId"):
        if (value := fields.get(name)) is not None:
            fields[name] = uuid_text(value, name)


def uuid_text(value: object, name: str) -> str:
    """The hyphenated lower-case spelling of a UUID. Raises InvalidRequest naming the argument."""
    try:
        return str(uuid.UUID(str(value)))
    except ValueError:
        raise _invalid(name, f"not a UUID: {value!r}") from None


def utc_text(moment: datetime) -> str:
    """ISO 8601 in UTC with microseconds and `Z`.

    A datetime without zone is taken as local time, as Python does.
    """
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _check_length(name: str, value: object) -> None:
    if value is None:
        return
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_TEXT:
        raise _invalid(name, f"a string of 1 to {MAX_TEXT} characters")


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return utc_text(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, uuid.UUID | uuid_utils.UUID | Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _walk(value: object, path: str, depth: int) -> None:
    if isinstance(value, dict | list):
        if depth > MAX_DEPTH:
            raise _invalid(path, f"nested deeper than {MAX_DEPTH}", "too_deep")
        entries = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in entries:
            _walk(key, path, depth)
            _walk(item, f"{path}.{key}" if path else str(key), depth + 1)
    elif isinstance(value, str) and "\x00" in value:
        raise _invalid(path, "holds the character U+0000", "invalid_character")
    elif isinstance(value, int) and abs(value) > _SAFE_INTEGER:
        raise _invalid(path, "beyond ±(2^53−1): send it as a string", "unsafe_integer")


def _invalid(path: str, issue: str, code: str = "invalid_request") -> InvalidRequest:
    return InvalidRequest(f"{path}: {issue}", code=code, details=[{"path": path, "issue": issue}])
