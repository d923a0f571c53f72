"""Searching for activity: the rows of one page, grouped by who acted, then by unit of work.

Pages are pages of interactions, found the way lists find them; a unit of work whose interactions lie on two pages
appears on both, each time with those of the page.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Row

from provenance.core.clock import iso_millis
from provenance.core.db import ReadTx
from provenance.core.errors import Invalid
from provenance.core.keyring import WorkspaceKeys
from provenance.core.pagination import PageAsked
from provenance.ledger.activity.errors import FilterRequired
from provenance.ledger.activity.schemas import ActivitySearch, ResourceAsked
from provenance.ledger.catalogue.cache import Catalogue, Catalogues, Kind
from provenance.ledger.interactions import cursors, listing
from provenance.ledger.interactions.filters import Criteria, Filters, ResourceMatch, criteria, resource_match, word_ids
from provenance.ledger.interactions.listing import Asked, Listed
from provenance.ledger.interactions.rendering import render_record

_encode = msgspec.json.Encoder().encode
_PAGING = {"page", "limit", "cursor"}


async def search(tx: ReadTx, catalogues: Catalogues, keys: WorkspaceKeys, asked: ActivitySearch) -> bytes:
    """Return one page of activity, as it goes over the wire.

    Raises FilterRequired, Invalid, BadCursor and UseCursor.
    """
    page = PageAsked(asked.page, asked.limit)
    view = tx.actor.reads_platform_rows
    bound_to = cursors.binding("activity", asked.model_dump(exclude=_PAGING), view)
    wanted = Asked(page.page, page.limit, page.offset, cursor=asked.cursor)
    found = await listing.find(tx, catalogues, keys, lambda words: meant(asked, words), wanted, bound_to)
    return b'{"data":%b,"pagination":%b}' % (grouped(found, sees_platform=view), _encode(found.pagination))


def meant(asked: ActivitySearch, catalogue: Catalogue) -> Criteria:
    """Return what rows must satisfy. Raises FilterRequired, and Invalid for a filter that is given twice."""
    filters = _merged(asked)
    if not (filters.given or asked.resources or asked.json_):
        raise FilterRequired("Give at least one filter, such as a resource, a user, a unit of work or a date.")
    tests = tuple(each.test for each in asked.json_)
    return criteria(filters, catalogue, resources=_resources(asked.resources, catalogue), tests=tests, at="filters.")


def _merged(asked: ActivitySearch) -> Filters:
    """Put the fields beside ``filters`` into them."""
    beside = {
        "user_id": asked.user_id,
        "uow_id": asked.uow_id,
        "action": asked.action,
        "resource_type": asked.resource_type,
        "start_date": asked.from_,
        "end_date": asked.to,
        "resource_id": asked.resources or None,
    }
    given = {name: value for name, value in beside.items() if value is not None}
    for name in given:
        if getattr(asked.filters, name) is not None:
            raise Invalid.at(f"filters.{_wire_name(name)}", "is given outside of filters already")
    given.pop("resource_id", None)
    return asked.filters.model_copy(update=given)


def _wire_name(field: str) -> str:
    info = Filters.model_fields[field]
    return info.alias or field


def _resources(asked: Sequence[ResourceAsked], catalogue: Catalogue) -> tuple[ResourceMatch, ...] | None:
    """Return the resources asked for, None for any; one of a type that is unknown matches nothing."""
    if not asked:
        return None
    matches = [_match(each, catalogue) for each in asked]
    if any(match.id is None and match.types is None for match in matches):
        return None
    return tuple(match for match in matches if match.types is None or match.types)


def _match(asked: ResourceAsked, catalogue: Catalogue) -> ResourceMatch:
    names = None if asked.resource_type is None else [asked.resource_type]
    ids = None if asked.resource_type_id is None else [asked.resource_type_id]
    return resource_match(asked.resource_id or "*", word_ids(catalogue, Kind.RESOURCE_TYPE, names, ids))


def grouped(found: Listed, *, sees_platform: bool) -> bytes:
    """Render rows grouped by user, then unit of work, each in the order of their first row."""
    users: dict[str | None, dict[str, list[Row[Any]]]] = {}
    for record in found.records:
        hidden = record.platform and not sees_platform
        units = users.setdefault(None if hidden else record.user_id, {})
        units.setdefault(str(record.uow_id), []).append(record)
    shown = [
        b'{"userId":%b,"units":[%b]}'
        % (_encode(user), b",".join([_unit(uow, rows, found.catalogue, sees_platform) for uow, rows in units.items()]))
        for user, units in users.items()
    ]
    return b"[" + b",".join(shown) + b"]"


def _unit(uow_id: str, records: Sequence[Row[Any]], catalogue: Catalogue, sees_platform: bool) -> bytes:
    moments = [record.occurred_at for record in records]
    head = {"uowId": uow_id, "from": iso_millis(min(moments)), "to": iso_millis(max(moments)), "count": len(records)}
    rows = b",".join([render_record(record, catalogue, sees_platform=sees_platform) for record in records])
    return _encode(head)[:-1] + b',"interactions":[%b]}' % rows
