"""Where a part of an upload belongs: ``Content-Range: bytes 0-1048575/5242880``, or ``bytes */5242880`` to ask."""

import re

from provenance.datastores.errors import BadContentRange

_PART = re.compile(r"bytes (?:(\d{1,16})-(\d{1,16})|(\*))/(\d{1,16})")


def placed(header: str, size: int) -> tuple[int, int] | None:
    """Return where a part begins and ends (not included); None for ``*``, which only asks. Raises BadContentRange."""
    found = _PART.fullmatch(header.strip())
    if found is None:
        raise BadContentRange.at("Content-Range", f"is written bytes FIRST-LAST/{size}")
    first, last, star, whole = found.groups()
    if int(whole) != size:
        raise BadContentRange.at("Content-Range", f"the upload was announced with {size} bytes")
    if star:
        return None
    start, end = int(first), int(last) + 1
    if not start < end <= size:
        raise BadContentRange.at("Content-Range", "ends before it begins, or behind the end")
    return start, end
