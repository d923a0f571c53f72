"""The verbs of environments."""

from typing import Any

from sqlalchemy.exc import IntegrityError

from provenance.audit import service as audit
from provenance.core.clock import iso_millis
from provenance.core.db import ReadTx, WriteTx
from provenance.core.errors import Invalid
from provenance.core.ids import encode
from provenance.workspace import queries as workspaces
from provenance.workspace.environments import queries
from provenance.workspace.environments.errors import EnvironmentInUse, ProductionStays
from provenance.workspace.environments.schemas import (
    PRODUCTION,
    Environment,
    EnvironmentEvent,
    EnvironmentInput,
    Environments,
    EnvironmentsUpdate,
)

FIRST = (PRODUCTION, "staging", "development")
_SHOWN = ("name", "protected", "description")


async def open_environments(tx: WriteTx) -> None:
    """Give a new workspace its first environments."""
    for position, slug in enumerate(FIRST):
        protected = slug == PRODUCTION
        await queries.store(tx, slug, name=slug.title(), description="", protected=protected, position=position)


async def list_environments(tx: ReadTx) -> Environments:
    """Return the workspace's environments in their order."""
    return Environments(items=[_shown(row) for row in await queries.all_of(tx)])


async def update(tx: WriteTx, asked: EnvironmentsUpdate) -> Environments:
    """Make the list of environments this one; the same list again is no change and leaves no event.

    Raises Invalid for a slug that comes twice, ProductionStays, EnvironmentInUse.
    """
    wanted = _by_slug(asked.items)
    await workspaces.lock(tx)
    before = {row.slug: row for row in await queries.all_of(tx)}
    after = {slug: _columns(each, at, before.get(slug)) for at, (slug, each) in enumerate(wanted.items())}
    changes = _changes(before, after)
    if changes:
        await _store(tx, before, after)
        subject, data = encode("ws", tx.workspace_id), {"changes": changes}
        audit.record(tx, EnvironmentEvent.UPDATED, subject, data, risk=audit.Risk.MEDIUM)
    return await list_environments(tx)


def _by_slug(items: list[EnvironmentInput]) -> dict[str, EnvironmentInput]:
    wanted: dict[str, EnvironmentInput] = {}
    for at, each in enumerate(items):
        if each.slug in wanted:
            raise Invalid.at(f"items[{at}].slug", "comes twice")
        wanted[each.slug] = each
    if PRODUCTION not in wanted:
        raise ProductionStays("The environment production can't be removed.")
    if wanted[PRODUCTION].protected is False:
        raise ProductionStays("The environment production is always protected.")
    return wanted


def _columns(asked: EnvironmentInput, position: int, before: Any) -> dict[str, Any]:
    kept = asked.slug == PRODUCTION if before is None else before.protected
    protected = kept if asked.protected is None else asked.protected
    return {"name": asked.name, "protected": protected, "description": asked.description, "position": position}


def _changes(before: dict[str, Any], after: dict[str, dict[str, Any]]) -> dict[str, list[Any]]:
    """Return by slug what each environment was and is; null for one that is new, or gone."""
    was = {slug: {name: getattr(row, name) for name in _SHOWN} for slug, row in before.items()}
    now = {slug: {name: columns[name] for name in _SHOWN} for slug, columns in after.items()}
    changes: dict[str, list[Any]] = {
        slug: [was.get(slug), now.get(slug)] for slug in {**was, **now} if was.get(slug) != now.get(slug)
    }
    if not changes and list(before) != list(after):
        changes["(order)"] = [list(before), list(after)]
    return changes


async def _store(tx: WriteTx, before: dict[str, Any], after: dict[str, dict[str, Any]]) -> None:
    gone = before.keys() - after.keys()
    try:
        await queries.remove(tx, gone)
    except IntegrityError:
        names = ", ".join(sorted(gone))
        raise EnvironmentInUse(f"Something lives in an environment that the list leaves out: {names}.") from None
    for slug, columns in after.items():
        await queries.store(tx, slug, **columns)


def _shown(row: Any) -> Environment:
    return Environment(
        name=row.name,
        slug=row.slug,
        protected=row.protected,
        description=row.description,
        created_at=iso_millis(row.created_at),
    )
