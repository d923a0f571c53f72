"""What a selector means: the criteria it stands for, the hash that names it, and the rows that satisfy it.

Rows that the platform made are never selected: they hold ids of people and no more (DESIGN section 6), and they are
the audit trail. Found are envelopes as well as rows with content; those that have none any more are skipped later.
"""

import uuid
from dataclasses import replace
from typing import Any, NamedTuple

import msgspec
from pydantic import ValidationError

from provenance.core.actor import Actor, Kind, Role
from provenance.core.db import ReadTx
from provenance.core.errors import Invalid
from provenance.core.keyring import WorkspaceKeys
from provenance.ledger.catalogue.cache import Catalogue, Catalogues
from provenance.ledger.entry import INDEX_PURPOSE
from provenance.ledger.erasure.errors import OneSelector
from provenance.ledger.erasure.schemas import StrictFilters
from provenance.ledger.interactions import scanning
from provenance.ledger.interactions.filters import Criteria, ResourceMatch, criteria
from provenance.ledger.interactions.queries import Key
from provenance.ledger.interactions.scanning import Wanted
from provenance.ledger.interactions.where import WhereTest
from provenance.proof.canonical import canonical

PURPOSE = "ledger.erasure"
_HASH_BYTES = 16


class Chosen(NamedTuple):
    """A selector: its kind and its value (an id, or the filter as it was sent)."""

    kind: str
    value: Any

    def hashed(self, keys: WorkspaceKeys) -> bytes:
        """Return the keyed hash, for an id the one that envelopes carry as ``keys.u`` and ``keys.r``."""
        kinds = {"userId": b"u\0", "resourceId": b"r\0"}
        text = self.value.encode() if self.kind in kinds else canonical(self.value)
        return keys.mac(INDEX_PURPOSE, kinds.get(self.kind, b"filter\0") + text)[:_HASH_BYTES]

    def sealed(self, keys: WorkspaceKeys) -> bytes:
        """Return the selector encrypted, as it is stored until the erasure is finished."""
        return keys.seal(PURPOSE, msgspec.json.encode([self.kind, self.value]))

    def criteria(self, catalogue: Catalogue) -> Criteria:
        """Return what rows must satisfy. Raises Invalid for a filter that is none."""
        if self.kind == "userId":
            return Criteria(user_id=self.value, platform=False)
        if self.kind == "resourceId":
            return Criteria(resources=(ResourceMatch(self.value),), platform=False)
        return replace(meant(self.value, catalogue), platform=False)


def opened(keys: WorkspaceKeys, sealed: bytes) -> Chosen:
    """Read a sealed selector."""
    kind, value = msgspec.json.decode(keys.open(PURPOSE, sealed))
    return Chosen(kind, value)


def chosen(user_id: str | None, resource_id: str | None, filter: dict[str, Any] | None) -> Chosen:
    """Return the one selector that is given. Raises OneSelector for none, or more than one, or an empty filter."""
    given = {"userId": user_id, "resourceId": resource_id, "filter": filter}
    named = [Chosen(kind, value) for kind, value in given.items() if value is not None]
    if len(named) != 1:
        raise OneSelector.at("$", "name exactly one of userId, resourceId and filter")
    if not named[0].value:
        raise OneSelector.at("filter", "is empty: it would select every row")
    return named[0]


def meant(sent: dict[str, Any], catalogue: Catalogue) -> Criteria:
    """Return what a filter means. Raises Invalid, naming the path."""
    try:
        filters = StrictFilters.model_validate(sent)
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(["filter", *map(str, first["loc"])])
        raise Invalid.at(at, str(first["msg"]).removeprefix("Value error, ")) from None
    if filters.platform == "only":
        raise Invalid.at("filter.platform", "rows that the platform made are never erased")
    return criteria(filters, catalogue, at="filter.")


def system(workspace_id: uuid.UUID) -> Actor:
    """Return the worker as an actor that reads everything."""
    return Actor(Kind.SYSTEM, "system", workspace_id, role=Role.ADMIN)


class Found(NamedTuple):
    """Numbers of rows that satisfy a selector, where to go on, and whether anything is left there."""

    numbers: list[int]
    after: Key
    ended: bool


async def find(
    tx: ReadTx, catalogues: Catalogues, what: Criteria, after: Key, *, limit: int, upto: int | None = None
) -> Found:
    """Find the next rows, at most ``limit``, none with a number above ``upto``; may find none and not have ended."""
    if what.impossible:
        return Found([], after, ended=True)
    way = await scanning.plan(tx, what, sees_platform=True)
    test = None if what.where is None else WhereTest(tx, catalogues, what.where)
    begin = None if after == (0, 0) else after
    wanted = Wanted(newest_first=False, after=begin, skip=0, rows=limit, counting=False)
    found = await scanning.scan(tx, way, wanted, test)
    full = len(found.keys) == limit
    last = found.keys[-1] if full else found.last or after
    ended = (found.ended and not full) or (not what.by_date and upto is not None and last[1] >= upto)
    return Found([number for _, number in found.keys if upto is None or number <= upto], last, ended)
