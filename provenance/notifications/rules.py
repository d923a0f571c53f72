"""Which channels an event is told on, and when: pure rules."""

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from provenance.audit.schemas import Risk
from provenance.core.clock import nanos, utc
from provenance.notifications.schemas import RISKS, ChannelKind, QuietHours, Rule


def told(rules: Iterable[Rule], event: str, risk: str | None, data: dict[str, Any], now: int) -> dict[ChannelKind, int]:
    """Return the channels on which an event is told, each with its moment (nanoseconds); the earliest rule counts."""
    found: dict[ChannelKind, int] = {}
    for rule in rules:
        if _matches(rule, event, risk, data):
            moment = now if rule.quiet_hours is None else quiet_until(rule.quiet_hours, now)
            for channel in rule.channels:
                found[channel] = min(moment, found.get(channel, moment))
    return found


def _matches(rule: Rule, event: str, risk: str | None, data: dict[str, Any]) -> bool:
    if rule.event.value != event:
        return False
    if rule.min_risk is not None and RISKS.index(Risk(risk or Risk.LOW)) < RISKS.index(rule.min_risk):
        return False
    return rule.environments is None or data.get("environment") in rule.environments


def quiet_until(quiet: QuietHours, now: int) -> int:
    """Return the moment at which quiet hours end that ``now`` falls into; ``now`` itself outside of them."""
    zone = ZoneInfo(quiet.timezone)
    local = utc(now).astimezone(zone)
    start, end, at = time.fromisoformat(quiet.start), time.fromisoformat(quiet.end), local.time()
    over_night = start > end
    inside = (at >= start or at < end) if over_night else start <= at < end
    if not inside:
        return now
    day = local.date() + timedelta(days=1 if over_night and at >= start else 0)
    return max(now, nanos(datetime.combine(day, end, zone)))
