"""What the running code belongs to: a unit of work and a parent span, carried by a context variable.

Tasks and `asyncio.to_thread` inherit it, each with a copy of its own; a bare new thread starts without.
"""

from __future__ import annotations

import secrets
import uuid
from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import uuid_utils

from provenance_client.content import uuid_text


@dataclass(frozen=True, slots=True)
class Scope:
    """The surroundings of a `log()`.

    Unit of work, the span above it, the W3C trace and the acting user, where known.
    """

    uow_id: str | None = None
    span_id: str | None = None
    trace_id: str | None = None
    user_id: str | None = None


_NOWHERE = Scope()
_current: ContextVar[Scope] = ContextVar("provenance_scope", default=_NOWHERE)


def current() -> Scope:
    """The scope in force here."""
    return _current.get()


def new_id() -> str:
    """A time-ordered UUID (version 7) as text."""
    return str(uuid_utils.uuid7())


class Entered:
    """A scope in force between entering and leaving, with `with` and `async with` alike."""

    _before: Scope

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def enter(self) -> None:
        """Put the scope in force."""
        self._before = _current.get()
        _current.set(self.scope)

    def leave(self) -> None:
        """Put back what was before. (Not by token.

        A framework may leave in another context than it entered.)
        """
        _current.set(self._before)

    def __enter__(self) -> Self:
        self.enter()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.leave()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, at)


class UnitOfWork(Entered):
    """What is logged inside carries this unit of work; `id` is its UUID."""

    def __init__(self, uow_id: str | None = None, *, user_id: str | None = None) -> None:
        self.id = new_id() if uow_id is None else uuid_text(uow_id, "uow_id")
        super().__init__(Scope(self.id, user_id=user_id or current().user_id))


def outgoing_headers(scope: Scope) -> dict[str, str]:
    """The headers that let the next service record into the same trace; empty outside any unit of work."""
    if scope.uow_id is None:
        return {}
    sent = {"x-uowid": scope.uow_id}
    parent = secrets.token_hex(8)
    if scope.span_id:
        sent["x-parent-span-id"] = scope.span_id
        # The last eight bytes of a version 7 UUID are its random part.
        parent = uuid.UUID(scope.span_id).hex[16:]
    trace = scope.trace_id or uuid.UUID(scope.uow_id).hex
    return {**sent, "traceparent": f"00-{trace}-{parent}-01"}
