"""What each criterion means in SQL, and which index could hand over the rows that satisfy it.

`terms` lists them, the one whose index usually narrows the most first. A term without a source is only
ever tested on candidates that another index handed over.
"""

import json
import uuid
from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlalchemy import JSON, Column, ColumnElement, Text, and_, cast, exists, func, literal, not_, or_
from sqlalchemy.dialects.postgresql import JSONB

from provenance.core.db import ReadTx
from provenance.ledger.interactions import queries
from provenance.ledger.interactions.filters import Criteria, JsonTest, ResourceMatch
from provenance.ledger.interactions.queries import Arm, Beginning, Holding, Loose, PlatformRows, Source
from provenance.ledger.tables import interaction_related, interactions

MOST_ARMS = 8
"""Values of one filter up to which each is walked in its index; with more, they are tested on candidates."""

_row = interactions.c
_related = interaction_related.c


class Term(NamedTuple):
    """One condition; the index that serves it, if any; whether that index alone is exact."""

    condition: ColumnElement[bool]
    source: Source | None = None
    exact: bool = True


def terms(tx: ReadTx, criteria: Criteria, *, sees_platform: bool) -> list[Term]:
    """Return the terms of the criteria, without the stretch of time and ``where``.

    A caller who sees platform rows masked can't find them by what is hidden in them (spec section 4).
    """
    found = [*_indexed(tx, criteria), *_tested(criteria)]
    if criteria.asks_for_hidden and not sees_platform:
        found.append(Term(not_(_row.platform)))
    return found


def _indexed(tx: ReadTx, criteria: Criteria) -> Iterable[Term]:
    if criteria.interaction_id is not None:
        yield _one(_row.id, uuid.UUID(criteria.interaction_id), loose=True)
    if criteria.span_id is not None:
        yield _one(_row.span_id, uuid.UUID(criteria.span_id), loose=True)
    if criteria.uow_id is not None:
        yield _one(_row.uow_id, uuid.UUID(criteria.uow_id))
    if criteria.external_reference is not None:
        yield _one(_row.external_reference, criteria.external_reference)
    if criteria.related_resource_id is not None:
        yield _naming(tx, criteria.related_resource_id)
    if criteria.resources is not None:
        yield _about(criteria.resources)
    if criteria.user_id is not None:
        yield _one(_row.user_id, criteria.user_id)
    if criteria.actions is not None:
        yield _any_of(_row.action_id, criteria.actions)
    if criteria.resource_types is not None:
        yield _any_of(_row.resource_type_id, criteria.resource_types)
    if criteria.platform:
        yield Term(_row.platform.is_(True), (PlatformRows(),))


def _tested(criteria: Criteria) -> Iterable[Term]:
    if criteria.platform is False:
        yield Term(not_(_row.platform))
    if criteria.outcome is not None:
        yield Term(_row.outcome == criteria.outcome)
    if criteria.origins is not None:
        yield Term(_row.origin_id.in_(_uuids(criteria.origins)))
    if criteria.words:
        yield Term(and_(*[_says(word) for word in criteria.words]))
    if criteria.tests:
        yield Term(or_(*[_passes(test) for test in criteria.tests]))


def _one(column: Column[Any], value: Any, *, loose: bool = False) -> Term:
    same = column == value
    return Term(same, (Loose(same) if loose else Holding(column, value),))


def _any_of(column: Column[Any], ids: frozenset[str]) -> Term:
    values = _uuids(ids)
    arms: Source = tuple(Holding(column, value) for value in values)
    return Term(column.in_(values), arms if len(arms) <= MOST_ARMS else None)


def _uuids(ids: Iterable[str]) -> list[uuid.UUID]:
    return [uuid.UUID(each) for each in sorted(ids)]


def _naming(tx: ReadTx, resource_id: str) -> Term:
    here = (_related.workspace_id == tx.workspace_id) & (_related.number == _row.number)
    named = exists().where(here, _related.resource_id == resource_id)
    return Term(named, (Holding(_related.resource_id, resource_id, interaction_related),))


def _about(matches: tuple[ResourceMatch, ...]) -> Term:
    condition = or_(*[_is(match) for match in matches])
    exact = all(match.types is None for match in matches)
    ids = dict.fromkeys((match.id, match.prefix) for match in matches)
    types = frozenset(each for match in matches if match.id is None for each in match.types or ())
    if types and all(match.id is None for match in matches):
        return Term(condition, _any_of(_row.resource_type_id, types).source)
    if len(ids) > MOST_ARMS or any(not match.id for match in matches):
        return Term(condition, None)
    return Term(condition, tuple(_resource_arm(text, prefix) for text, prefix in ids if text), exact)


def _resource_arm(text: str, prefix: bool) -> Arm:
    return Beginning(_starts(text), prefix=text) if prefix else Holding(_row.resource_id, text)


async def spelt_out(tx: ReadTx, source: Source) -> Source | None:
    """Return a source with the resources that its prefixes stand for; None when these are too many to be walked."""
    ids: dict[str, None] = {}
    for arm in source:
        if isinstance(arm, Beginning):
            ids |= dict.fromkeys(await queries.resources(tx, arm.prefix, limit=MOST_ARMS + 1))
        elif isinstance(arm, Holding):
            ids[arm.value] = None
        if len(ids) > MOST_ARMS or not isinstance(arm, Beginning | Holding):
            return None
    return tuple(Holding(_row.resource_id, text) for text in ids) or None


def _is(match: ResourceMatch) -> ColumnElement[bool]:
    conditions = []
    if match.id is not None:
        conditions.append(_starts(match.id) if match.prefix else _row.resource_id == match.id)
    if match.types is not None:
        conditions.append(_row.resource_type_id.in_(_uuids(match.types)))
    return and_(literal(True), *conditions)


def _starts(prefix: str) -> ColumnElement[bool]:
    """Return the range that holds a prefix, in an index ordered by bytes, as UTF-8 orders code points."""
    beyond = beyond_prefix(prefix)
    at_least = _row.resource_id >= prefix
    return at_least if beyond is None else at_least & (_row.resource_id < beyond)


def beyond_prefix(prefix: str) -> str | None:
    """Return the first text after all that begin with ``prefix``; None when there is none."""
    for end in range(len(prefix) - 1, -1, -1):
        following = ord(prefix[end]) + 1
        if following == 0xD800:  # surrogates are no characters
            following = 0xE000
        if following <= 0x10FFFF:
            return prefix[:end] + chr(following)
    return None


def _says(word: str) -> ColumnElement[bool]:
    """Return whether a word occurs in the free JSON, as it is spelt there, ignoring case.

    The whole content is looked through first, which is cheap, and parsed only where the word occurs.
    """
    spelt = json.dumps(word, ensure_ascii=False)[1:-1].lower()
    free = func.json_extract_path_text(cast(_row.content, JSON), "interaction", type_=Text())
    return and_(*[_occurs(spelt, func.lower(text)) for text in (_row.content, free)])


def _occurs(spelt: str, text: ColumnElement[str]) -> ColumnElement[bool]:
    if spelt.isascii():
        return func.strpos(text, spelt) > 0
    return text.regexp_match("".join(_either_case(letter) for letter in spelt))


def _either_case(letter: str) -> str:
    """Spell a letter for a pattern; databases of the locale C know upper and lower case of ASCII alone."""
    if letter.isascii():
        return letter if letter.isalnum() else "\\" + letter
    forms = {letter, letter.upper(), letter.lower()}
    return "[" + "".join(sorted(form for form in forms if len(form) == 1)) + "]"


def _passes(test: JsonTest) -> ColumnElement[bool]:
    place = func.jsonb_extract_path(cast(_row.content, JSONB), "interaction", *test.path, type_=JSONB())
    text = func.jsonb_extract_path_text(cast(_row.content, JSONB), "interaction", *test.path, type_=Text())
    is_text = func.jsonb_typeof(place) == "string"
    value = cast(literal(test.value, Text()), JSONB)
    match test.op:
        case "equals":
            return place == value
        case "contains":
            holds = place.op("@>", is_comparison=True)(value)
            return holds if test.text is None else or_(holds, is_text & (func.strpos(text, test.text) > 0))
        case "startsWith":
            return is_text & func.starts_with(text, test.text)
        case "exists":
            return place.is_not(None)
        case "absent":
            return place.is_(None) & _row.content.is_not(None)
