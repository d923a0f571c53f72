"""Following the ledger: rows by number, handed to the rules they concern; and time, where nothing happens.

Both run in a transaction that holds the cursor of the handler. What rules remember, the records of what fires and the
cursor commit together, so a firing is on record once, whenever a worker dies.
"""

import uuid
from collections.abc import Iterable
from typing import Any, NamedTuple

from provenance.alerts import queries, telling
from provenance.alerts.groups import queries as kept
from provenance.alerts.groups.schemas import Group
from provenance.alerts.programs import Heard, Program, may_hear, program_of
from provenance.alerts.reading import Reading
from provenance.alerts.windows import Change
from provenance.core.clock import NANOS
from provenance.core.db import WriteTx
from provenance.expressions import ExpressionError
from provenance.ledger.feed import Row

AT_ONCE = 500
"""Groups that time passes for in one transaction."""
TOLD_AT_ONCE = 100
"""Groups of a rule that are on record as firing at a time; a flood beyond these fires unheard."""
PUT_OFF = 60 * NANOS
"""After so long a group that fires unheard is looked at again."""


class Listening(NamedTuple):
    """A rule that listens, and its program."""

    stored: queries.Stored
    program: Program


class Found(NamedTuple):
    """A row that concerns a group of a rule."""

    by: Listening
    reading: Reading
    heard: Heard


class Failure(NamedTuple):
    """What went wrong last with a rule, at which row, and how often anything did."""

    issue: str
    row: Row
    times: int


class Audience:
    """The rules that listen, by what they listen to."""

    def __init__(self, rules: Iterable[Listening]) -> None:
        """Take the rules."""
        self._rules = list(rules)
        self._by_words: dict[tuple[Any, ...], list[Listening]] = {}

    def concerned(self, row: Row) -> list[Listening]:
        """Return the rules that a row concerns by its words alone."""
        words = (row.resource_type, row.action, row.origin, row.platform)
        if words not in self._by_words:
            self._by_words[words] = [each for each in self._rules if each.program.concerns(row)]
        return self._by_words[words]

    def hear(self, rows: Iterable[Row]) -> tuple[list[Found], dict[uuid.UUID, Failure]]:
        """Return which rows concern which groups, in order, and what went wrong with which rules."""
        found: list[Found] = []
        failed: dict[uuid.UUID, Failure] = {}
        for row in rows:
            reading = Reading(row)
            for each in self.concerned(row):
                try:
                    heard = _heard(each, reading)
                except ExpressionError as error:
                    before = failed.get(each.stored.id)
                    failed[each.stored.id] = Failure(error.issue, row, 1 + (before.times if before else 0))
                else:
                    found += [] if heard is None else [Found(each, reading, heard)]
        return found, failed


def _heard(each: Listening, reading: Reading) -> Heard | None:
    alert, row = each.stored, reading.row
    if row.content is None or row.number <= alert.from_number or not may_hear(each.program, alert.id, reading):
        return None
    return each.program.hear(reading)


async def listening(tx: WriteTx) -> dict[uuid.UUID, Listening]:
    """Return the workspace's rules that listen, by their ids."""
    return {each.id: Listening(each, program(each)) for each in await queries.enabled(tx)}


def program(stored: queries.Stored) -> Program:
    """Return the program of a stored rule."""
    return program_of(stored.id, stored.revision, stored.rule, stored.begun_at)


async def hear(tx: WriteTx, rows: list[Row]) -> None:
    """Let the workspace's rules hear some rows."""
    rules = await listening(tx)
    found, failed = Audience(rules.values()).hear(rows)
    for alert_id, failure in failed.items():
        row = failure.row
        await queries.note_error(tx, alert_id, failure.issue, row.number, row.recorded_at, times=failure.times)
    known = await kept.of(tx, {(each.by.stored.id, each.heard.value) for each in found})
    voice = await _Voice.of(tx, {each.by.stored.id for each in found})
    for each in found:
        key = (each.by.stored.id, each.heard.value)
        group = known.get(key)
        if group is None:
            begun = each.by.program.monitor.begin(each.heard.match.at)
            group = known[key] = Group(each.by.stored.id, each.heard.value, begun)
        _take(voice, each, group)
    await _keep(tx, rules, list(known.values()))


class _Voice:
    """Tells what changes with groups, as long as not too many of a rule are on record as firing."""

    def __init__(self, tx: WriteTx, told: dict[uuid.UUID, int]) -> None:
        """Take how many groups of each rule are on record as firing."""
        self._tx = tx
        self._told = told

    @classmethod
    async def of(cls, tx: WriteTx, alert_ids: Iterable[uuid.UUID]) -> "_Voice":
        """Count for some rules."""
        return cls(tx, await kept.told(tx, alert_ids))

    def silent_until(self, by: Listening, group: Group, at: int) -> int:
        """Return until when nothing is told of a group; one too many is put off."""
        if not group.standing.told and self._told.get(group.alert_id, 0) >= TOLD_AT_ONCE:
            group.silenced_until = max(group.silenced_until, at + PUT_OFF)
        return max(by.stored.silenced_until, group.silenced_until)

    def tell(self, by: Listening, group: Group, changes: list[Change]) -> None:
        """Record what changed with a group."""
        telling.tell(self._tx, by.stored, by.program, group, changes)
        more = sum(1 if change.kind == "firing" else -1 for change in changes)
        self._told[group.alert_id] = self._told.get(group.alert_id, 0) + more


def _take(voice: _Voice, found: Found, group: Group) -> None:
    row, by = found.reading.row, found.by
    group.number, group.platform = row.number, group.platform or row.platform
    if found.heard.match.own:
        group.cite(row.number, str(row.id))
    silent_until = voice.silent_until(by, group, found.heard.match.at)
    voice.tell(by, group, by.program.monitor.hear(group.standing, found.heard.match, silent_until))


async def pass_time(tx: WriteTx, until: int) -> int:
    """Let time pass up to a moment for the groups in which that changes something; return how many there were."""
    rules = await listening(tx)
    groups = await kept.due(tx, until, AT_ONCE)
    voice = await _Voice.of(tx, {group.alert_id for group in groups})
    for group in groups:
        by = rules[group.alert_id]
        silent_until = voice.silent_until(by, group, until)
        voice.tell(by, group, by.program.monitor.advance(group.standing, until, silent_until))
    await _keep(tx, rules, groups)
    return len(groups)


async def _keep(tx: WriteTx, rules: dict[uuid.UUID, Listening], groups: list[Group]) -> None:
    """Keep groups that remember something and forget those that don't; then those for which there is no room."""
    lasting, gone = [], []
    for group in groups:
        by = rules[group.alert_id]
        silent_until = max(by.stored.silenced_until, group.silenced_until)
        if by.program.monitor.blank(group.standing):
            gone.append(group)
        else:
            lasting.append((group, by.program.monitor.due(group.standing, silent_until)))
    await kept.drop(tx, [group.id for group in gone if group.stored])
    await kept.keep(tx, lasting)
    for alert_id in {group.alert_id for group, _ in lasting if not group.stored}:
        await _make_room(tx, rules[alert_id])


async def _make_room(tx: WriteTx, by: Listening) -> None:
    """Forget the groups of a rule beyond as many as it may have; those that fire go last, and are told to be gone."""
    surplus = await kept.oldest(tx, by.stored.id, by.program.rule.max_groups)
    if not surplus:
        return
    for group in surplus:
        telling.tell_gone(tx, by.stored, by.program, group, "dropped")
    await kept.drop(tx, [group.id for group in surplus])
    stored = await queries.one(tx, by.stored.id)
    assert stored is not None, "the cursor's lock keeps the rule"
    await queries.change(tx, stored.id, {"dropped": stored.dropped + len(surplus)})
