"""Recording from a program: `create` and `create_sync`, and the two faces they give."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import Self, TypedDict, Unpack

from provenance_client.api.client import AsyncClient, Client
from provenance_client.content import encode_interaction
from provenance_client.errors import NotAuthenticated
from provenance_client.recording.capture import exception_fields
from provenance_client.recording.dead_letters import DeadLetter
from provenance_client.recording.fields import LogFields, merged, wire
from provenance_client.recording.options import Options, RecordingOptions
from provenance_client.recording.recorder import Recorder, Stats
from provenance_client.recording.scope import Scope, UnitOfWork, current, new_id, outgoing_headers
from provenance_client.recording.span import Span
from provenance_client.settings import ClientSettings, resolve


class Recording:
    """What both faces share: context, spans, headers, exceptions, numbers.

    Nothing here waits for the network.
    """

    def __init__(self, recorder: Recorder, bound: LogFields) -> None:
        self._recorder = recorder
        self._bound = bound

    @property
    def settings(self) -> ClientSettings:
        """The settings in force after argument, environment and defaults."""
        return self._recorder.settings

    def add_context(self, **fields: Unpack[LogFields]) -> Self:
        """A child that adds these arguments to each of its interactions; it shares the spool and the sender.

        Arguments of a call win over the child's, the child's over the surrounding `unit_of_work` and `span`.
        """
        return type(self)(self._recorder, merged(self._bound, fields))

    def unit_of_work(self, uow_id: str | None = None, *, user_id: str | None = None) -> UnitOfWork:
        """Everything logged inside `with provenance.unit_of_work() as unit:` belongs to `unit.id`.

        New unless given; spans of an outer unit are not its parents.
        """
        return UnitOfWork(uow_id, user_id=user_id)

    def span(self, **fields: Unpack[LogFields]) -> Span:
        """One interaction around a block: `with provenance.span(resource_type=…, …) as span:`.

        Recorded on leaving; what is logged inside has it as parent. Opens a unit of work where there is none.
        """
        given = self._complete(fields)
        return Span(given, self._scope(given), self._record_complete)

    def headers(self) -> dict[str, str]:
        """`x-uowid`, `x-parent-span-id` and `traceparent` for a call to the next service.

        Empty outside a unit of work.
        """
        return outgoing_headers(self._scope(self._bound))

    def record(self, **fields: Unpack[LogFields]) -> str:
        """What `log()` does, without `await` on either face: for callbacks, hooks and handlers."""
        given = self._complete(fields)
        scope = self._scope(given)
        given.setdefault("span_id", new_id())
        if scope.uow_id:
            given.setdefault("uow_id", scope.uow_id)
        if scope.span_id:
            given.setdefault("parent_span_id", scope.span_id)
        return self._record_complete(given)

    def capture_exception(self, error: BaseException | None = None, **fields: Unpack[LogFields]) -> str | None:
        """Record an exception (the one being handled, unless given).

        Answers its span id, None without an exception.
        """
        error = error or sys.exc_info()[1]
        if error is None:
            return None
        return self.record(**merged(exception_fields(error), fields))

    def stats(self) -> Stats:
        """The numbers of this process as of now."""
        return self._recorder.stats()

    def dead_letters(self) -> list[DeadLetter]:
        """The newest thousand interactions that the server refused for good, oldest first."""
        return self._recorder.dead_letters.list()

    def clear_dead_letters(self) -> int:
        """Forget them; answers how many there were."""
        return self._recorder.dead_letters.clear()

    def _complete(self, fields: LogFields) -> LogFields:
        given = merged(self._bound, fields)
        if self.settings.origin and not given.get("origin_id"):
            given.setdefault("origin", self.settings.origin)
        if user_id := current().user_id:
            given.setdefault("user_id", user_id)
        return given

    def _scope(self, given: LogFields) -> Scope:
        """The surrounding scope with what the arguments say instead."""
        scope = current()
        if (uow_id := given.get("uow_id")) and uow_id != scope.uow_id:
            scope = Scope(uow_id)
        if span_id := given.get("parent_span_id"):
            scope = replace(scope, span_id=span_id)
        return scope

    def _record_complete(self, given: LogFields) -> str:
        given.setdefault("timestamp", datetime.now(UTC))
        item = wire(**given)
        self._recorder.append(encode_interaction(item))
        return str(item["spanId"])


class Provenance(Recording):
    """The awaited face, made by `create`. `async with await create(…) as provenance:` closes it."""

    _api: tuple[int, AsyncClient] | None = None

    async def log(self, **fields: Unpack[LogFields]) -> str:
        """Record one interaction; answers its span id, which is its dedupe key.

        Only a write to the local spool happens here (tens of microseconds, no thread, no network); from
        then on it survives the process. Raises InvalidRequest or TooLarge for what the server would refuse,
        SpoolFull when `on_full="raise"`.
        """
        return self.record(**fields)

    async def api(self) -> AsyncClient:
        """The REST client with the same settings; `close()` closes it too."""
        if self._api is None or self._api[0] != os.getpid():
            self._api = os.getpid(), AsyncClient(**_same(self.settings))
        return self._api[1]

    async def flush(self, timeout: float = 10.0) -> bool:  # noqa: ASYNC109 - the wait is in a thread
        """Wait until all that was logged before is with the server or refused.

        False when `timeout` seconds were not enough.
        """
        return await asyncio.to_thread(self._recorder.flush, timeout)

    async def close(self, timeout: float = 5.0) -> bool:  # noqa: ASYNC109 - the wait is in a thread
        """Flush for at most `timeout` seconds and stop; what is left stays on disk for the next process.

        Whether all went.
        """
        settled = await asyncio.to_thread(self._recorder.close, timeout)
        if self._api is not None:
            await self._api[1].close()
        return settled

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()


class SyncProvenance(Recording):
    """The blocking face, made by `create_sync`, with the same names.

    `with create_sync(…) as provenance:` closes it.
    """

    _api: tuple[int, Client] | None = None

    def log(self, **fields: Unpack[LogFields]) -> str:
        """Record one interaction; see `Provenance.log`."""
        return self.record(**fields)

    def api(self) -> Client:
        """The REST client with the same settings; `close()` closes it too."""
        if self._api is None or self._api[0] != os.getpid():
            self._api = os.getpid(), Client(**_same(self.settings))
        return self._api[1]

    def flush(self, timeout: float = 10.0) -> bool:
        """See `Provenance.flush`."""
        return self._recorder.flush(timeout)

    def close(self, timeout: float = 5.0) -> bool:
        """See `Provenance.close`."""
        settled = self._recorder.close(timeout)
        if self._api is not None:
            self._api[1].close()
        return settled

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


async def create(
    *,
    api_key: str | None = None,
    origin: str | None = None,
    api_url: str | None = None,
    **options: Unpack[RecordingOptions],
) -> Provenance:
    """Open the spool and start the sender; `options` are those of `Options`.

    Needs no server to be up. Raises NotAuthenticated (`no_api_key`) when no key is found anywhere,
    InvalidRequest for a bad URL, SpoolError when the spool cannot be opened.
    """
    return Provenance(await asyncio.to_thread(_recorder, api_key, origin, api_url, options), LogFields())


def create_sync(
    *,
    api_key: str | None = None,
    origin: str | None = None,
    api_url: str | None = None,
    **options: Unpack[RecordingOptions],
) -> SyncProvenance:
    """`create` without `await`."""
    return SyncProvenance(_recorder(api_key, origin, api_url, options), LogFields())


def _recorder(api_key: str | None, origin: str | None, api_url: str | None, options: RecordingOptions) -> Recorder:
    settings = resolve(api_url=api_url, api_key=api_key, origin=origin)
    if settings.api_key is None:
        raise NotAuthenticated("give api_key= or set PROVENANCE_API_KEY", code="no_api_key")
    return Recorder(settings, Options(**options))


class _Settled(TypedDict):
    api_url: str
    api_key: str | None
    origin: str | None


def _same(settings: ClientSettings) -> _Settled:
    return _Settled(api_url=settings.api_url, api_key=settings.api_key, origin=settings.origin)
