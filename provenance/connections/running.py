"""The running connections of one process: what steps, skills and notifications call outside services with.

``call`` is the whole way: token fetched if need be, access recorded, credential put on at the egress, its traces
taken out of the answer. ``ready`` and ``carrying.authorized`` are its parts, for callers with a transaction of theirs.
"""

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from provenance.audit import service as audit
from provenance.connections import carrying, queries, service
from provenance.connections.carrying import Authorized, Stale
from provenance.connections.errors import ConnectionBroken, HostNotAllowed, ProviderAway
from provenance.connections.integrations import INTEGRATIONS, Path, Probe
from provenance.connections.refreshing import Refresher
from provenance.connections.schemas import Account, ConnectionEvent, Row, Status, Tested, account_of
from provenance.core.actor import Actor
from provenance.core.addresses import EgressError
from provenance.core.clock import iso_millis
from provenance.core.db import WriteTx
from provenance.core.egress import ANSWER_BYTES, SECONDS, Egress, Reply
from provenance.core.errors import Problem
from provenance.ledger.service import Ledger
from provenance.secrets.schemas import Purpose

_TRIES = 3
_UNAUTHORIZED, _FORBIDDEN = 401, 403
PROBE_SECONDS = 15.0


class Request(NamedTuple):
    """A call to be made: a path below the connection's base URL, or a whole URL of a host that it may go to."""

    method: str
    url: str
    headers: Mapping[str, str] = {}
    body: bytes | None = None


class Trial(NamedTuple):
    """How a trial of a connection went; ``error`` is a sentence, None when it went well."""

    error: str | None
    account: Account | None = None
    passing: bool = False
    """Whether the failure says nothing about the credential: the service did not answer."""


class Connections:
    """Calls outside services for one process."""

    def __init__(self, ledger: Ledger, egress: Egress) -> None:
        """Take the running ledger, whose database, keys and settings are ours too, and the way out."""
        self.db, self.egress, self.ledger = ledger.db, egress, ledger
        self.operator = ledger.settings.integrations
        self._refresher: Refresher | None = None

    @property
    def refresher(self) -> Refresher:
        """Fetches tokens. Made late: the keyring comes when the process has started."""
        if self._refresher is None:
            self._refresher = Refresher(self.db, self.ledger.keyring, self.egress, self.operator)
        return self._refresher

    @property
    def base_url(self) -> str:
        """The address that providers send people back to."""
        settings = self.ledger.settings
        return (settings.public_url or f"http://localhost:{settings.port}").rstrip("/")

    async def ready(self, actor: Actor, connection_id: str) -> None:
        """See to it that `carrying.authorized` finds a token that lasts a minute at least.

        Raises ConnectionPaused, ConnectionPending, ConnectionBroken and ProviderAway.
        """
        async with self.db.read(actor) as tx:
            row = await service.found(tx, connection_id)
            now = tx.now
        carrying.ensure_active(row)
        if carrying.gives_tokens(row) and (row.tokens_sealed is None or carrying.is_stale(row, now)):
            await self.refresher.fetch(actor, row)

    async def authorized(self, actor: Actor, connection_id: str, purpose: Purpose) -> Authorized:
        """Return what a call carries, in a transaction of its own that records the access.

        Raises ConnectionPaused, ConnectionPending, ConnectionBroken and ProviderAway.
        """
        keys = await self.ledger.keyring.of(actor.workspace_id)
        for _ in range(_TRIES):
            try:
                async with self.db.write(actor) as tx:
                    return await carrying.authorized(tx, keys, self.operator, connection_id, purpose)
            except Stale as stale:
                await self.refresher.fetch(actor, stale.row)
        raise ProviderAway("The provider gives out tokens that run out at once.")

    async def call(
        self,
        actor: Actor,
        connection_id: str,
        request: Request,
        purpose: Purpose,
        *,
        seconds: float = SECONDS,
        limit: int = ANSWER_BYTES,
    ) -> Reply:
        """Make a call and return the answer, whatever its status, without any trace of the credential in it.

        A token that the service does not take is renewed once. Raises HostNotAllowed before anything is sent, the
        errors of `authorized`, and EgressError when no whole answer came.
        """
        carried = await self.authorized(actor, connection_id, purpose)
        reply = await self._send(carried, request, seconds, limit)
        if reply.status == _UNAUTHORIZED:
            renewed = await self._renewed(actor, connection_id, carried.revision, purpose)
            if renewed is not None:
                carried, reply = renewed, await self._send(renewed, request, seconds, limit)
        headers = {name: carried.mask.text(value) for name, value in reply.headers.items()}
        return Reply(reply.status, headers, carried.mask.raw(reply.body))

    async def test(self, actor: Actor, connection_id: str) -> Tested:
        """Try a connection with its integration's own call; a failure sets it to error, a success ends one."""
        started = time.monotonic()
        trial = await self._trial(actor, connection_id)
        latency = round((time.monotonic() - started) * 1000)
        async with self.db.write(actor) as tx:
            return await _tested(tx, connection_id, trial, latency)

    async def _trial(self, actor: Actor, connection_id: str) -> Trial:
        async with self.db.read(actor) as tx:
            row = await service.found(tx, connection_id)
        if row.status == Status.PENDING.value:
            return Trial("The connection was not authorised at the provider yet.", passing=True)
        try:
            carried = await self._carried(actor, row)
        except (ConnectionBroken, ProviderAway) as problem:
            return Trial(problem.detail, passing=isinstance(problem, ProviderAway))
        except Problem as problem:
            return Trial(problem.detail)
        return await self.probe(row, carried)

    async def _carried(self, actor: Actor, row: Row) -> Authorized:
        """Return what the trial carries; the connection may be paused or have an error."""
        keys = await self.ledger.keyring.of(actor.workspace_id)
        for _ in range(_TRIES):
            try:
                async with self.db.housekeeping(actor.workspace_id) as tx:
                    now = await service.found(tx, row.wire_id)
                    return await carrying.carried_by(tx, keys, self.operator, now)
            except Stale as stale:
                await self.refresher.fetch(actor, stale.row)
        raise ProviderAway("The provider gives out tokens that run out at once.")

    async def probe(self, row: Row, carried: Authorized) -> Trial:
        """Make the integration's trial call."""
        probe = INTEGRATIONS[row.integration].probe
        path = str(row.config.get("testPath", "")) if row.integration == "http" else probe.path
        json = {} if probe.body is None else {"content-type": "application/json"}
        body = None if probe.body is None else probe.body.encode()
        try:
            reply = await self._send(carried, Request(probe.method, path, json, body), PROBE_SECONDS, ANSWER_BYTES)
        except HostNotAllowed as problem:
            return Trial(problem.detail)
        except EgressError as error:
            return Trial(str(error), passing=True)
        return judged(probe, reply)

    async def _send(self, carried: Authorized, request: Request, seconds: float, limit: int) -> Reply:
        """Put the credential on and send; headers of the caller can't take the credential's place."""
        url = carried.target.url(request.url)
        own = {name.lower() for name in carried.headers}
        headers = {name: value for name, value in request.headers.items() if name.lower() not in own}
        headers |= carried.headers
        return await self.egress.request(
            request.method, url, headers=headers, body=request.body, seconds=seconds, limit=limit
        )

    async def _renewed(self, actor: Actor, connection_id: str, revision: int, purpose: Purpose) -> Authorized | None:
        """Fetch another token after one was not taken; None where there is none to fetch."""
        async with self.db.read(actor) as tx:
            row = await service.found(tx, connection_id)
        if not carrying.gives_tokens(row):
            return None
        carrying.ensure_active(row)  # another call may have been refused a token meanwhile
        if row.tokens_revision == revision:
            await self.refresher.fetch(actor, row)
        return await self.authorized(actor, connection_id, purpose)


async def _tested(tx: WriteTx, connection_id: str, trial: Trial, latency: int) -> Tested:
    row = await service.found(tx, connection_id, lock=True)
    values: dict[str, Any] = {}
    if trial.error is None:
        values["last_error"] = None
        if row.status == Status.ERROR.value:
            values["status"] = Status.ACTIVE.value
        if trial.account is not None:
            values |= {"account_id": trial.account.id, "account_label": trial.account.label}
    elif not trial.passing or row.status == Status.ERROR.value:
        values["last_error"] = trial.error
        if row.status == Status.ACTIVE.value:
            values["status"] = Status.ERROR.value
    if values:
        await queries.change(tx, row.id, values)
    after = row._replace(**values)
    data = {"name": row.name, "integration": row.integration, "ok": trial.error is None, "status": after.status}
    outcome = "success" if trial.error is None else "failure"
    audit.record(tx, ConnectionEvent.TESTED, row.wire_id, data, outcome=outcome)
    return Tested(
        ok=trial.error is None,
        status=Status(after.status),
        checked_at=iso_millis(tx.now),
        latency_ms=latency,
        account=account_of(after),
        error=trial.error,
    )


def judged(probe: Probe, reply: Reply) -> Trial:
    """Tell from a trial's answer whether the credential is taken, and whose account it is."""
    if reply.status in (_UNAUTHORIZED, _FORBIDDEN):
        return Trial("The service does not accept the credential.")
    if reply.status >= 500 or reply.status == 429:
        return Trial(f"The service can't answer right now (status {reply.status}).", passing=True)
    if reply.status >= 300:
        return Trial(f"The service answers the trial with status {reply.status}.")
    try:
        found = msgspec.json.decode(reply.body) if reply.body else None
    except msgspec.DecodeError:
        found = None
    if probe.ok and not _at(found, probe.ok):
        return Trial("The service does not accept the credential.")
    account, label = _at(found, probe.account), _at(found, probe.label)
    if not probe.account or account is None:
        return Trial(None)
    return Trial(None, Account(id=str(account)[:256], label=None if label is None else str(label)[:256]))


def _at(found: Any, path: Path) -> Any:
    """Return what lies at a path of a JSON value; None when there is nothing."""
    for step in path:
        if isinstance(found, dict):
            found = found.get(step)
        elif isinstance(found, list) and isinstance(step, int) and step < len(found):
            found = found[step]
        else:
            return None
    return found if path else None
