"""Optimistic locks over HTTP: ``If-Match`` on the way in, ``ETag`` on the way out (spec/automation.md, 2.5)."""

from typing import Annotated

from fastapi import Depends, Header, Response

from provenance.core.errors import Invalid


async def if_match(header: Annotated[str | None, Header(alias="If-Match", max_length=64)] = None) -> int | None:
    """Return the revision that ``If-Match`` names; None without the header, or for ``*``. Raises Invalid."""
    if header is None or header.strip() == "*":
        return None
    digits = header.strip().removeprefix("W/").strip('"')
    if not digits.isascii() or not digits.isdecimal() or len(digits) > 9:
        raise Invalid.at("If-Match", "is no ETag of this resource")
    return int(digits)


def set_etag(response: Response, revision: int) -> None:
    """Give a response the ETag of a revision."""
    response.headers["ETag"] = f'"{revision}"'


IfMatch = Annotated[int | None, Depends(if_match)]
