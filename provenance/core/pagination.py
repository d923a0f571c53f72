"""Pages: the envelope of the ledger's lists, asked for by ``page`` and ``limit`` (alias ``pageSize``)."""

from typing import Annotated, Any, TypedDict

from fastapi import Depends, Query

from provenance.core.errors import Invalid

DEFAULT_LIMIT = 50
MAX_LIMIT = 500
MAX_OFFSET = 10_000


class UseCursor(Invalid):
    """The page lies deeper than pages reach; the cursor goes on from there at any depth."""

    code = "use_cursor"


class Pagination(TypedDict):
    """Where a page stands in its list."""

    page: int
    limit: int
    total: int
    totalPages: int
    hasNext: bool
    hasPrev: bool
    nextCursor: str | None
    totalCapped: bool
    scanComplete: bool


class Page(TypedDict):
    """One page of a list."""

    data: list[dict[str, Any]]
    pagination: Pagination


class PageAsked:
    """What a caller asked for: the page (from 1), its size, and whether they asked at all."""

    def __init__(self, page: int | None, limit: int | None) -> None:
        """Take the page and its size. Raises UseCursor for a page that starts beyond 10,000 rows."""
        self.asked = page is not None or limit is not None
        self.page = page or 1
        self.limit = limit or DEFAULT_LIMIT
        self.offset = (self.page - 1) * self.limit
        if self.offset > MAX_OFFSET:
            raise UseCursor.at("page", f"lies beyond {MAX_OFFSET:,} rows: follow nextCursor instead")


async def page_asked(
    page: Annotated[int | None, Query(ge=1, le=2**31, description="Page, from 1.")] = None,
    limit: Annotated[int | None, Query(ge=1, le=MAX_LIMIT, description="Rows a page, 50 by default.")] = None,
    page_size: Annotated[
        int | None, Query(ge=1, le=MAX_LIMIT, alias="pageSize", description="Another name of limit.")
    ] = None,
) -> PageAsked:
    """Read the query parameters of a page."""
    return PageAsked(page, limit if limit is not None else page_size)


PageRequest = Annotated[PageAsked, Depends(page_asked)]


def paged(data: list[dict[str, Any]], asked: PageAsked, total: int) -> Page:
    """Wrap one page of a list whose length is known."""
    pages = -(-total // asked.limit)
    return {
        "data": data,
        "pagination": {
            "page": asked.page,
            "limit": asked.limit,
            "total": total,
            "totalPages": pages,
            "hasNext": asked.page < pages,
            "hasPrev": asked.page > 1,
            "nextCursor": None,
            "totalCapped": False,
            "scanComplete": True,
        },
    }
