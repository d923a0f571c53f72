"""Rules made ready to be asked: their words, their compiled expressions, their window.

What an expression asks for and a row has not got makes the row no match of a filter, as everywhere. Any other failure
is the rule's error, as is a group or a number that can't be told.
"""

import uuid
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import ceil, floor
from typing import Any, NamedTuple

import msgspec

from provenance.alerts.errors import BadAlertExpression
from provenance.alerts.groups.schemas import NO_GROUP
from provenance.alerts.reading import VARIABLES, Reading
from provenance.alerts.schemas import PREFIX, Absence, AlertEvent, Count, Rate, Rule, Sequence, Where, Without
from provenance.alerts.windows import Absence as Silence
from provenance.alerts.windows import After, Before, Fewer, Gaps, Many, Match, Monitor, Window
from provenance.audit.service import words_of
from provenance.core.clock import NANOS
from provenance.core.ids import encode
from provenance.expressions import Expression, ExpressionError, InvalidExpression, compile_expression
from provenance.ledger.feed import Row

GROUP_LENGTH = 512
"""Characters of a group's value, as JSON."""
ALERTS = words_of(AlertEvent.FIRING)[0]
OF_ALERTS = "watchesAlerts"
"""A member of the records that alerts on alerts leave; no alert hears them."""
WORDS = frozenset({"resourceTypeMnemonic", "actionMnemonic", "originMnemonic", "outcome", "platform"})
UNIT_OF_WORK = "uowId"


class Heard(NamedTuple):
    """A row that concerns a group of a rule, and what its window is to read of it."""

    value: str
    match: Match


@dataclass(frozen=True)
class _Side:
    """Which rows are meant: by their words, and by a condition."""

    words: tuple[frozenset[str], frozenset[str], frozenset[str]]
    users: frozenset[str]
    condition: Expression | None

    def wants(self, row: Row) -> bool:
        """Tell whether a row's words are meant; rows of the platform are where their resource type is named."""
        if row.platform and row.resource_type.lower() not in self.words[0]:
            return False
        told = (row.resource_type.lower(), row.action.lower(), row.origin.lower())
        return all(not asked or word in asked for asked, word in zip(self.words, told, strict=True))

    def holds(self, reading: Reading) -> bool:
        """Tell whether a row is meant. Raises ExpressionError."""
        if not self.wants(reading.row) or (self.users and reading.row.user_id not in self.users):
            return False
        if self.condition is None:
            return True
        try:
            return self.condition.holds(reading.values(self.condition.reads))
        except ExpressionError as error:
            if error.missing:
                return False
            raise


class Program:
    """A rule that can be asked about rows."""

    def __init__(self, rule: Rule, begun_at: int) -> None:
        """Compile a rule that began at a moment (nanoseconds). Raises BadAlertExpression, naming the member."""
        self.rule = rule
        self._own = _side(rule.where, "filter", rule.filter)
        self._other: _Side | None = None
        self._number: Expression | None = None
        grouped = rule.group_by
        if isinstance(rule.window, Without):
            other = rule.window.other
            self._other = _side(other.where, "window.other.filter", other.filter)
            grouped = grouped or UNIT_OF_WORK
        if isinstance(rule.window, Sequence):
            self._number = _compiled("window.number", rule.window.number)
        self._sides = [self._own] if self._other is None else [self._own, self._other]
        self._group = _compiled("groupBy", grouped)
        self.monitor = Monitor(_window(rule, begun_at), patience(rule) * NANOS)

    @property
    def grouped(self) -> bool:
        """Whether there is a window for each value of an expression, rather than a single one."""
        return self._group is not None

    @property
    def begins_by_itself(self) -> bool:
        """Whether its single window is looked at before anything matched: that nothing comes is what it is about."""
        return not self.grouped and isinstance(self.monitor.window, Silence | Fewer)

    @property
    def groups_are_words(self) -> bool:
        """Whether its groups are made of the ledger's own words, which name nobody."""
        return self._group is not None and self._group.reads <= WORDS

    @property
    def watches_alerts(self) -> bool:
        """Whether it hears the records of other alerts."""
        return any(ALERTS.lower() in side.words[0] for side in self._sides)

    def concerns(self, row: Row) -> bool:
        """Tell whether a row concerns the rule, by its words alone."""
        return any(side.wants(row) for side in self._sides)

    def hear(self, reading: Reading) -> Heard | None:
        """Return what a row says to the rule; None when nothing. Raises ExpressionError."""
        own = self._own.holds(reading)
        other = self._other is not None and self._other.holds(reading)
        if not own and not other:
            return None
        number = None if self._number is None else _integer(self._number.value(reading.values(self._number.reads)))
        return Heard(self._value(reading), Match(reading.row.recorded_at, own, other, number))

    def _value(self, reading: Reading) -> str:
        if self._group is None:
            return NO_GROUP
        found = self._group.value(reading.values(self._group.reads))
        if found is None:
            raise ExpressionError("groupBy gives null: the row belongs to no group")
        text = msgspec.json.encode(found, order="deterministic").decode()
        if len(text) > GROUP_LENGTH:
            raise ExpressionError(f"groupBy gives more than {GROUP_LENGTH} characters")
        return text


def patience(rule: Rule) -> int:
    """Return for how many seconds an alert of the rule keeps firing after its condition held last."""
    return rule.window.within_seconds if rule.recover_after_seconds is None else rule.recover_after_seconds


def may_hear(program: Program, alert_id: uuid.UUID, reading: Reading) -> bool:
    """Tell whether a rule may hear a row at all: never its own records, nor those of alerts that watch alerts."""
    row = reading.row
    if not row.platform or row.resource_type != ALERTS:
        return True
    if row.resource_id == encode(PREFIX, alert_id):
        return False
    return program.watches_alerts and not row.data().get(OF_ALERTS)


@lru_cache(maxsize=2_000)
def program_of(alert_id: uuid.UUID, revision: int, rule: str, begun_at: int) -> Program:
    """Return the program of a stored rule, made once; ``alert_id`` and ``revision`` tell it from all others."""
    return Program(Rule.model_validate_json(rule), begun_at)


def _side(where: Where, path: str, source: str | None) -> _Side:
    kinds, deeds, origins = (
        frozenset(word.lower() for word in words) for words in (where.resource_type, where.action, where.origin)
    )
    return _Side((kinds, deeds, origins), frozenset(where.user_id), _compiled(path, source, condition=True))


def _compiled(path: str, source: str | None, *, condition: bool = False) -> Any:
    """Compile an expression whose cost is known; None for none. Raises BadAlertExpression."""
    if source is None:
        return None
    try:
        found = compile_expression(source, VARIABLES, condition=condition)
    except InvalidExpression as error:
        raise BadAlertExpression.at(path, str(error)) from None
    if not found.bounded:
        issue = "costs more than is known beforehand: no loops, no functions that multiply texts, no long patterns"
        raise BadAlertExpression.at(path, issue)
    return found


def _integer(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ExpressionError("window.number gives no whole number")


def _window(rule: Rule, begun_at: int) -> Window:
    asked = rule.window
    within = asked.within_seconds * NANOS
    match asked:
        case Count():
            return Many(within, asked.at_least)
        case Rate():
            return _rate(asked, within)
        case Absence():
            return Silence(within)
        case Sequence():
            return Gaps(within)
        case Without():
            return Before(within, begun_at) if asked.direction == "before" else After(within)


def _rate(asked: Rate, within: int) -> Window:
    """Return a rate as the matches of the window that pass it, or fall short of it."""
    minutes = Fraction(asked.within_seconds, 60)
    if asked.above is not None:
        return Many(within, floor(Fraction(str(asked.above)) * minutes) + 1)
    return Fewer(within, ceil(Fraction(str(asked.below)) * minutes))
