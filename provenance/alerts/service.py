"""The verbs of alerts: set rules up, show how they stand, silence and acknowledge what fires.

Each holds the cursor of the rules' handler, so nobody hears a rule halfway through a change. A rule that looks for
something else, or is enabled, begins anew with the rows that come from then on.
"""

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from provenance.alerts import queries, telling
from provenance.alerts.errors import AlertGroupNotFound, AlertNameTaken, AlertNotFound, NotFiring, TooManyAlerts
from provenance.alerts.following import program
from provenance.alerts.groups import queries as kept
from provenance.alerts.groups.schemas import NO_GROUP, Group
from provenance.alerts.programs import Program
from provenance.alerts.queries import Stored
from provenance.alerts.rendering import detailed, shown
from provenance.alerts.schemas import (
    GROUP_PREFIX,
    PREFIX,
    Acknowledge,
    Alert,
    AlertCreate,
    AlertDeleted,
    AlertDetail,
    AlertEvent,
    AlertUpdate,
    Rule,
    Silence,
    Where,
)
from provenance.audit import service as audit
from provenance.core.clock import iso_millis, nanos
from provenance.core.db import ReadTx, WriteTx
from provenance.core.errors import Invalid
from provenance.core.ids import decode, encode, new_uuid

if TYPE_CHECKING:  # the worker imports this, and carries no web framework
    from provenance.core.pagination import Page, PageAsked

MOST = 100
"""Alerts of one workspace."""


async def create(tx: WriteTx, asked: AlertCreate) -> Alert:
    """Add an alert. Raises BadAlertExpression, TooManyAlerts and AlertNameTaken."""
    rule = rule_of(asked)
    Program(rule, 0)
    await queries.lock(tx)
    if await queries.count(tx) >= MOST:
        raise TooManyAlerts(f"A workspace has at most {MOST} alerts.")
    alert_id = new_uuid()
    values = {
        "id": alert_id,
        "name": asked.name,
        "severity": asked.severity.value,
        "enabled": asked.enabled,
        "created_at": tx.now,
        "created_by": tx.actor.id,
        "revision": 0,
    }
    if not await queries.add(tx, {**values, **_touched(tx), **await _begun(tx, rule, 0)}):
        raise _taken(asked.name)
    stored = await _stored(tx, alert_id)
    await _begin(tx, stored)
    data = {"name": asked.name, "severity": asked.severity.value, "enabled": asked.enabled, "rule": _written(rule)}
    audit.record(tx, AlertEvent.CREATED, encode(PREFIX, alert_id), data, risk=audit.Risk.MEDIUM)
    return await _shown(tx, stored)


async def page(tx: ReadTx, asked: "PageAsked") -> "Page":
    """Return one page of alerts, newest first."""
    from provenance.core.pagination import paged

    found, total = await queries.page(tx, asked.limit, asked.offset)
    standings = await kept.standings(tx, [each.id for each in found])
    items = [shown(each, standings.get(each.id), now=tx.now) for each in found]
    return paged([each.model_dump(by_alias=True, mode="json") for each in items], asked, total)


async def get(tx: ReadTx, alert_id: str) -> AlertDetail:
    """Return an alert and its groups, as far as they are shown. Raises AlertNotFound."""
    stored = await _found(tx, alert_id)
    standings = await kept.standings(tx, [stored.id])
    groups = await kept.shown(tx, stored.id)
    return detailed(stored, standings.get(stored.id), groups, now=tx.now, whole=tx.actor.reads_platform_rows)


async def change(tx: WriteTx, alert_id: str, asked: AlertUpdate) -> Alert:
    """Change an alert. Raises AlertNotFound, AlertNameTaken and BadAlertExpression."""
    await queries.lock(tx)
    before = await _found(tx, alert_id)
    rule = _merged(before, asked)
    Program(rule, 0)
    values = await _plain_changes(tx, before, asked)
    anew = rule != _rule(before) or values.get("enabled") is True
    if not values and not anew:
        return await _shown(tx, before)
    ended = await kept.forget(tx, before.id) if anew or "enabled" in values else 0
    begun = await _begun(tx, rule, before.revision) if anew else {}
    await queries.change(tx, before.id, {**values, **begun, **_touched(tx)})
    after = await _stored(tx, before.id)
    if anew:
        await _begin(tx, after)
    changes: dict[str, Any] = {name: [getattr(before, name), value] for name, value in values.items()}
    if rule != _rule(before):
        changes["rule"] = [_written(_rule(before)), _written(rule)]
    data = {"name": after.name, "changes": changes, "endedFirings": ended}
    audit.record(tx, AlertEvent.UPDATED, alert_id, data, risk=audit.Risk.MEDIUM)
    return await _shown(tx, after)


async def delete(tx: WriteTx, alert_id: str) -> AlertDeleted:
    """Delete an alert and what it remembers. Raises AlertNotFound."""
    await queries.lock(tx)
    stored = await _found(tx, alert_id)
    ended = await kept.forget(tx, stored.id)
    await queries.remove(tx, stored.id)
    data = {"name": stored.name, "endedFirings": ended}
    audit.record(tx, AlertEvent.DELETED, alert_id, data, risk=audit.Risk.MEDIUM)
    return AlertDeleted(alert_id=alert_id, deleted=True)


async def silence(tx: WriteTx, alert_id: str, asked: Silence) -> Alert:
    """Tell nothing of an alert, or of a group, until a moment. Raises AlertNotFound and AlertGroupNotFound."""
    await queries.lock(tx)
    stored = await _found(tx, alert_id)
    until = 0 if asked.until is None else nanos(asked.until)
    if asked.until is not None and until <= tx.now:
        raise Invalid.at("until", "lies in the past; null ends a silence")
    if asked.group_id is None:
        await queries.change(tx, stored.id, {"silenced_until": until})
    elif not await kept.silence(tx, stored.id, _group_id(asked.group_id), until):
        raise _no_group()
    await kept.look_anew(tx, stored.id)
    data = {
        "name": stored.name,
        "groupId": asked.group_id,
        "until": None if asked.until is None else iso_millis(until),
        "reason": asked.reason,
    }
    audit.record(tx, AlertEvent.SILENCED, alert_id, data, risk=audit.Risk.MEDIUM)
    return await _shown(tx, await _stored(tx, stored.id))


async def acknowledge(tx: WriteTx, alert_id: str, asked: Acknowledge) -> Alert:
    """Say that somebody looks into what fires. Raises AlertNotFound, AlertGroupNotFound and NotFiring."""
    await queries.lock(tx)
    stored = await _found(tx, alert_id)
    group_id = None if asked.group_id is None else _group_id(asked.group_id)
    found = await kept.acknowledge(tx, stored.id, group_id)
    if not found:
        raise NotFiring("Nothing of this is firing now.")
    data = {"name": stored.name, "groupId": asked.group_id, "groups": len(found), "note": asked.note}
    audit.record(tx, AlertEvent.ACKNOWLEDGED, alert_id, data)
    return await _shown(tx, stored)


async def forget_heard(tx: WriteTx, numbers: Sequence[int]) -> None:
    """Forget the groups whose value was known from any of these rows; those that fire are told to be gone."""
    if not await queries.count(tx):
        return
    await queries.lock(tx)
    groups = await kept.heard_of(tx, numbers)
    for group in groups:
        stored = await _stored(tx, group.alert_id)
        telling.tell_gone(tx, stored, program(stored), group, "erased")
    await kept.drop(tx, [group.id for group in groups])


def rule_of(asked: Rule) -> Rule:
    """Return what is looked for, without a name and the like."""
    return Rule(**{name: getattr(asked, name) for name in Rule.model_fields})


def _rule(stored: Stored) -> Rule:
    return Rule.model_validate_json(stored.rule)


def _written(rule: Rule) -> dict[str, Any]:
    return rule.model_dump(by_alias=True, mode="json", exclude_none=True)


def _touched(tx: WriteTx) -> dict[str, Any]:
    return {"updated_at": tx.now, "updated_by": tx.actor.id}


async def _begun(tx: WriteTx, rule: Rule, revision: int) -> dict[str, Any]:
    """Return the columns of a rule that begins with the next row."""
    return {
        "rule": rule.model_dump_json(by_alias=True),
        "revision": revision + 1,
        "from_number": await queries.head(tx),
        "begun_at": await queries.moment(tx),
        "dropped": 0,
        "errors": 0,
        "error": None,
        "error_number": None,
        "error_at": None,
    }


async def _begin(tx: WriteTx, stored: Stored) -> None:
    """Let a window be looked at that is about nothing coming, before anything does."""
    asked = program(stored)
    if stored.enabled and asked.begins_by_itself:
        group = Group(stored.id, NO_GROUP, asked.monitor.begin(stored.begun_at))
        await kept.keep(tx, [(group, asked.monitor.due(group.standing))])


def _merged(before: Stored, asked: AlertUpdate) -> Rule:
    """Return the rule with what is given put in; null takes away what can be left out."""
    values = {name: getattr(_rule(before), name) for name in Rule.model_fields}
    for name in values.keys() & asked.model_fields_set:
        given = getattr(asked, name)
        if given is None and name in ("window", "max_groups"):
            raise Invalid.at("window" if name == "window" else "maxGroups", "can't be taken away")
        values[name] = Where() if given is None and name == "where" else given
    return Rule(**values)


async def _plain_changes(tx: WriteTx, before: Stored, asked: AlertUpdate) -> dict[str, Any]:
    given = {
        "name": asked.name,
        "severity": None if asked.severity is None else asked.severity.value,
        "enabled": asked.enabled,
    }
    values = {name: value for name, value in given.items() if value is not None and value != getattr(before, name)}
    if "name" in values and await queries.name_taken(tx, str(asked.name), before.id):
        raise _taken(str(asked.name))
    return values


async def _shown(tx: ReadTx, stored: Stored) -> Alert:
    standings = await kept.standings(tx, [stored.id])
    return shown(stored, standings.get(stored.id), now=tx.now)


async def _found(tx: ReadTx, alert_id: str) -> Stored:
    found = decode(PREFIX, alert_id)
    stored = None if found is None else await queries.one(tx, found)
    if stored is None:
        raise AlertNotFound("There is no alert with this id.")
    return stored


async def _stored(tx: ReadTx, alert_id: uuid.UUID) -> Stored:
    stored = await queries.one(tx, alert_id)
    assert stored is not None, "read in the transaction that keeps it"
    return stored


def _group_id(group_id: str) -> uuid.UUID:
    found = decode(GROUP_PREFIX, group_id)
    if found is None:
        raise _no_group()
    return found


def _no_group() -> AlertGroupNotFound:
    return AlertGroupNotFound("The alert has no group with this id.")


def _taken(name: str) -> AlertNameTaken:
    return AlertNameTaken(f"Another alert is named {name}.")
