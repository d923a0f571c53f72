"""From names to what they mean: columns, JSON paths and stretches of time."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from provenance.core.clock import NANOS
from provenance.core.errors import Invalid
from provenance.ledger.analytics.errors import AskedTwice, NotAFilter, UnknownField
from provenance.ledger.analytics.schemas import COUNT, TIME, AnalyticsQuery, Metric, TimeRange
from provenance.ledger.fields.paths import parse

INTERACTION = "interaction."
"""May stand before a JSON path; must where the path's first key is also the name of a column."""


class Column(NamedTuple):
    """A column of the interactions; ``hidden`` when masked rows don't show it."""

    name: str
    hidden: bool = False


COLUMNS = {
    "resourceType": Column("resource_type_id"),
    "action": Column("action_id"),
    "origin": Column("origin_id"),
    "outcome": Column("outcome"),
    "platform": Column("platform"),
    "userId": Column("user_id", hidden=True),
    "resourceId": Column("resource_id", hidden=True),
}
"""The names that may be dimensions."""
DISTINCT = {
    **COLUMNS,
    "uowId": Column("uow_id"),
    "externalReference": Column("external_reference", hidden=True),
}
"""The names that ``distinct`` takes."""

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True, slots=True)
class Operand:
    """What a dimension or metric is computed from: a column, a JSON path (keys), or neither for time and count."""

    column: Column | None = None
    path: tuple[str, ...] | None = None

    @property
    def hidden(self) -> bool:
        """Whether masked rows don't show it."""
        return self.path is not None or (self.column is not None and self.column.hidden)


@dataclass(frozen=True, slots=True)
class Dimension:
    """One dimension: its name in the answer, and a column or path, or the bucket of time."""

    name: str
    operand: Operand
    bucket: str | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric: its name in the answer, the operation and what it is applied to."""

    name: str
    op: str
    operand: Operand

    @property
    def numeric(self) -> bool:
        """Whether it is computed from numbers alone."""
        return self.op not in (COUNT, "distinct")


@dataclass(frozen=True, slots=True)
class Plan:
    """A question, understood."""

    dimensions: tuple[Dimension, ...]
    figures: tuple[Figure, ...]

    @property
    def paths(self) -> list[tuple[str, ...]]:
        """The JSON paths to be looked up, each once."""
        return list(dict.fromkeys(each.path for each in self._operands if each.path is not None))

    @property
    def hidden(self) -> bool:
        """Whether anything of it is not shown by masked rows."""
        return any(each.hidden for each in self._operands)

    @property
    def _operands(self) -> list[Operand]:
        return [*(each.operand for each in self.dimensions), *(each.operand for each in self.figures)]


def plan(query: AnalyticsQuery) -> Plan:
    """Understand a question. Raises UnknownField, AskedTwice and NotAFilter, naming the path."""
    if query.filters.where is not None:
        raise NotAFilter.at("filters.where", "is not taken here; the other filters are")
    dimensions = tuple(_dimension(name, f"dimensions[{at}]") for at, name in enumerate(query.dimensions))
    figures = tuple(_figure(metric, f"metrics[{at}].field") for at, metric in enumerate(query.metrics))
    _once((each.name for each in dimensions), "dimensions")
    _once((each.name for each in figures), "metrics")
    return Plan(dimensions, figures)


def _dimension(name: str, at: str) -> Dimension:
    if name.startswith(TIME):
        return Dimension(name, Operand(), name.removeprefix(TIME))
    column = COLUMNS.get(name)
    return Dimension(name, Operand(path=_path(name, at)) if column is None else Operand(column))


def _figure(metric: Metric, at: str) -> Figure:
    if metric.field is None:
        return Figure(metric.name, COUNT, Operand())
    column = DISTINCT.get(metric.field)
    if column is None:
        return Figure(metric.name, metric.op, Operand(path=_path(metric.field, at)))
    if metric.op != "distinct":
        raise UnknownField.at(at, f"{metric.field} is a column without numbers; only distinct takes it")
    return Figure(metric.name, metric.op, Operand(column))


def _path(text: str, at: str) -> tuple[str, ...]:
    try:
        return tuple(parse(text.removeprefix(INTERACTION)))
    except ValueError as error:
        raise UnknownField.at(at, str(error)) from None


def _once(names: Iterable[str], at: str) -> None:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            raise AskedTwice.at(f"{at}[{index}]", "is asked for twice")
        seen.add(name)


def stretch(asked: TimeRange | None, now: int) -> tuple[int | None, int | None]:
    """Return the first nanosecond of a range and the one after its last; None where it is open.

    Raises Invalid when the range ends before it starts.
    """
    if asked is None:
        return None, None
    if asked.value is not None:
        back = int(asked.value[:-1]) * _SECONDS[asked.value[-1]] * NANOS
        return max(0, now - back), now + 1
    if asked.start is not None and asked.end is not None and asked.end <= asked.start:
        raise Invalid.at("timeRange.end", "lies before the start")
    return asked.start, asked.end
