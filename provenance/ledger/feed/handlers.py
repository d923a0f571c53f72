"""How a feature listens: ``@on(event)`` for one row at a time, ``@on_batch(event)`` for many.

A handler runs in a transaction in which its cursor moves too: what it does to the database happens exactly
once, what it does outside at least once. It is fed strictly by number, per workspace.
"""

import uuid
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias, TypeVar

import msgspec

from provenance.core.db import ReadTx, WriteTx
from provenance.ledger.catalogue.cache import Catalogue, Kind

ROWS = 2_000
"""Most rows that a batch handler gets at once."""
SINGLES = 50
"""Most rows that a handler of single rows gets in one transaction."""

Start: TypeAlias = Literal["beginning", "now"]
Wanted = Callable[[ReadTx], Awaitable[bool]]
"""Whether a handler wants the rows of a workspace at all, asked before any of them is read."""
Event: TypeAlias = str | tuple[str, str]


class _Content(msgspec.Struct):
    interaction: dict[str, Any] = {}


_decode_content = msgspec.json.Decoder(_Content).decode


class Row(NamedTuple):
    """One interaction as handlers see it. Times are nanoseconds since the epoch."""

    workspace_id: uuid.UUID
    number: int
    id: uuid.UUID
    resource_type_id: uuid.UUID
    action_id: uuid.UUID
    origin_id: uuid.UUID
    resource_id: str | None
    user_id: str | None
    uow_id: uuid.UUID
    span_id: uuid.UUID | None
    parent_span_id: uuid.UUID | None
    occurred_at: int
    recorded_at: int
    outcome: str | None
    platform: bool
    recorded_by: str
    risk: str | None
    domain: str | None
    sequence_index: int | None
    content: str | None
    resource_type: str
    action: str
    origin: str

    def data(self) -> dict[str, Any]:
        """Return the free JSON object of the row; empty when it has none or was erased."""
        return _data_of(self.content)


class Body(NamedTuple):
    """As much of an interaction as a handler needs that asks for what it holds: less than half the price of a `Row`."""

    number: int
    resource_type_id: uuid.UUID
    action_id: uuid.UUID
    content: str | None

    def data(self) -> dict[str, Any]:
        """Return the free JSON object of the row; empty when it has none or was erased."""
        return _data_of(self.content)


def _data_of(content: str | None) -> dict[str, Any]:
    return {} if content is None else _decode_content(content).interaction


Shape: TypeAlias = type[Row] | type[Body]
"""How rows are handed."""
One = Callable[[WriteTx, Row], Awaitable[None]]
Many = Callable[[WriteTx, list[Any]], Awaitable[None]]
_OneF = TypeVar("_OneF", bound=One)
_ManyF = TypeVar("_ManyF", bound=Many)


@dataclass(frozen=True, slots=True)
class Match:
    """The rows that an event stands for, in one workspace's ids."""

    resource_type_id: uuid.UUID
    action_id: uuid.UUID
    platform_only: bool


@dataclass(frozen=True, slots=True)
class Handler:
    """One listener: its name (the name of its cursor), what it listens to, and its function.

    ``words`` is the (resource type, action) it listens to, None for every interaction. When it has handled all there
    was of a workspace, it is left alone with that workspace for ``rest`` seconds. ``of`` is what it is handed.
    """

    name: str
    words: tuple[str, str] | None
    platform_only: bool
    start: Start
    rows: int
    portions: Callable[[list[Any]], list[list[Any]]]
    call: Many
    wanted: Wanted | None = None
    rest: float = 0.0
    of: Shape = Row

    def match(self, catalogue: Catalogue) -> Match | None:
        """Return the rows to hand as ids of a workspace; None when it has never used these words."""
        assert self.words is not None, "a handler of every interaction has nothing to match"
        resource_type = catalogue.named(Kind.RESOURCE_TYPE, self.words[0])
        action = catalogue.named(Kind.ACTION, self.words[1])
        if resource_type is None or action is None:
            return None
        return Match(uuid.UUID(resource_type.id), uuid.UUID(action.id), self.platform_only)


class Handlers:
    """A set of handlers by name. The process has one, `registered`; tests make their own."""

    def __init__(self) -> None:
        """Start empty."""
        self._by_name: dict[str, Handler] = {}

    def __iter__(self) -> Iterator[Handler]:
        """Iterate over the handlers by name."""
        return iter([self._by_name[name] for name in sorted(self._by_name)])

    def on(self, event: Event | None = None, *, start: Start = "beginning") -> Callable[[_OneF], _OneF]:
        """Listen with a function that takes ``(tx, row)``.

        ``event``: an event type such as ``approval.approved`` (rows of the platform only), a pair of
        mnemonics ``(resource type, action)`` (rows of anyone), or None for every interaction. ``start="now"``
        leaves out what was recorded before the handler first ran on this installation.
        """

        def register(function: _OneF) -> _OneF:
            async def call(tx: WriteTx, rows: list[Row]) -> None:
                await function(tx, rows[0])

            self._add(function, event, start, SINGLES, _one_by_one, call)
            return function

        return register

    def on_batch(
        self,
        event: Event | None = None,
        *,
        start: Start = "beginning",
        rows: int = ROWS,
        wanted: Wanted | None = None,
        rest: float = 0.0,
        of: Shape = Row,
    ) -> Callable[[_ManyF], _ManyF]:
        """Listen with a function that takes ``(tx, rows)``, at most ``rows`` at once; what is not said here as in `on`.

        Where ``wanted`` says no, the rows of a workspace are passed by unread. What comes to a workspace within
        ``rest`` seconds is handed together, for a handler that can wait: a call costs as much as a hundred rows.
        ``of=Body`` hands less of each row.
        """

        def register(function: _ManyF) -> _ManyF:
            self._add(function, event, start, min(rows, ROWS), _together, function, wanted, rest, of)
            return function

        return register

    def _add(
        self,
        function: Callable[..., Any],
        event: Event | None,
        start: Start,
        rows: int,
        portions: Callable[[list[Any]], list[list[Any]]],
        call: Many,
        wanted: Wanted | None = None,
        rest: float = 0.0,
        of: Shape = Row,
    ) -> None:
        name = f"{function.__module__}.{function.__qualname__}"
        if name in self._by_name:
            raise ValueError(f"two handlers are named {name}: they would share a cursor")
        words = words_of(event) if isinstance(event, str) else event
        platform_only = isinstance(event, str)
        self._by_name[name] = Handler(name, words, platform_only, start, rows, portions, call, wanted, rest, of)


def words_of(event_type: str) -> tuple[str, str]:
    """Return the mnemonics under which the platform records an event type (DESIGN section 5).

    Raises ValueError when the text has no dot with something on both sides.
    """
    resource_type, _, action = str(event_type).partition(".")
    if not resource_type or not action:
        raise ValueError(f"{event_type!r} is no event type such as approval.approved")
    return resource_type.upper(), action.upper()


def _one_by_one(rows: list[Any]) -> list[list[Any]]:
    return [[row] for row in rows]


def _together(rows: list[Any]) -> list[list[Any]]:
    return [rows] if rows else []


registered = Handlers()
"""The handlers of this process; `features.load_tasks` fills it."""

on = registered.on
on_batch = registered.on_batch
