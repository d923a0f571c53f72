"""The verbs of audit streams. Records name the stream, its kind and its place; never a secret."""

import uuid
from typing import Any

from pydantic.alias_generators import to_camel

from provenance.audit import service as audit
from provenance.core.clock import NANOS, iso_millis
from provenance.core.db import ReadTx, WriteTx
from provenance.core.ids import decode, encode, new_uuid
from provenance.core.keyring import Keyring
from provenance.ledger.catalogue.cache import Catalogues
from provenance.streams import queries
from provenance.streams.errors import (
    NoSuchNumber,
    StreamNameTaken,
    StreamNotFound,
    TargetSecretNeeded,
    TooManyStreams,
)
from provenance.streams.matching import matching_of
from provenance.streams.schemas import (
    PREFIX,
    Ahead,
    Cursor,
    Deleted,
    Filter,
    Replay,
    Standing,
    Stored,
    Stream,
    StreamCreate,
    StreamEvent,
    Streams,
    StreamUpdate,
    TestResult,
)
from provenance.streams.sealing import seal
from provenance.streams.shapes import REQUIRED, parted, shown, stored

MOST = 20
"""Streams of one workspace."""


async def create(tx: WriteTx, catalogues: Catalogues, keyring: Keyring, asked: StreamCreate) -> Stream:
    """Add a stream; it begins after the newest row, or where asked.

    Raises TooManyStreams, StreamNameTaken, TargetSecretNeeded and NoSuchNumber.
    """
    if await queries.count(tx) >= MOST:
        raise TooManyStreams(f"A workspace has at most {MOST} audit streams.")
    config, secrets = parted(asked.target)
    _ensure_secret(config, secrets)
    highest = await queries.head(tx)
    begin = highest if asked.from_seq is None else _before(asked.from_seq, highest)
    stream_id = new_uuid()
    values = {
        "id": stream_id,
        "name": asked.name,
        "target": config,
        "sealed": await seal(keyring, tx.workspace_id, secrets),
        "filter": asked.filter.model_dump(by_alias=True, mode="json"),
        "paused": asked.paused,
        "created_at": tx.now,
        "created_by": tx.actor.id,
        "updated_at": tx.now,
        "updated_by": tx.actor.id,
    }
    if not await queries.insert_stream(tx, values):
        raise StreamNameTaken(f"Another audit stream is named {asked.name}.")
    await queries.insert_cursor(tx, stream_id, begin)
    data = {"name": asked.name, "kind": config["kind"], "filter": values["filter"], "fromSeq": begin + 1}
    audit.record(tx, StreamEvent.CREATED, encode(PREFIX, stream_id), data, risk=audit.Risk.HIGH)
    return await get(tx, catalogues, encode(PREFIX, stream_id))


async def get(tx: ReadTx, catalogues: Catalogues, stream_id: str) -> Stream:
    """Return one stream. Raises StreamNotFound."""
    return await _rendered(tx, catalogues, *await _found(tx, stream_id))


async def list_all(tx: ReadTx, catalogues: Catalogues) -> Streams:
    """Return every stream of the workspace, newest first."""
    items = [await _rendered(tx, catalogues, *each) for each in await queries.streams(tx)]
    return Streams(items=items, next_cursor=None)


async def change(tx: WriteTx, catalogues: Catalogues, keyring: Keyring, stream_id: str, asked: StreamUpdate) -> Stream:
    """Change a stream; a batch in a worker's hand is taken out of it when target or filter change.

    Raises StreamNotFound, StreamNameTaken and TargetSecretNeeded.
    """
    before, _ = await _found(tx, stream_id)
    values = await _changes(tx, keyring, before, asked)
    if not values:
        return await get(tx, catalogues, stream_id)
    await queries.set_stream(tx, before.id, {**values, "updated_at": tx.now, "updated_by": tx.actor.id})
    if values.keys() - {"name"}:
        await queries.begin_anew(tx, before.id)
    changes = {name: _change(name, before, value) for name, value in values.items() if name != "sealed"}
    data = {"name": values.get("name", before.name), "changes": changes, "secretChanged": "sealed" in values}
    audit.record(tx, StreamEvent.UPDATED, stream_id, data, risk=audit.Risk.HIGH)
    return await get(tx, catalogues, stream_id)


async def delete(tx: WriteTx, stream_id: str) -> Deleted:
    """Delete a stream; nothing goes there any more. Raises StreamNotFound."""
    name = await queries.delete_stream(tx, _id(stream_id))
    if name is None:
        raise _unknown()
    audit.record(tx, StreamEvent.DELETED, stream_id, {"name": name}, risk=audit.Risk.HIGH)
    return Deleted(stream_id=stream_id, deleted=True)


async def replay(tx: WriteTx, catalogues: Catalogues, stream_id: str, asked: Replay) -> Stream:
    """Let a stream go on from a number, before or beyond where it is. Raises StreamNotFound and NoSuchNumber."""
    stream, cursor = await _found(tx, stream_id)
    number = _before(asked.from_seq, await queries.head(tx))
    await queries.begin_anew(tx, stream.id, number)
    data = {"name": stream.name, "fromSeq": asked.from_seq, "acknowledgedSeq": cursor.number}
    audit.record(tx, StreamEvent.REPLAYED, stream_id, data, risk=audit.Risk.HIGH)
    return await get(tx, catalogues, stream_id)


async def stored_of(tx: ReadTx, stream_id: str) -> Stored:
    """Return a stream as its row has it. Raises StreamNotFound."""
    return (await _found(tx, stream_id))[0]


def record_test(tx: WriteTx, stream: Stored, result: TestResult) -> None:
    """Record that a stream was tested, and how it went."""
    data = {"name": stream.name, "durationMs": result.duration_ms}
    outcome = "success" if result.ok else "failure"
    audit.record(tx, StreamEvent.TESTED, encode(PREFIX, stream.id), data, outcome=outcome)


async def _found(tx: ReadTx, stream_id: str) -> tuple[Stored, Cursor]:
    found = await queries.streams(tx, _id(stream_id))
    if not found:
        raise _unknown()
    return found[0]


def _id(stream_id: str) -> uuid.UUID:
    found = decode(PREFIX, stream_id)
    if found is None:
        raise _unknown()
    return found


def _unknown() -> StreamNotFound:
    return StreamNotFound("There is no audit stream with this id.")


def _before(from_seq: int, highest: int) -> int:
    """Return the number after which a stream begins. Raises NoSuchNumber."""
    if from_seq > highest + 1:
        raise NoSuchNumber.at("fromSeq", f"lies beyond the next row, which will be number {highest + 1}")
    return from_seq - 1


async def _changes(tx: WriteTx, keyring: Keyring, before: Stored, asked: StreamUpdate) -> dict[str, Any]:
    """Return the columns that differ from what is stored."""
    values: dict[str, Any] = {}
    if asked.name is not None and asked.name != before.name:
        if await queries.name_taken(tx, asked.name, before.id):
            raise StreamNameTaken(f"Another audit stream is named {asked.name}.")
        values["name"] = asked.name
    if asked.paused is not None and asked.paused != before.paused:
        values["paused"] = asked.paused
    wanted = asked.filter or Filter()  # null takes every narrowing away, as JSON merge patch has it
    if "filter" in asked.model_fields_set and wanted != before.filter:
        values["filter"] = wanted.model_dump(by_alias=True, mode="json")
    if asked.target is not None:
        values |= await _target_changes(tx, keyring, before, asked)
    return values


async def _target_changes(tx: WriteTx, keyring: Keyring, before: Stored, asked: StreamUpdate) -> dict[str, Any]:
    """Return the target's columns. A secret that is not given again stays, but goes nowhere else."""
    config, secrets = parted(asked.target)
    values: dict[str, Any] = {}
    if config != before.target:
        values["target"] = config
    if secrets is None and _same_place(before.target, config):
        return values
    _ensure_secret(config, secrets)
    return {**values, "sealed": await seal(keyring, tx.workspace_id, secrets)}


def _same_place(before: dict[str, Any], after: dict[str, Any]) -> bool:
    return before["kind"] == after["kind"] and stored(before).place == stored(after).place


def _ensure_secret(config: dict[str, Any], secrets: dict[str, str] | None) -> None:
    """Refuse a target that lacks the secret it can't do without. Raises TargetSecretNeeded."""
    name = REQUIRED.get(config["kind"])
    if name is not None and secrets is None and not config.get("url", "").startswith("local://"):
        raise TargetSecretNeeded.at(f"target.{to_camel(name)}", "is needed here, also when the target moves")


def _change(name: str, before: Stored, value: Any) -> list[Any]:
    """Return what was and what is; of a target its kind and its place."""
    if name == "target":
        return [f"{each['kind']} {stored(each).place}" for each in (before.target, value)]
    was = getattr(before, name)
    return [was.model_dump(by_alias=True, mode="json") if isinstance(was, Filter) else was, value]


async def _rendered(tx: ReadTx, catalogues: Catalogues, stream: Stored, cursor: Cursor) -> Stream:
    matching = matching_of(stream.filter, await catalogues.within(tx))
    ahead = await queries.ahead(tx, matching, cursor.number)
    return Stream(
        stream_id=encode(PREFIX, stream.id),
        name=stream.name,
        target=shown(stream.target, has_secret=stream.sealed is not None),  # type: ignore[arg-type]
        filter=stream.filter,
        paused=stream.paused,
        standing=_standing(tx.now, stream, cursor, ahead),
        created_at=iso_millis(stream.created_at),
        created_by=stream.created_by,
        updated_at=iso_millis(stream.updated_at),
        updated_by=stream.updated_by,
    )


def _standing(now: int, stream: Stored, cursor: Cursor, ahead: Ahead) -> Standing:
    lag = 0 if ahead.oldest_at is None else max(0, now - ahead.oldest_at)
    return Standing(
        state="paused" if stream.paused else "failing" if cursor.failures else "running",
        acknowledged_seq=cursor.number,
        head_seq=ahead.head,
        lag_rows=ahead.rows,
        lag_capped=ahead.capped,
        lag_seconds=round(lag / NANOS, 3),
        delivered=cursor.delivered,
        refused=cursor.refused,
        failures=cursor.failures,
        said=cursor.said,
        failed_at=_moment(cursor.failed_at),
        acknowledged_at=_moment(cursor.acknowledged_at),
        next_attempt_at=_moment(cursor.due_at) if cursor.failures and not stream.paused else None,
    )


def _moment(ns: int | None) -> str | None:
    return None if ns is None else iso_millis(ns)
