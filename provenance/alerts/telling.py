"""What a firing or a recovery leaves in the ledger: which alert, since when, how much, and the rows that show it.

A group is named by its id alone, unless it is made of the ledger's own words: what it is made of may be a person, whose
traces can be erased from the groups and from the rows that are cited, but not from a record about them.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from provenance.alerts.groups.schemas import Group
from provenance.alerts.programs import OF_ALERTS, Program
from provenance.alerts.queries import Stored
from provenance.alerts.schemas import GROUP_PREFIX, PREFIX, AlertEvent
from provenance.alerts.windows import Change
from provenance.audit import service as audit
from provenance.core.clock import iso_millis
from provenance.core.db import WriteTx
from provenance.core.ids import encode

_EVENTS = {"firing": AlertEvent.FIRING, "recovered": AlertEvent.RECOVERED}


def tell(tx: WriteTx, alert: Stored, program: Program, group: Group, changes: Iterable[Change]) -> None:
    """Record what changed with a group. Who looked into it has done so when it recovers."""
    for change in changes:
        data = _data(alert, program, group, since=change.since, count=change.amount, details=change.details)
        _record(tx, alert, _EVENTS[change.kind], {**data, "at": iso_millis(change.at)})
        if change.kind == "recovered":
            group.acknowledged_by = group.acknowledged_at = None


def tell_gone(tx: WriteTx, alert: Stored, program: Program, group: Group, reason: str) -> None:
    """Record that a group, whose firing was told, is followed no more."""
    standing = group.standing
    if not standing.told or standing.firing_since is None:
        return
    since, count = standing.firing_since, standing.amount
    data = _data(alert, program, group, since=since, count=count, details=standing.details)
    _record(tx, alert, AlertEvent.RECOVERED, {**data, "at": iso_millis(standing.at), "reason": reason})


def _data(alert: Stored, program: Program, group: Group, *, since: int, count: int, details: Any) -> dict[str, Any]:
    data: dict[str, Any] = {
        "name": alert.name,
        "severity": alert.severity,
        "kind": program.rule.window.kind,
        "groupId": encode(GROUP_PREFIX, group.id),
        "since": iso_millis(since),
        "count": count,
        "evidence": [{"interactionNumber": number, "interactionId": each} for number, each in group.evidence],
    }
    if details:
        data["details"] = details
    if program.grouped and program.groups_are_words:
        data["group"] = msgspec.json.decode(group.value)
    if program.watches_alerts:
        data[OF_ALERTS] = True
    return data


def _record(tx: WriteTx, alert: Stored, event: AlertEvent, data: dict[str, Any]) -> None:
    audit.record(tx, event, encode(PREFIX, alert.id), data, risk=audit.Risk(alert.severity))
