"""The verbs of bridges. Records name the bridge, its servers and its mapping; never a secret."""

import uuid
from typing import Any

import msgspec

from provenance.audit import service as audit
from provenance.billing.allowing import Allowed
from provenance.bus.bridges import queries
from provenance.bus.bridges.arriving import Arrival, publication_of
from provenance.bus.bridges.errors import (
    BadBridge,
    BridgeNameTaken,
    BridgeStale,
    TooManyBridges,
    UnknownBridge,
    UnknownBridgeDeadLetter,
    WrongDirection,
)
from provenance.bus.bridges.rendering import dead_letter_shown, shown
from provenance.bus.bridges.schemas import (
    DEAD_PREFIX,
    KIND,
    PREFIX,
    Bridge,
    BridgeDeadLetters,
    BridgeDeleted,
    BridgeInput,
    BridgeRedriven,
    BridgeReplay,
    Bridges,
    Row,
    State,
)
from provenance.bus.events import BusEvent
from provenance.bus.filters import wants_of
from provenance.bus.messages.schemas import PREFIX as MESSAGE
from provenance.bus.publishing import publish
from provenance.core import cursors
from provenance.core.actor import Actor, Kind
from provenance.core.db import ReadTx, WriteTx
from provenance.core.ids import decode, encode, new_uuid
from provenance.core.keyring import WorkspaceKeys
from provenance.secrets import service as secrets
from provenance.secrets.errors import BadReference, SecretNotFound
from provenance.secrets.schemas import Purpose

MOST = 50
"""Bridges of one workspace."""
_LIST = "bus.bridges.dead_letters"


async def list_all(tx: ReadTx) -> Bridges:
    """Return every bridge of the workspace, newest first."""
    found = await queries.bridges(tx)
    return Bridges(items=[shown(row, state, tx.now) for row, state in found], next_cursor=None)


async def get(tx: ReadTx, bridge_id: str) -> tuple[Bridge, int]:
    """Return a bridge and its revision. Raises UnknownBridge."""
    row, state = await _found(tx, bridge_id)
    return shown(row, state, tx.now), row.revision


async def create(tx: WriteTx, body: BridgeInput) -> tuple[Bridge, int]:
    """Make a bridge. Raises TooManyBridges, BridgeNameTaken, BadFilter and BadBridge."""
    if await queries.count(tx) >= MOST:
        raise TooManyBridges(f"A workspace has at most {MOST} bridges.")
    bridge_id = new_uuid()
    columns = {**_columns(body), "id": bridge_id, "direction": body.direction, "revision": 1}
    stamps = {"created_at": tx.now, "created_by": tx.actor.id, "updated_at": tx.now, "updated_by": tx.actor.id}
    if not await queries.insert_bridge(tx, {**columns, **stamps}):
        raise BridgeNameTaken(f"Another bridge is called {body.name}.")
    await queries.insert_state(tx, bridge_id, await _before(tx, body))
    wire_id = encode(PREFIX, bridge_id)
    await _refer(tx, wire_id, body)
    audit.record(tx, BusEvent.BRIDGE_CREATED, wire_id, _told(body), risk=audit.Risk.HIGH)
    return await get(tx, wire_id)


async def replace(tx: WriteTx, bridge_id: str, body: BridgeInput, revision: int | None) -> tuple[Bridge, int]:
    """Make a bridge what is asked for; how far it is stays.

    Raises UnknownBridge, BridgeStale, BridgeNameTaken, BadFilter and BadBridge.
    """
    row, _ = await _found(tx, bridge_id, lock=True)
    if revision is not None and revision != row.revision:
        raise BridgeStale(f"The bridge is at revision {row.revision} by now; read it again.")
    if await queries.name_taken(tx, body.name, row.id):
        raise BridgeNameTaken(f"Another bridge is called {body.name}.")
    _ensure_kept(row.input, body)
    changed = {**_columns(body), "revision": row.revision + 1, "updated_at": tx.now, "updated_by": tx.actor.id}
    await queries.set_bridge(tx, row.id, changed)
    await queries.begin_anew(tx, row.id)
    await _refer(tx, bridge_id, body)
    audit.record(tx, BusEvent.BRIDGE_UPDATED, bridge_id, _told(body), risk=audit.Risk.HIGH)
    return await get(tx, bridge_id)


async def delete(tx: WriteTx, bridge_id: str) -> BridgeDeleted:
    """Delete a bridge; nothing goes over any more. Raises UnknownBridge."""
    row, _ = await _found(tx, bridge_id, lock=True)
    await queries.delete_bridge(tx, row.id)
    await secrets.refer(tx, None, Purpose(KIND, bridge_id))
    data = {"name": row.name, "direction": row.direction}
    audit.record(tx, BusEvent.BRIDGE_DELETED, bridge_id, data, risk=audit.Risk.HIGH)
    return BridgeDeleted(deleted=True)


async def replay(tx: WriteTx, bridge_id: str, body: BridgeReplay) -> Bridge:
    """Let a bridge that publishes go on from a number. Raises UnknownBridge, WrongDirection and BadBridge."""
    row, state = await _found(tx, bridge_id, lock=True)
    if row.direction != "publish":
        raise WrongDirection("Only a bridge that publishes goes by numbers; a stream is read again by its own tools.")
    if body.from_number > await queries.head(tx) + 1:
        raise BadBridge.at("fromNumber", "lies beyond the next row")
    await queries.begin_anew(tx, row.id, body.from_number - 1)
    data = {"name": row.name, "fromNumber": body.from_number, "number": state.number}
    audit.record(tx, BusEvent.REPLAYED, bridge_id, data, risk=audit.Risk.MEDIUM)
    return (await get(tx, bridge_id))[0]


class _Position(msgspec.Struct):
    before: uuid.UUID


async def dead_letters(
    tx: ReadTx, keys: WorkspaceKeys, bridge_id: str, *, limit: int, cursor: str | None
) -> BridgeDeadLetters:
    """Return a page of what could not go over, newest first. Raises UnknownBridge and BadCursor."""
    row, _ = await _found(tx, bridge_id)
    bound = cursors.binding(_LIST, bridge_id)
    before = None if cursor is None else cursors.read(keys, bound, cursor, _Position).before
    rows = await queries.dead_letters(tx, row.id, before, limit + 1)
    kept = rows[:limit]
    more = len(rows) > limit
    return BridgeDeadLetters(
        items=[dead_letter_shown(each) for each in kept],
        next_cursor=cursors.write(keys, bound, {"before": str(kept[-1].id)}) if more else None,
    )


async def redrive(tx: WriteTx, allowed: Allowed, bridge_id: str, dead_letter_id: str) -> BridgeRedriven:
    """Publish what could not be read before, by the rule and the schemas of now.

    Raises UnknownBridge, UnknownBridgeDeadLetter, WrongDirection, PlanLimitReached, and what publishing refuses
    it with.
    """
    row, _ = await _found(tx, bridge_id)
    dead_id = decode(DEAD_PREFIX, dead_letter_id)
    dead = None if dead_id is None else await queries.take_dead_letter(tx, row.id, dead_id)
    if dead is None:
        raise UnknownBridgeDeadLetter("This bridge has no dead letter with this id.")
    if dead.payload is None:
        raise WrongDirection("This dead letter has no payload here: replay the bridge, or send it again.")
    arrival = Arrival("", 0, dead.subject, dead.headers, dead.payload)
    publication = publication_of(row.input, arrival, Actor(Kind.SYSTEM, bridge_id, tx.workspace_id))
    await allowed.take(tx.workspace_id)
    await publish(tx, [publication])
    audit.record(tx, BusEvent.REDRIVEN, bridge_id, {"name": row.name, "deadLetterId": dead_letter_id})
    return BridgeRedriven(msg_id=encode(MESSAGE, publication.id))


async def _found(tx: ReadTx, bridge_id: str, *, lock: bool = False) -> tuple[Row, State]:
    known = decode(PREFIX, bridge_id)
    found = [] if known is None else await queries.bridges(tx, known, lock=lock)
    if not found:
        raise UnknownBridge("This workspace has no bridge with this id.")
    return found[0]


def _columns(body: BridgeInput) -> dict[str, Any]:
    """Return what is stored of a bridge. Raises BadFilter."""
    rule = body.model_dump(mode="json", by_alias=False, exclude={"name", "direction", "status"})
    if body.publish is not None and rule["publish"]["filter"] is not None:
        wants_of(rule["publish"]["filter"])
    return {"name": body.name, "rule": rule, "status": body.status}


async def _before(tx: WriteTx, body: BridgeInput) -> int:
    """Return the number after which a bridge begins. Raises BadBridge for one that is far from being given."""
    highest = await queries.head(tx)
    if body.publish is None or body.publish.from_number is None:
        return highest
    if body.publish.from_number > highest + 1:
        raise BadBridge.at("publish.fromNumber", f"lies beyond the next row, which will be number {highest + 1}")
    return body.publish.from_number - 1


def _ensure_kept(before: BridgeInput, body: BridgeInput) -> None:
    """Refuse to change what makes a bridge another one. Raises BadBridge."""
    if before.direction != body.direction:
        raise BadBridge.at("direction", "stays what it is: make another bridge")
    if before.consume is not None and body.consume is not None:
        if before.stream != body.stream:
            raise BadBridge.at("stream", "stays what it is: make another bridge")
        if before.consume.begin != body.consume.begin:
            raise BadBridge.at("consume.begin", "stays what it is: make another bridge")


async def _refer(tx: WriteTx, bridge_id: str, body: BridgeInput) -> None:
    """Note the secret that a bridge signs in with. Raises BadBridge when there is none such."""
    given = body.server.credentials
    try:
        value = None if given is None else f"{{{{secrets.{given.secret_id}}}}}"
        await secrets.refer(tx, value, Purpose(KIND, bridge_id))
    except (SecretNotFound, BadReference):
        raise BadBridge.at("server.credentials.secretId", "is no secret of this workspace") from None


def _told(body: BridgeInput) -> dict[str, Any]:
    """Return what the record says of a bridge."""
    part = body.consume or body.publish
    assert part is not None, "the schema asks for one of them"
    mapping = part.model_dump(mode="json", exclude={"filter"}, exclude_none=True)
    data = {"name": body.name, "direction": body.direction, "servers": body.server.urls, "stream": body.stream}
    return {**data, "status": body.status, **mapping}
