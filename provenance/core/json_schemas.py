"""JSON Schema 2020-12 of unknown origin: nothing is fetched, and no pattern can hold a core.

Input of workflows, payloads, skills, messages: whatever declares its shape is checked by this one class.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

import jsonschema_rs
import msgspec

from provenance.core.errors import Detail

MAX_BYTES: Final = 256 * 1024
_ISSUE_AT_MOST: Final = 300
_PATTERNS: Final = jsonschema_rs.RegexOptions(size_limit=1 << 20, dfa_size_limit=1 << 20)
"""The linear engine, in its smaller size: a pattern of another kind is refused with the schema."""


class BadSchema(ValueError):
    """What should be a JSON Schema is none; ``path`` is the place inside it, ``issue`` a sentence."""

    def __init__(self, path: str, issue: str) -> None:
        super().__init__(issue)
        self.path = path
        self.issue = issue


class JsonSchema:
    """One compiled schema. Immutable; checking a value costs time linear in it."""

    __slots__ = ("_validator",)

    def __init__(self, schema: dict[str, Any] | bool) -> None:
        """Compile. Raises BadSchema when it is no JSON Schema, too large, or refers to something outside itself."""
        if len(msgspec.json.encode(schema)) > MAX_BYTES:
            raise BadSchema("", f"a schema has at most {MAX_BYTES // 1024} KiB")
        try:
            self._validator = jsonschema_rs.Draft202012Validator(
                schema, offline=True, pattern_options=_PATTERNS, validate_formats=True
            )
        except jsonschema_rs.ValidationError as error:
            raise BadSchema(place(error.instance_path), _issue(error)) from None
        except (ValueError, jsonschema_rs.ReferencingError) as error:
            raise BadSchema("", str(error)[:_ISSUE_AT_MOST]) from None

    def faults(self, value: Any, at: str = "", *, most: int = 20) -> list[Detail]:
        """Return what is wrong with a value, at most so many, each with its path below ``at``."""
        return list(self._faults(value, at, most))

    def _faults(self, value: Any, at: str, most: int) -> Iterator[Detail]:
        for number, error in enumerate(self._validator.iter_errors(value)):
            if number == most:
                return
            yield {"path": at + place(error.instance_path, inside=bool(at)) or "$", "issue": _issue(error)}


def place(path: list[str | int], *, inside: bool = False) -> str:
    """Write a path as ``a.b[0]``; with ``inside`` so that it can follow another path."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text or inside else part
    return text


def _issue(error: jsonschema_rs.ValidationError) -> str:
    return str(error.message)[:_ISSUE_AT_MOST]


def schema_of(schema: Mapping[str, Any] | bool) -> JsonSchema:
    """Return the compiled schema, kept from an earlier call where possible. Raises BadSchema."""
    return _kept(msgspec.json.encode(schema))


@lru_cache(maxsize=512)
def _kept(encoded: bytes) -> JsonSchema:
    return JsonSchema(msgspec.json.decode(encoded))
