"""Two acts on a log that change who vouches for it: a new epoch after a restore, and a new signing key."""

import uuid
from typing import Any

from provenance.core.db import WriteTx
from provenance.core.keyring import WorkspaceKeys
from provenance.ledger.log import queries
from provenance.ledger.log.errors import LogHalted, LogNotHalted, NotIntegrated
from provenance.ledger.log.keys import origin_of, signer_of, successor_note
from provenance.ledger.log.schemas import Head
from provenance.ledger.service import Fact, Ledger, record
from provenance.proof.merkle import EMPTY_ROOT


async def reopen(ledger: Ledger, workspace_id: uuid.UUID, reason: str, known: Head | None) -> str:
    """Begin a new log, ``<origin>/e<N>``, over the rows that are there; return its origin.

    Its first new entry records the last head that was signed (``known``, from outside the database), so that
    nobody can say later there was none. Proofs under the old origin stay what they are. Raises LogNotHalted.
    """
    async with ledger.db.housekeeping(workspace_id) as tx:
        state = await queries.locked_state(tx)
        if state.halted is None:
            raise LogNotHalted("This log signs its heads; there is nothing to reopen.")
        epoch = max(state.epoch, known.epoch if known else 0) + 1
        origin = origin_of(ledger.settings.instance_name, state.name, epoch)
        await queries.change(
            tx,
            epoch=epoch,
            origin=None,
            size=0,
            root=EMPTY_ROOT,
            edge=b"",
            kept_minute=0,
            halted=None,
            halted_at=None,
        )
        data: dict[str, Any] = {
            "origin": origin,
            "reason": reason,
            "halted": state.halted,
            "lastHead": known.note if known else None,
        }
        record(tx, _fact("REOPENED", data))
    return origin


async def rotate_key(tx: WriteTx, keys: WorkspaceKeys, generation: int) -> str:
    """Sign from now on with the key of a newer generation; the old key names it in a successor note.

    Returns the new verifier key. Raises NotIntegrated for a log that signed nothing yet, and LogHalted.
    """
    state = await queries.locked_state(tx)
    if state.origin is None:
        raise NotIntegrated()
    if state.halted is not None:
        raise LogHalted("The log is halted; a new key would hide why. See: provenance log status")
    old, new = (signer_of(keys, state.origin, each) for each in (state.key_generation, generation))
    await queries.change(tx, key_generation=generation)
    await queries.add_key(
        tx,
        epoch=state.epoch,
        generation=generation,
        origin=state.origin,
        verifier_key=str(new.verifier),
        from_size=state.size,
        successor_note=str(successor_note(old, new, state.size)),
        created_at=tx.now,
    )
    record(tx, _fact("KEY_ROTATED", {"verifierKey": str(new.verifier), "fromSize": state.size}))
    return str(new.verifier)


def _fact(action: str, data: dict[str, Any]) -> Fact:
    return Fact(resource_type="LEDGER", action=action, resource_id="log", data=data, risk="critical", domain="ledger")
