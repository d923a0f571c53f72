"""Whether a new version of a schema takes everything that the one before takes, as far as rules can tell.

Containment of JSON Schemas can't be decided in general. So these rules are on the safe side: a change passes when each
part of the new schema is seen to be no narrower; whatever else changed is a reason to refuse.
"""

from typing import Any

_NOTES = frozenset({"$comment", "$id", "$schema", "default", "deprecated", "description", "examples", "title"})
_LEAST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains")
_MOST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains")
_CHILDREN = ("properties", "patternProperties", "$defs")
_KNOWN = frozenset({"type", "enum", "required", "additionalProperties", "items", *_LEAST, *_MOST, *_CHILDREN})

Schema = Any


def narrower(before: Schema, after: Schema, at: str = "schema") -> str | None:
    """Return the first place where the new schema may refuse what the old one takes; None when there is none."""
    if after is True or after == {} or before is False or before == after:
        return None
    if not isinstance(before, dict) or not isinstance(after, dict):
        return at
    for name in sorted((before.keys() | after.keys()) - _NOTES - _KNOWN):
        if before.get(name) != after.get(name) and name in after:
            return f"{at}.{name}"
    return _of_values(before, after, at) or _of_bounds(before, after, at) or _of_objects(before, after, at)


def _of_values(before: Schema, after: Schema, at: str) -> str | None:
    if "type" in after and not _types(before) <= _types(after):
        return f"{at}.type"
    if "enum" in after and ("enum" not in before or any(each not in after["enum"] for each in before["enum"])):
        return f"{at}.enum"
    return None


def _types(schema: Schema) -> set[str]:
    every = {"array", "boolean", "integer", "null", "number", "object", "string"}
    found = schema.get("type", sorted(every))
    types = {found} if isinstance(found, str) else set(found)
    return types | {"integer"} if "number" in types else types


def _of_bounds(before: Schema, after: Schema, at: str) -> str | None:
    for name in _LEAST:
        if name in after and (name not in before or after[name] > before[name]):
            return f"{at}.{name}"
    for name in _MOST:
        if name in after and (name not in before or after[name] < before[name]):
            return f"{at}.{name}"
    return None


def _of_objects(before: Schema, after: Schema, at: str) -> str | None:
    if not set(after.get("required", ())) <= set(before.get("required", ())):
        return f"{at}.required"
    if "items" in after and (found := narrower(before.get("items", True), after["items"], f"{at}.items")):
        return found
    rest = before.get("additionalProperties", True)
    if (found := narrower(rest, after.get("additionalProperties", True), f"{at}.additionalProperties")) is not None:
        return found
    return _of_properties(before, after, at)


def _of_properties(before: Schema, after: Schema, at: str) -> str | None:
    """Compare named parts: a new one narrows what any other was before; one that went must be let in as any other."""
    if before.get("patternProperties") != after.get("patternProperties") and "patternProperties" in after:
        return f"{at}.patternProperties"
    if before.get("$defs") != after.get("$defs") and "$defs" in before:
        return f"{at}.$defs"
    old, new = before.get("properties", {}), after.get("properties", {})
    for name, schema in new.items():
        of_old = old.get(name, before.get("additionalProperties", True))
        if (found := narrower(of_old, schema, f"{at}.properties.{name}")) is not None:
            return found
    for name, schema in old.items():
        if name not in new:
            found = narrower(schema, after.get("additionalProperties", True), f"{at}.properties.{name}")
            if found is not None:
                return found
    return None
