"""What a list may be narrowed by (spec/ledger.md, 4): the fields as they are sent, and what they mean.

`Filters` checks the form of what arrives, in a query string or as the ``filters`` of a body. `criteria`
resolves mnemonics through the catalogue and compiles the condition; the result knows nothing of the wire.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

from provenance.core.clock import NANOS, parse_iso
from provenance.core.errors import Invalid
from provenance.core.ids import parse_uuid
from provenance.expressions import Condition, InvalidExpression, Type, compile_condition
from provenance.ledger.catalogue.cache import Catalogue, Kind

MAX_WORDS = 16
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_FRACTION = re.compile(r"[.,](\d+)")
_BADGES = ("Mnemonic", "Title", "Icon", "FontColorHex", "BgColorHex")

ROW: dict[str, Type] = {
    **dict.fromkeys(("interactionId", "resourceTypeId", "actionId", "originId", "uowId"), Type.STRING),
    **dict.fromkeys(("createdDate", "occurredAt", "recordedDate"), Type.STRING),
    **{kind + badge: Type.ANY for kind in Kind for badge in _BADGES},
    **{kind + "Mnemonic": Type.STRING for kind in Kind},
    **dict.fromkeys(("resourceId", "userId", "spanId", "parentSpanId", "outcome", "sequenceIndex"), Type.ANY),
    **dict.fromkeys(("corrects", "recordedBy", "proof", "interaction", "externalReference"), Type.ANY),
    **dict.fromkeys(("externalResponse", "onBehalfOf", "relatedResources", "changes", "links"), Type.ANY),
    **dict.fromkeys(("ip", "userAgent"), Type.ANY),
    "interactionNumber": Type.INT,
    "platform": Type.BOOL,
}
"""The names that ``where`` may use: the fields of a row. Those that can be null are typed at evaluation."""


class InvalidWhere(Invalid):
    """The condition does not compile; the issue says what and at which character."""

    code = "invalid_expression"


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not hold the character NUL")
    return text


def _uuid(text: str) -> str:
    found = parse_uuid(text)
    if found is None:
        raise ValueError("must be a UUID written with hyphens")
    return str(found)


def _start(value: Any) -> int:
    text = _time_text(value)
    return parse_iso(f"{text}T00:00:00Z") if _DAY.fullmatch(text) else parse_iso(text)


def _end(value: Any) -> int:
    """Return the first nanosecond after the moment as written: of the next day, or the next millisecond."""
    text = _time_text(value)
    if _DAY.fullmatch(text):
        return parse_iso(f"{text}T00:00:00Z") + 86_400 * NANOS
    fraction = _FRACTION.search(text)
    digits = min(9, len(fraction[1])) if fraction else 0
    unit: int = 10 ** (9 - max(3, digits))
    return parse_iso(text) // unit * unit + unit


def _time_text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be an ISO 8601 time, or a date")
    return value.strip()


def _several(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


_TIME = WithJsonSchema({"type": "string", "format": "date-time"})
Storable = Annotated[str, AfterValidator(_storable)]
Text = Annotated[Storable, Field(min_length=1, max_length=512)]
Uuid = Annotated[str, AfterValidator(_uuid), WithJsonSchema({"type": "string", "format": "uuid"})]
Texts = Annotated[Annotated[list[Text], Field(max_length=50)] | None, BeforeValidator(_several)]
Uuids = Annotated[Annotated[list[Uuid], Field(max_length=50)] | None, BeforeValidator(_several)]
Start = Annotated[int | None, BeforeValidator(_start), _TIME]
End = Annotated[int | None, BeforeValidator(_end), _TIME]


class Filters(BaseModel):
    """Every filter of a list; all that are given must hold. A list of values means any of them."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True)

    resource_id: Texts = Field(default=None, description="Exact; with a * at its end, a prefix.")
    resource_type: Texts = Field(default=None, description="Mnemonic.")
    resource_type_id: Uuids = None
    action: Texts = Field(default=None, description="Mnemonic.")
    action_id: Uuids = None
    origin: Texts = Field(default=None, description="Mnemonic.")
    origin_id: Uuids = None
    interaction_id: Uuid | None = None
    user_id: Text | None = None
    uow_id: Uuid | None = None
    span_id: Uuid | None = None
    external_reference: Text | None = None
    outcome: Literal["success", "failure", "denied", "unknown"] | None = None
    related_resource_id: Text | None = None
    platform: Literal["only", "exclude"] | None = Field(default=None, description="Rows that the platform itself made.")
    start_date: Start = Field(
        default=None,
        validation_alias=AliasChoices("startDate", "from"),
        description="Not before (createdDate). Or from.",
    )
    end_date: End = Field(
        default=None,
        validation_alias=AliasChoices("endDate", "to"),
        description="Not after (createdDate), the millisecond or day as written included. Or to.",
    )
    q: Annotated[Storable, Field(max_length=1000)] | None = Field(
        default=None, description="Words that must all occur in the free JSON, ignoring case."
    )
    where: Annotated[str | None, Field(max_length=4096)] = Field(
        default=None, description="A condition in CEL over the row, such as interaction.total > 100."
    )

    @property
    def given(self) -> bool:
        """Whether anything narrows the list."""
        return any(value is not None for _, value in self)


@dataclass(frozen=True, slots=True)
class ResourceMatch:
    """A resource that rows may be about: its id or the start of it (None: any), and its types (None: any)."""

    id: str | None
    prefix: bool = False
    types: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class JsonTest:
    """One test of a place in the free JSON.

    ``value`` is JSON text, or None where the operation takes none; ``text`` is the value when it is a string.
    """

    path: tuple[str, ...]
    op: Literal["equals", "contains", "startsWith", "exists", "absent"]
    value: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """What rows must satisfy, resolved. Ids are UUIDs as text, times nanoseconds, ``end`` exclusive.

    A set of ids or of resources means any of them, and an empty one that no row can match. ``tests`` are
    alternatives as well.
    """

    interaction_id: str | None = None
    span_id: str | None = None
    uow_id: str | None = None
    external_reference: str | None = None
    related_resource_id: str | None = None
    resources: tuple[ResourceMatch, ...] | None = None
    user_id: str | None = None
    actions: frozenset[str] | None = None
    resource_types: frozenset[str] | None = None
    origins: frozenset[str] | None = None
    outcome: str | None = None
    platform: bool | None = None
    start: int | None = None
    end: int | None = None
    words: tuple[str, ...] = ()
    tests: tuple[JsonTest, ...] = ()
    where: Condition | None = field(default=None, compare=False)

    @property
    def by_date(self) -> bool:
        """Whether rows come in the order of their time instead of their number."""
        return self.start is not None or self.end is not None

    @property
    def impossible(self) -> bool:
        """Whether no row can match, so that nothing needs to be read."""
        chosen = (self.actions, self.resource_types, self.origins, self.resources)
        return any(some is not None and not some for some in chosen)

    @property
    def narrows(self) -> bool:
        """Whether anything is asked for at all: a blank ``q`` or the resource ``*`` leave all rows."""
        return self.where is not None or self != Criteria()

    @property
    def asks_for_hidden(self) -> bool:
        """Whether a field is asked for that masked rows do not show, so that they can't match (section 4)."""
        hidden = (self.user_id, self.external_reference, self.related_resource_id)
        named = any(match.id is not None for match in self.resources or ())
        return named or any(value is not None for value in hidden) or bool(self.words or self.tests)


def criteria(
    filters: Filters,
    catalogue: Catalogue,
    *,
    resources: tuple[ResourceMatch, ...] | None = None,
    tests: tuple[JsonTest, ...] = (),
    at: str = "",
) -> Criteria:
    """Resolve filters; ``at`` is where they stand in a body. Unknown mnemonics and ids match nothing.

    Raises InvalidWhere, and Invalid for too many words.
    """
    return Criteria(
        interaction_id=filters.interaction_id,
        span_id=filters.span_id,
        uow_id=filters.uow_id,
        external_reference=filters.external_reference,
        related_resource_id=filters.related_resource_id,
        resources=_resources(filters.resource_id) if resources is None else resources,
        user_id=filters.user_id,
        actions=word_ids(catalogue, Kind.ACTION, filters.action, filters.action_id),
        resource_types=word_ids(catalogue, Kind.RESOURCE_TYPE, filters.resource_type, filters.resource_type_id),
        origins=word_ids(catalogue, Kind.ORIGIN, filters.origin, filters.origin_id),
        outcome=filters.outcome,
        platform=None if filters.platform is None else filters.platform == "only",
        start=filters.start_date,
        end=filters.end_date,
        words=_words(filters.q, at),
        tests=tests,
        where=_condition(filters.where, at),
    )


def resource_match(text: str, types: frozenset[str] | None = None) -> ResourceMatch:
    """Read a resource id as a filter spells it: exact, or a prefix when it ends in ``*``."""
    if text == "*":
        return ResourceMatch(None, types=types)
    return ResourceMatch(text.removesuffix("*"), text.endswith("*"), types)


def word_ids(
    catalogue: Catalogue, kind: Kind, names: Iterable[str] | None, ids: Iterable[str] | None
) -> frozenset[str] | None:
    """Return the ids that mnemonics and ids stand for: None without either, of both what they share."""
    named = None if names is None else {word.id for name in names if (word := _word(catalogue, kind, name))}
    if ids is None:
        return None if named is None else frozenset(named)
    known = {word.id for each in ids if (word := catalogue.with_id(each)) and word.kind is kind}
    return frozenset(known if named is None else known & named)


def _word(catalogue: Catalogue, kind: Kind, name: str) -> Any:
    word = catalogue.named(kind, name) or catalogue.with_id(name.lower())
    return word if word is not None and word.kind is kind else None


def _resources(ids: list[str] | None) -> tuple[ResourceMatch, ...] | None:
    matches = tuple(resource_match(text) for text in ids or ())
    return None if not matches or any(match.id is None for match in matches) else matches


def _words(q: str | None, at: str) -> tuple[str, ...]:
    words = tuple((q or "").split())
    if len(words) > MAX_WORDS:
        raise Invalid.at(f"{at}q", f"holds more than {MAX_WORDS} words")
    return words


def _condition(where: str | None, at: str) -> Condition | None:
    if where is None or not where.strip():
        return None
    try:
        return compile_condition(where, ROW)
    except InvalidExpression as error:
        place = "" if error.position is None else f" (at character {error.position + 1})"
        raise InvalidWhere.at(f"{at}where", error.issue + place) from None
