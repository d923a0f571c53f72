"""Answering for completeness: every signed row that names an id, or that there is none, with its proof."""

from provenance.core.actor import Role, Scope
from provenance.core.clock import iso_millis
from provenance.core.db import ReadTx
from provenance.core.errors import Invalid, NotAllowed
from provenance.core.keyring import WorkspaceKeys
from provenance.ledger.completeness import queries
from provenance.ledger.completeness.errors import MapBehind, MapDiffers, TooManyIndices
from provenance.ledger.completeness.keys import index_key_of
from provenance.ledger.completeness.schemas import Around, CompletenessStatus, MapState, Subject
from provenance.ledger.interactions.filters import Filters
from provenance.proof.completeness import write_completeness
from provenance.proof.completeness_map import (
    NO_HEAD,
    VALUE_BYTES,
    Entry,
    bucket_hash,
    extended,
    map_key,
    place_of,
    root_from,
)
from provenance.proof.completeness_tiles import Bucket, MapDamaged, path_of
from provenance.proof.leaf import index_key_hash
from provenance.proof.notes import Note

INDICES_LISTED = 10_000


async def answer(
    tx: ReadTx, keys: WorkspaceKeys, subject: Subject, *, covers: int | None = None, listed: bool = True
) -> bytes:
    """Return the completeness answer (`proof.completeness`) for an id, as it goes over the wire.

    ``covers`` is a number that the answer must cover; ``listed``: with the indices. Discloses the index key: only
    for callers with audit:read. Raises MapBehind, TooManyIndices, and MapDiffers when what is stored is not what was
    signed.
    """
    key = _key_of(keys, subject)
    found = await queries.around(tx, place_of(key))
    if found is None or found.state.epoch != found.log.epoch or found.state.size < (covers or 0):
        raise MapBehind()
    state = found.state
    if state.note is None or state.checkpoint is None:
        raise MapBehind()
    bucket, path = _proven(found, key)
    entry = bucket.find(key)
    indices = await _indices(tx, subject, key, state, entry) if listed else None
    return write_completeness(
        subject.kind,
        subject.identifier,
        None if subject.kind == "uow" else index_key_of(keys),
        key,
        bucket.all(),
        indices,
        path,
        Note.parse(state.note),
        Note.parse(state.checkpoint),
    )


async def answer_for(tx: ReadTx, keys: WorkspaceKeys, filters: Filters) -> bytes:
    """Return the answer that goes with a list: about the one id that narrows it. Rows beyond it are not covered yet.

    Raises Invalid when anything but one id narrows the list, NotAllowed for who has no audit:read, and what `answer`
    raises.
    """
    if not tx.actor.may(Scope.AUDIT_READ, Role.EDITOR):
        raise NotAllowed("A list with proof=complete discloses the index key: that needs the scope audit:read.")
    return await answer(tx, keys, _only(filters))


def _only(filters: Filters) -> Subject:
    match filters.model_dump(exclude_none=True):
        case {"resource_id": [identifier], **others} if not others and not identifier.endswith("*"):
            return Subject("r", identifier)
        case {"user_id": identifier, **others} if not others:
            return Subject("u", identifier)
        case {"uow_id": identifier, **others} if not others:
            return Subject("uow", identifier)
    raise Invalid.at("proof", "complete is for lists that exactly one resourceId, userId or uowId narrows")


async def status(tx: ReadTx) -> CompletenessStatus:
    """Return how far the map is."""
    found, size = await queries.standing(tx), await queries.last_number(tx)
    state, log = found
    signed = state if state is not None and state.epoch == log.epoch and state.note is not None else None
    map_size = 0 if signed is None else signed.size
    return CompletenessStatus(
        origin=log.origin,
        epoch=log.epoch,
        size=size,
        integrated_size=log.size,
        map_size=map_size,
        lag=max(0, size - map_size),
        map_root=None if signed is None else signed.root.hex(),
        signed_at=None if signed is None or signed.signed_at is None else iso_millis(signed.signed_at),
        note=None if signed is None else signed.note,
        verifier_key=None if signed is None else signed.verifier_key,
    )


def _key_of(keys: WorkspaceKeys, subject: Subject) -> bytes:
    if subject.kind == "uow":
        return map_key("uow", subject.value.bytes)
    value = index_key_hash(index_key_of(keys), subject.kind.encode(), subject.identifier)
    return map_key(subject.kind, bytes.fromhex(value))


def _proven(found: Around, key: bytes) -> tuple[Bucket, list[bytes]]:
    """The bucket around a key's place, and its path, which leads to the map's root."""
    if found.bucket is None:
        raise _differs()
    try:
        path = path_of(found.bucket, found.tiles)
    except (MapDamaged, KeyError):
        raise _differs() from None
    digest = bucket_hash(found.bucket.depth, found.bucket.entries)
    if root_from(digest, place_of(key), path) != found.state.root:
        raise _differs()
    return found.bucket, path


async def _indices(tx: ReadTx, subject: Subject, key: bytes, state: MapState, entry: Entry | None) -> list[int]:
    """The leaves that name the id: those that the map counts, or no answer is given."""
    count, head = (entry.count, entry.head) if entry else (0, NO_HEAD)
    if count > INDICES_LISTED:
        raise TooManyIndices.at(
            "indices",
            f"{count:,} interactions name this id, and an answer lists {INDICES_LISTED:,} at most; with indices=false "
            "it proves their number, and the chain over the numbers that a list shows",
        )
    numbers = await queries.numbers(tx, subject, key[-VALUE_BYTES:], state.size, count + 1)
    indices = [number - 1 for number in numbers]
    if len(indices) != count or extended(NO_HEAD, indices) != head:
        raise _differs()
    return indices


def _differs() -> MapDiffers:
    return MapDiffers("The completeness map and the rows are not stored as they were signed. No answer is given.")
