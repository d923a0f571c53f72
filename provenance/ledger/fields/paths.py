"""JSON paths as the ledger writes them: ``address.city``, ``items[].price``, ``labels."app.name"``.

Keys are joined by dots. A key that is empty or holds a dot, a bracket, a quote, white space or a control
character stands in quotes, written as a JSON string. ``[]`` behind a key means the elements of its array.
"""

import json
import re

MAX_SEGMENTS = 8
MAX_BYTES = 400

_PLAIN = re.compile(r'[^\s.\[\]"\x00-\x1f]+')
_SEGMENT = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^\s.\[\]"\x00-\x1f]+)')


def key(name: str) -> str:
    """Write one key as a segment of a path."""
    return name if _PLAIN.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def parse(text: str) -> list[str]:
    """Return the keys of a path to a value, ``a."b.c"`` → ``["a", "b.c"]``.

    Raises ValueError, saying what is wrong; also for ``[]``, because a path to a value names one, not many.
    """
    if len(text.encode()) > MAX_BYTES:
        raise ValueError(f"is longer than {MAX_BYTES} bytes")
    keys, at = [], 0
    while True:
        found = _SEGMENT.match(text, at)
        if found is None:
            raise ValueError('is no path such as address.city or labels."app.name"')
        keys.append(_name(found.group()))
        at = found.end()
        if at == len(text):
            break
        if text.startswith("[]", at):
            raise ValueError("names the elements of an array; only single values can be asked for")
        if text[at] != ".":
            raise ValueError('is no path such as address.city or labels."app.name"')
        at += 1
    if len(keys) > MAX_SEGMENTS:
        raise ValueError(f"is deeper than {MAX_SEGMENTS} keys")
    return keys


def _name(segment: str) -> str:
    if not segment.startswith('"'):
        return segment
    try:
        name: str = json.loads(segment)
    except ValueError:
        raise ValueError("holds a quoted key that is no JSON string") from None
    if "\x00" in name or any("\ud800" <= letter <= "\udfff" for letter in name):
        raise ValueError("holds a character that no stored key has")
    return name
