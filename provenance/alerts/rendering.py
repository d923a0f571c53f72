"""Alerts and their groups as they read on the wire."""

from typing import Literal

import msgspec

from provenance.alerts.groups.queries import SHOWN
from provenance.alerts.groups.schemas import Group, Standings
from provenance.alerts.programs import patience
from provenance.alerts.queries import Stored
from provenance.alerts.schemas import GROUP_PREFIX, PREFIX, Alert, AlertDetail, AlertGroup, Cited, Rule, RuleError
from provenance.core.clock import iso_millis
from provenance.core.ids import encode


def shown(stored: Stored, standings: Standings | None, *, now: int) -> Alert:
    """Return an alert as it reads on the wire; ``now`` in nanoseconds tells whether it is silenced."""
    rule = Rule.model_validate_json(stored.rule)
    groups, firing = standings or Standings(0, 0)
    return Alert(
        alert_id=encode(PREFIX, stored.id),
        name=stored.name,
        severity=stored.severity,  # type: ignore[arg-type]
        enabled=stored.enabled,
        where=rule.where,
        filter=rule.filter,
        group_by=rule.group_by,
        window=rule.window,
        recover_after_seconds=patience(rule),
        max_groups=rule.max_groups,
        state=_state(stored, firing),
        firing=firing,
        groups=groups,
        dropped_groups=stored.dropped,
        silenced_until=_later(stored.silenced_until, now),
        error=error_of(stored),
        created_at=iso_millis(stored.created_at),
        created_by=stored.created_by,
        updated_at=iso_millis(stored.updated_at),
        updated_by=stored.updated_by,
    )


def detailed(stored: Stored, standings: Standings | None, groups: list[Group], *, now: int, whole: bool) -> AlertDetail:
    """Return an alert with its groups; not ``whole``: what rows of the platform said is left out."""
    alert = shown(stored, standings, now=now)
    states = [_group(each, now=now, whole=whole) for each in groups[:SHOWN]]
    return AlertDetail(
        **{name: getattr(alert, name) for name in type(alert).model_fields},
        states=states,
        states_complete=len(groups) <= SHOWN,
    )


def cited(group: Group) -> list[Cited]:
    """Return the rows that a group names."""
    return [Cited(interaction_number=number, interaction_id=each) for number, each in group.evidence]


def error_of(stored: Stored) -> RuleError | None:
    """Return what went wrong last with a rule."""
    if stored.error is None or stored.error_number is None or stored.error_at is None:
        return None
    at = iso_millis(stored.error_at)
    return RuleError(issue=stored.error, interaction_number=stored.error_number, at=at, count=stored.errors)


def _state(stored: Stored, firing: int) -> Literal["disabled", "quiet", "firing"]:
    return "disabled" if not stored.enabled else "firing" if firing else "quiet"


def _group(group: Group, *, now: int, whole: bool) -> AlertGroup:
    standing = group.standing
    state: Literal["quiet", "firing", "recovering"] = "quiet"
    if standing.firing_since is not None:
        state = "firing" if standing.clear_at is None else "recovering"
    hidden = group.platform and not whole
    return AlertGroup(
        group_id=encode(GROUP_PREFIX, group.id),
        group=None if hidden else msgspec.json.decode(group.value),
        state=state,
        since=_moment(standing.firing_since),
        count=standing.amount,
        details=standing.details,
        evidence=cited(group),
        silenced_until=_later(group.silenced_until, now),
        acknowledged_by=group.acknowledged_by,
        acknowledged_at=_moment(group.acknowledged_at),
    )


def _moment(ns: int | None) -> str | None:
    return None if ns is None else iso_millis(ns)


def _later(ns: int, now: int) -> str | None:
    return iso_millis(ns) if ns > now else None
