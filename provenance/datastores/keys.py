"""The rules of keys (spec/automation.md, 5.10): a flat key space in byte order, path-like, and no file system."""

import unicodedata

from provenance.datastores.errors import BadKey

MOST_BYTES = 1_024
_LAST, _BEFORE_SURROGATES, _AFTER_SURROGATES = 0x10FFFF, 0xD7FF, 0xE000


def checked_key(key: str, at: str = "key") -> str:
    """Return a key that keeps the rules. Raises BadKey, naming where it was read."""
    issue = issue_of(key)
    if issue is not None:
        raise BadKey.at(at, issue)
    return key


def issue_of(key: str) -> str | None:
    """Say what is wrong with a key; None when nothing is."""
    try:
        size = len(key.encode("utf-8"))
    except UnicodeEncodeError:
        return "is no UTF-8"
    if not 1 <= size <= MOST_BYTES:
        return f"must have 1 to {MOST_BYTES:,} bytes"
    if key.startswith("/"):
        return "must not begin with a slash"
    if ".." in key.split("/"):
        return "must not have a segment .."
    if any(unicodedata.category(each) == "Cc" for each in key):
        return "must not hold control characters"
    return None


def after_prefix(prefix: str) -> str | None:
    """Return the first text, in byte order, behind all that begin with a prefix; None when there is none.

    The byte order of UTF-8 is the order of code points, of which surrogates are none.
    """
    for length in range(len(prefix), 0, -1):
        point = ord(prefix[length - 1])
        if point != _LAST:
            following = _AFTER_SURROGATES if point == _BEFORE_SURROGATES else point + 1
            return prefix[: length - 1] + chr(following)
    return None
