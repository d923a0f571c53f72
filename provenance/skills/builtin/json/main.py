"""Parses, picks, merges and writes JSON."""

import json

from provenance_skill import Failed

_MISSING = object()


def run(input: dict) -> dict:
    """Take ``text`` or ``value``, merge, pick, and write where asked to."""
    value = parsed(input["text"]) if "text" in input else input["value"]
    if "merge" in input:
        value = merged(value, input["merge"])
    if "pick" in input:
        value = {name: picked(value, pointer) for name, pointer in input["pick"].items()}
    if not input.get("write"):
        return {"value": value}
    return {"value": value, "text": json.dumps(value, ensure_ascii=False, indent=input.get("indent"))}


def parsed(text: str) -> object:
    """Parse a text, by the letter of the standard: no NaN, no doubled members."""

    def whole(pairs: list) -> dict:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise Failed("not_json", "A member occurs twice.")
        return found

    def refuse(word: str) -> None:
        raise Failed("not_json", f"{word} is no JSON.")

    try:
        return json.loads(text, object_pairs_hook=whole, parse_constant=refuse)
    except ValueError as error:
        raise Failed("not_json", f"The text is no JSON: {error}.") from None


def picked(value: object, pointer: str) -> object:
    """Return what a JSON Pointer names; null when there is nothing."""
    for part in pointer.split("/")[1:]:
        part = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(part, _MISSING)
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return None if value is _MISSING else value


def merged(value: object, patch: object) -> object:
    """Apply a merge patch."""
    if not isinstance(patch, dict):
        return patch
    found = dict(value) if isinstance(value, dict) else {}
    for name, each in patch.items():
        if each is None:
            found.pop(name, None)
        else:
            found[name] = merged(found.get(name), each)
    return found
