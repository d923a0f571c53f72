"""Reading the query string of a list, when there is nothing odd about it.

The framework takes as long to solve the parameters of a list as the database takes to answer it. A query string that
is well-formed and within bounds is read here; any other is left to the framework, which says what is wrong with it.
"""

from typing import NamedTuple
from urllib.parse import parse_qsl

from pydantic import ValidationError

from provenance.core.errors import Problem
from provenance.core.pagination import DEFAULT_LIMIT, MAX_LIMIT, PageAsked
from provenance.ledger.interactions.filters import Filters
from provenance.ledger.interactions.listing import Asked

REPEATABLE = frozenset({"resourceId", "resourceType", "resourceTypeId", "action", "actionId", "origin", "originId"})
FILTERS = frozenset({*Filters.model_json_schema()["properties"], "from", "to"})
PAGING = frozenset({"page", "limit", "pageSize", "order", "cursor"})

_NO_FILTERS = Filters()
_BOTH_NAMES = ({"from", "startDate"}, {"to", "endDate"}, {"limit", "pageSize"})
_MAX_PAGE = 10_000


class Plain(NamedTuple):
    """What a list is asked for."""

    filters: Filters
    asked: Asked


def plainly(query: bytes) -> Plain | None:
    """Return what a query string asks for; None when the framework has to look at it."""
    if not query:
        return Plain(_NO_FILTERS, Asked(1, DEFAULT_LIMIT, 0))
    if b"%00" in query:
        return None
    filters: dict[str, str | list[str]] = {}
    paging: dict[str, str] = {}
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name in REPEATABLE:
            values = filters.setdefault(name, [])
            assert isinstance(values, list)
            values.append(value)
        elif name in FILTERS and name not in filters:
            filters[name] = value
        elif name in PAGING and name not in paging:
            paging[name] = value
        else:
            return None
    given = filters.keys() | paging.keys()
    if any(both <= given for both in _BOTH_NAMES):
        return None
    return _within_bounds(filters, paging)


def _within_bounds(filters: dict[str, str | list[str]], paging: dict[str, str]) -> Plain | None:
    page = _whole(paging.get("page", "1"), _MAX_PAGE)
    limit = _whole(paging.get("limit", paging.get("pageSize", str(DEFAULT_LIMIT))), MAX_LIMIT)
    order = paging.get("order", "desc")
    if page is None or limit is None or order not in ("asc", "desc"):
        return None
    try:
        known = Filters.model_validate(filters) if filters else _NO_FILTERS
        window = PageAsked(page, limit)
    except (ValidationError, Problem):
        return None
    return Plain(known, Asked(window.page, window.limit, window.offset, order == "desc", paging.get("cursor")))


def _whole(text: str, most: int) -> int | None:
    """Return a number from 1 to ``most``, None for anything else."""
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        return None
    number = int(text)
    return number if 0 < number <= most else None
