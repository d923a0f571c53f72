"""Which bytes of an object a request asks for (RFC 9110, section 14)."""

import re

from provenance.datastores.errors import RangeOutside

_ONE = re.compile(r"\s*bytes\s*=\s*(\d{0,19})\s*-\s*(\d{0,19})\s*", re.IGNORECASE)


def asked_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return where the range begins and where it ends (not included); None for the whole object.

    A header that is no range of bytes, or names several, asks for the whole: a server may say so. Raises RangeOutside
    when the range begins behind the end.
    """
    found = None if header is None else _ONE.fullmatch(header)
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1 if last else size)
        if last and int(last) < int(first):
            return None
    if start >= size or (not first and not int(last)):
        raise RangeOutside(f"The object has {size:,} bytes.", headers={"Content-Range": f"bytes */{size}"})
    return start, end


def names_etag(header: str | None, etag: str) -> bool:
    """Tell whether a list of ETags, as in If-None-Match, names one (compared weakly)."""
    if header is None:
        return False
    listed = [each.strip().removeprefix("W/") for each in header.split(",")]
    return "*" in listed or etag in listed
