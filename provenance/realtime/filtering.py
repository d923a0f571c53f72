"""The filter of the channel ``interactions``: the list's own, with the same meaning (spec/ledger.md, 4).

What a row's columns answer is tested here, on every row; words in the free JSON and related resources are tested by
the list's own statements, and ``where`` by its own evaluator, on those rows alone that passed the rest.
"""

from collections.abc import Callable, Sequence
from urllib.parse import parse_qsl

from pydantic import ValidationError

from provenance.core.actor import Actor
from provenance.core.db import Database
from provenance.ledger.catalogue.cache import Catalogue, Catalogues
from provenance.ledger.interactions import queries as lists
from provenance.ledger.interactions.asking import FILTERS, REPEATABLE
from provenance.ledger.interactions.conditions import terms
from provenance.ledger.interactions.filters import Criteria, Filters, ResourceMatch, criteria
from provenance.ledger.interactions.where import WhereTest
from provenance.realtime import queries
from provenance.realtime.errors import BadFilter
from provenance.realtime.queries import Row

Test = Callable[[Row], bool]


def parse(text: str) -> Filters:
    """Read a list's query string, without its paging. Raises BadFilter."""
    given: dict[str, str | list[str]] = {}
    for name, value in parse_qsl(text.removeprefix("?"), keep_blank_values=True):
        if name in REPEATABLE:
            values = given.setdefault(name, [])
            assert isinstance(values, list)
            values.append(value)
        elif name not in FILTERS or name in given:
            raise BadFilter.at("filter", f"{name[:100]} is no filter of the list, or is given more than once")
        else:
            given[name] = value
    try:
        return Filters.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise BadFilter.at(f"filter.{place}", first["msg"]) from None


class Filter:
    """What one subscriber asked for, resolved through the workspace's words as they are now."""

    def __init__(self, filters: Filters, *, whole: bool) -> None:
        """Take the filters, and whether platform rows show their content to who listens."""
        self._filters, self._whole = filters, whole
        self._known: tuple[int, Criteria, list[Test]] | None = None

    def ensure(self, catalogue: Catalogue) -> None:
        """Let a filter through that can be resolved. Raises what the list raises (InvalidWhere, Invalid)."""
        self._resolved(catalogue)

    def criteria(self, catalogue: Catalogue) -> Criteria:
        """Return what the filters mean, in the words that the workspace has now."""
        return self._resolved(catalogue)[0]

    async def passing(
        self, db: Database, actor: Actor, catalogues: Catalogues, catalogue: Catalogue, rows: Sequence[Row]
    ) -> set[int]:
        """Return the numbers of the rows that satisfy the filter."""
        meant, tests = self._resolved(catalogue)
        found = [row.number for row in rows if all(test(row) for test in tests)]
        asks_content = bool(meant.words) or meant.related_resource_id is not None
        if not found or meant.impossible or not (asks_content or meant.where is not None):
            return set() if meant.impossible else set(found)
        async with db.read(actor) as tx:
            if asks_content:
                stored = Criteria(words=meant.words, related_resource_id=meant.related_resource_id)
                conditions = [term.condition for term in terms(tx, stored, sees_platform=self._whole)]
                satisfying = await queries.satisfying(tx, found, conditions)
                found = [number for number in found if number in satisfying]
            if meant.where is None or not found:
                return set(found)
            records = await lists.rows(tx, found)
            held = await WhereTest(tx, catalogues, meant.where)(records)
        return {number for number, holds in zip(found, held, strict=True) if holds}

    def _resolved(self, catalogue: Catalogue) -> tuple[Criteria, list[Test]]:
        if self._known is None or self._known[0] != catalogue.version:
            meant = criteria(self._filters, catalogue)
            self._known = catalogue.version, meant, _tests(meant, whole=self._whole)
        return self._known[1:]


def _tests(meant: Criteria, *, whole: bool) -> list[Test]:
    """Return what is tested on the columns of each row."""
    tests: list[Test] = []
    for column, wanted in (
        ("id", meant.interaction_id),
        ("span_id", meant.span_id),
        ("uow_id", meant.uow_id),
        ("external_reference", meant.external_reference),
        ("user_id", meant.user_id),
        ("outcome", meant.outcome),
    ):
        if wanted is not None:
            tests.append(_same(column, wanted))
    for column, ids in (
        ("action_id", meant.actions),
        ("resource_type_id", meant.resource_types),
        ("origin_id", meant.origins),
    ):
        if ids is not None:
            tests.append(_among(column, ids))
    if meant.resources is not None:
        tests.append(_about(meant.resources))
    if meant.platform is not None:
        tests.append(_made_by_platform(meant.platform))
    if meant.start is not None or meant.end is not None:
        tests.append(_between(meant.start, meant.end))
    if meant.asks_for_hidden and not whole:
        tests.append(_made_by_platform(False))
    return tests


def _same(column: str, wanted: str) -> Test:
    def test(row: Row) -> bool:
        value = getattr(row, column)
        return value is not None and str(value) == wanted

    return test


def _among(column: str, ids: frozenset[str]) -> Test:
    return lambda row: str(getattr(row, column)) in ids


def _about(matches: tuple[ResourceMatch, ...]) -> Test:
    exact = {match.id for match in matches if not match.prefix}
    prefixes = tuple(match.id for match in matches if match.prefix and match.id is not None)
    return lambda row: (
        row.resource_id is not None and (row.resource_id in exact or row.resource_id.startswith(prefixes))
    )


def _made_by_platform(wanted: bool) -> Test:
    return lambda row: row.platform is wanted


def _between(start: int | None, end: int | None) -> Test:
    return lambda row: (start is None or row.occurred_at >= start) and (end is None or row.occurred_at < end)
