"""What an operator sets up for witnessing: whom to ask, and whose logs to cosign (spec/proof.md, 4).

Both hold for the whole installation and decide whom it believes, so they are done on the database itself and not
through the API: no key of a workspace may speak for the installation.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import TypeVar

from provenance.core.db import WriteTx
from provenance.core.egress import target
from provenance.core.errors import Problem
from provenance.core.ids import decode
from provenance.core.keyring import Keyring, load_masters
from provenance.core.settings import Settings
from provenance.ledger.log import queries as log_queries
from provenance.ledger.service import Ledger
from provenance.ledger.witness import cosigning, queries, service
from provenance.ledger.witness.schemas import Witness, Witnessed

LISTED = 1_000
T = TypeVar("T")


class NotSetUp(Exception):
    """What was asked for can't be set up; the message says why."""


def add(settings: Settings, url: str, verifier_key: str, workspace: str | None) -> Witness:
    """Show heads to a witness from now on: those of every log, or of one workspace (``ws_…``).

    Raises NotSetUp, AddressRefused for a URL that can't be called, KeyringError.
    """
    target(url)
    return _run(settings, workspace, lambda _, tx: service.add(tx, url, verifier_key))


def remove(settings: Settings, url: str, workspace: str | None) -> None:
    """Show nothing to the witness at a URL any more. Raises NotSetUp, KeyringError."""
    _run(settings, workspace, lambda _, tx: service.remove(tx, url))


def trust(settings: Settings, origin: str, verifier_key: str) -> None:
    """Cosign the heads of a log from now on. Raises NotSetUp, KeyringError."""
    _run(settings, None, lambda _, tx: service.trust(tx, origin, verifier_key))


def distrust(settings: Settings, origin: str) -> None:
    """Cosign the heads of a log no longer. Raises NotSetUp, KeyringError."""
    _run(settings, None, lambda _, tx: service.distrust(tx, origin))


def asked(settings: Settings, workspace: str | None) -> list[Witness]:
    """Return the witnesses that every log is shown to, or the further ones of one workspace. Raises NotSetUp."""
    return _run(settings, workspace, lambda _, tx: queries.listed(tx))


def trusted(settings: Settings) -> list[Witnessed]:
    """Return the logs that this installation cosigns, at most `LISTED`. Raises NotSetUp."""

    async def known(_: Ledger, tx: WriteTx) -> list[Witnessed]:
        return [each for each in await queries.all_witnessed(tx, LISTED) if each.verifier_keys]

    return _run(settings, None, known)


def verifier_key(settings: Settings) -> str:
    """Return the verifier key of this installation as a witness. Raises NotSetUp, KeyringError."""

    async def mine(ledger: Ledger, tx: WriteTx) -> str:
        return str((await cosigning.signer(ledger, tx)).verifier)

    return _run(settings, None, mine)


def _run(settings: Settings, workspace: str | None, act: Callable[[Ledger, WriteTx], Awaitable[T]]) -> T:
    return asyncio.run(_within(settings, workspace, act))


async def _within(settings: Settings, workspace: str | None, act: Callable[[Ledger, WriteTx], Awaitable[T]]) -> T:
    """Act in one transaction in a workspace, or in the installation's own."""
    assert settings.database_url is not None, "the command line resolves the database before"
    ledger = Ledger(settings, settings.database_url)
    try:
        ledger.use(Keyring(await load_masters(settings, ledger.db), ledger.db))
        async with ledger.db.housekeeping() as tx:
            return await act(ledger, tx.inside(await _place(tx, workspace)))
    except Problem as problem:
        raise NotSetUp(problem.detail) from None
    finally:
        await ledger.stop()


async def _place(tx: WriteTx, workspace: str | None) -> uuid.UUID:
    if workspace is None:
        return await queries.instance(tx)
    found = decode("ws", workspace)
    if found is None or await log_queries.state(tx.inside(found)) is None:
        raise NotSetUp(f"{workspace} names no workspace of this installation.")
    return found
