"""What a rule would have found in the last hours: the same windows over the same rows, in memory, within bounds."""

import asyncio
import time
from typing import Any

import msgspec

from provenance.alerts import queries
from provenance.alerts.groups.schemas import NO_GROUP, Group
from provenance.alerts.programs import Program, may_hear
from provenance.alerts.reading import Reading
from provenance.alerts.rendering import cited
from provenance.alerts.schemas import Preview, PreviewAsked, RuleError, WouldHaveFired
from provenance.alerts.service import rule_of
from provenance.alerts.windows import Change
from provenance.core.clock import NANOS, iso_millis
from provenance.core.db import ReadTx
from provenance.core.ids import new_uuid
from provenance.expressions import ExpressionError
from provenance.ledger.catalogue.cache import Catalogues
from provenance.ledger.feed import Row
from provenance.ledger.feed.queries import chunk

MOST_ROWS = 50_000
MOST_FIRINGS = 200
BUDGET_SECONDS = 3.0
_CHUNK = 1_000
_SLICE = 100


async def preview(tx: ReadTx, catalogues: Catalogues, asked: PreviewAsked) -> Preview:
    """Try a rule on the last hours: at most 50,000 rows, the newest, and three seconds. Raises BadAlertExpression."""
    to = await queries.moment(tx)
    since = to - asked.hours * 3600 * NANOS
    Program(rule_of(asked), since)
    highest = await queries.head(tx)
    beyond = max(0, highest - MOST_ROWS)
    first = await queries.first_since(tx, since, beyond)
    whole = first is None or first > beyond + 1 or beyond == 0
    begun = since if whole or first is None else await queries.recorded_after(tx, first - 1) or since
    trial = Trial(Program(rule_of(asked), begun), begun, sees_platform=tx.actor.reads_platform_rows)
    after, deadline = (highest if first is None else first - 1), time.monotonic() + BUDGET_SECONDS
    while after < highest and time.monotonic() < deadline:
        rows = (await chunk(tx, await catalogues.within(tx), after, highest, _CHUNK, None)).rows
        for start in range(0, len(rows), _SLICE):
            trial.hear(rows[start : start + _SLICE])
            await asyncio.sleep(0)
        after = rows[-1].number if rows else highest
    reached = to if after >= highest else trial.at
    trial.pass_time(reached)
    return trial.result(begun, reached, complete=whole and after >= highest)


class Trial:
    """A rule that hears rows and keeps what comes of it in memory."""

    def __init__(self, program: Program, begun: int, *, sees_platform: bool) -> None:
        """Take the rule, when it began (nanoseconds), and whether it may hear rows of the platform."""
        self.at = begun
        self._program = program
        self._sees_platform = sees_platform
        self._groups: dict[str, Group] = {}
        self._fired: list[WouldHaveFired] = []
        self._open: dict[str, WouldHaveFired | None] = {}
        self._more = self._scanned = self._matched = self._dropped = 0
        self._error: RuleError | None = None
        self._nobody = new_uuid()
        if program.begins_by_itself:
            self._groups[NO_GROUP] = Group(self._nobody, NO_GROUP, program.monitor.begin(begun))

    def hear(self, rows: list[Row]) -> None:
        """Let the rule hear some rows."""
        for row in rows:
            self.at = max(self.at, row.recorded_at)
            self._scanned += 1
            if row.content is not None and self._program.concerns(row) and (self._sees_platform or not row.platform):
                self._hear(row)
        self._make_room()

    def pass_time(self, to: int) -> None:
        """Let time pass for every group."""
        for group in self._groups.values():
            self._note(group, self._program.monitor.advance(group.standing, to))

    def result(self, since: int, to: int, *, complete: bool) -> Preview:
        """Return what came of it, the earliest firing first."""
        return Preview(
            since=iso_millis(since),
            to=iso_millis(to),
            scanned=self._scanned,
            matched=self._matched,
            complete=complete,
            groups=len(self._groups),
            dropped_groups=self._dropped,
            firings=sorted(self._fired, key=lambda each: each.fired_at),
            more_firings=self._more,
            error=self._error,
        )

    def _hear(self, row: Row) -> None:
        reading = Reading(row)
        try:
            found = self._program.hear(reading) if may_hear(self._program, self._nobody, reading) else None
        except ExpressionError as error:
            count = 1 + (self._error.count if self._error else 0)
            at = iso_millis(row.recorded_at)
            self._error = RuleError(issue=error.issue, interaction_number=row.number, at=at, count=count)
            return
        if found is None:
            return
        self._matched += found.match.own
        begun = self._program.monitor.begin(found.match.at)
        group = self._groups.setdefault(found.value, Group(self._nobody, found.value, begun))
        group.number = row.number
        if found.match.own:
            group.cite(row.number, str(row.id))
        self._note(group, self._program.monitor.hear(group.standing, found.match))

    def _note(self, group: Group, changes: list[Change]) -> None:
        for change in changes:
            if change.kind == "firing":
                self._open[group.value] = self._fire(group, change)
            elif (fired := self._open.pop(group.value, None)) is not None:
                fired.recovered_at = iso_millis(change.at)

    def _fire(self, group: Group, change: Change) -> WouldHaveFired | None:
        if len(self._fired) == MOST_FIRINGS:
            self._more += 1
            return None
        value: Any = msgspec.json.decode(group.value)
        fired = WouldHaveFired(
            group=value,
            fired_at=iso_millis(change.at),
            recovered_at=None,
            count=change.amount,
            details=change.details,
            evidence=cited(group),
        )
        self._fired.append(fired)
        return fired

    def _make_room(self) -> None:
        """Forget groups beyond as many as the rule may have, as the worker does."""
        surplus = len(self._groups) - self._program.rule.max_groups
        if surplus <= 0:
            return
        self.pass_time(self.at)
        blank = [each for each in self._groups.values() if self._program.monitor.blank(each.standing)]
        for group in blank:
            del self._groups[group.value]
        order = sorted(self._groups.values(), key=lambda each: (each.standing.firing_since is not None, each.number))
        for group in order[: max(0, len(order) - self._program.rule.max_groups)]:
            del self._groups[group.value]
            self._dropped += 1
