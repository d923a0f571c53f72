"""How two JSON values differ: the paths whose values were added, removed or changed."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from provenance.core.errors import Detail

MOST = 200
_SHOWN = 200


class Missing(msgspec.Struct, frozen=True):
    """Stands for a value that is not there."""


MISSING = Missing()


class Difference(NamedTuple):
    """One place where two values differ."""

    path: str
    before: Any
    after: Any


def differences(before: Any, after: Any) -> list[Difference]:
    """Return the places where values differ, at most `MOST`, in the order of the first."""
    found = []
    for each in _walk("", before, after):
        found.append(each)
        if len(found) == MOST:
            break
    return found


def told(found: list[Difference]) -> Iterator[Detail]:
    """Say each difference in a few words, for an error."""
    for each in found:
        yield {"path": f"payload{'.' if each.path[:1] not in ('', '[') else ''}{each.path}", "issue": _sentence(each)}


def _walk(path: str, before: Any, after: Any) -> Iterator[Difference]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in [*before, *[name for name in after if name not in before]]:
            inner = f"{path}.{name}" if path else name
            yield from _walk(inner, before.get(name, MISSING), after.get(name, MISSING))
    elif isinstance(before, list) and isinstance(after, list):
        for number in range(max(len(before), len(after))):
            old = before[number] if number < len(before) else MISSING
            new = after[number] if number < len(after) else MISSING
            yield from _walk(f"{path}[{number}]", old, new)
    elif type(before) is not type(after) or before != after:
        yield Difference(path, before, after)


def _sentence(found: Difference) -> str:
    if found.after is MISSING:
        return f"is gone; you saw {_shown(found.before)}"
    if found.before is MISSING:
        return f"is new: {_shown(found.after)}"
    return f"is {_shown(found.after)} now; you saw {_shown(found.before)}"


def _shown(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
