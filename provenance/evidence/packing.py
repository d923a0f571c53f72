"""Writing a pack: records, proofs, head, keys, report and verifier, in one zip with a signed list of its files.

Nothing of the run itself goes in (no clock, no host, no person), so the same evidence is the same bytes each time it
is downloaded, until content of a record is erased: then the signed certificate of the erasure stands for it.
"""

import asyncio
from collections.abc import Sequence
from hashlib import sha256
from importlib.resources import files
from typing import IO, Any

import msgspec

from provenance.core.actor import Actor
from provenance.core.db import Database, ReadTx
from provenance.evidence import report
from provenance.evidence.completing import pinned_of
from provenance.evidence.container import Container, manifest_of
from provenance.evidence.erased import Erased
from provenance.evidence.schemas import Cited
from provenance.evidence.sealed import Sealed, records_of
from provenance.evidence.time_line import Summary
from provenance.ledger.erasure.errors import NotCertified
from provenance.ledger.log import queries as log_queries
from provenance.ledger.log import service as log
from provenance.ledger.log.keys import signer_of
from provenance.ledger.service import Ledger
from provenance.proof.canonical import canonical
from provenance.proof.completeness_map import SUFFIX
from provenance.proof.notes import Note, Signer, sign
from provenance.proof.standalone import verify_pack

MOST_PROOFS = 1_000
"""Records of a pack up to which each has a proof of its own as well, to be handed on without the others."""

_TEXTS = files("provenance.evidence")
_VERIFIER = files("provenance.proof.standalone") / "verify_pack.py"


class Pins(msgspec.Struct, frozen=True):
    """What else a pack holds, fixed when its evidence was asked for: the log's keys, and how the log grew."""

    keys: list[Any]
    generation: int
    consistency: bytes | None


async def write(db: Database, actor: Actor, ledger: Ledger, cited: Cited, file: IO[bytes]) -> None:
    """Write the pack to a seekable file.

    Raises RowDiffers when a row is not stored as it was recorded, NotCertified while a row's erasure is under way,
    and TooManyRecords for rows of too many erasures.
    """
    async with db.read(actor) as tx:
        pins = await _pins(tx, cited)
    container, summary, erased = Container(file), Summary(), Erased(db, actor)
    for name, data in _first_files(cited, pins):
        container.add(name, [data])
    await _write_records(db, actor, ledger, cited, container, summary, erased)
    if cited.records <= MOST_PROOFS:
        await _write_proofs(db, actor, ledger, cited, container, erased)
    signers = await _write_certificates(container, erased)
    keys = _keys(cited, pins.keys, signers)
    container.add("keys.json", [canonical({"keys": keys})])
    signer = signer_of(await ledger.keyring.of(actor.workspace_id), _origin(cited), pins.generation)
    container.add("report.html", report.render(cited, summary, erased, keys, str(signer.verifier)))
    await asyncio.to_thread(_finish, container, cited, signer)


async def _pins(tx: ReadTx, cited: Cited) -> Pins:
    keys = await log_queries.keys(tx)
    generation = max(row.generation for row in keys if row.epoch == cited.epoch and row.from_size < cited.size)
    grown = None
    if cited.newest_size > cited.size:
        path = (await log.consistency(tx, cited.size, cited.newest_size)).path
        grown = canonical({"checkpoint": cited.newest_checkpoint, "path": path})
    return Pins(keys, generation, grown)


def _keys(cited: Cited, known: list[Any], signers: Sequence[Any]) -> list[dict[str, Any]]:
    """The keys that have signed the heads, and, with those before them, the certificates: of older logs too."""
    last: dict[int, int] = {}
    for row in signers:
        last[row.epoch] = max(row.generation, last.get(row.epoch, 0))
    keys = [
        _key(row.origin, row.verifier_key, row.from_size, row.successor_note)
        for row in known
        if row.generation <= last.get(row.epoch, 0) or (row.epoch == cited.epoch and row.from_size < cited.newest_size)
    ]
    if cited.completeness is not None:
        keys.append(_key(_origin(cited) + SUFFIX, pinned_of(cited.completeness)[1]))
    return keys


def _key(origin: str, verifier_key: str, from_size: int = 0, note: str | None = None) -> dict[str, Any]:
    return {"origin": origin, "verifierKey": verifier_key, "fromSize": from_size, "successorNote": note}


def _first_files(cited: Cited, pins: Pins) -> list[tuple[str, bytes]]:
    found = [
        ("README.txt", (_TEXTS / "pack_readme.txt").read_bytes()),
        ("verify.py", _VERIFIER.read_bytes()),
        ("checkpoint", cited.checkpoint.encode()),
    ]
    if pins.consistency is not None:
        found.append(("consistency.json", pins.consistency))
    if cited.completeness is not None:
        found.append(("completeness.json", pinned_of(cited.completeness)[0]))
    return found


async def _write_records(
    db: Database, actor: Actor, ledger: Ledger, cited: Cited, container: Container, summary: Summary, erased: Erased
) -> None:
    writing = container.start("records.ndjson")

    def take(piece: list[Sealed]) -> None:
        for sealed in piece:
            writing.write(sealed.line)
            summary.take(sealed, erased.rows.get(sealed.number))

    async for piece in records_of(db, actor, ledger.catalogues, cited):
        await erased.take(piece)
        await asyncio.to_thread(take, piece)
    writing.finish()


async def _write_proofs(
    db: Database, actor: Actor, ledger: Ledger, cited: Cited, container: Container, erased: Erased
) -> None:
    note = Note.parse(cited.checkpoint)

    def take(piece: list[Sealed]) -> None:
        for sealed in piece:
            if (sealed.row.content is None) != (sealed.number in erased.rows):
                raise NotCertified()  # it was erased since its line was written
            container.add(f"proofs/{sealed.number}.json", [sealed.alone(note)])

    async for piece in records_of(db, actor, ledger.catalogues, cited):
        await asyncio.to_thread(take, piece)


async def _write_certificates(container: Container, erased: Erased) -> list[Any]:
    """Write the certificates of the rows without content; return the keys of the log that have signed them."""
    signers = []
    async for each in erased.certified():
        name = f"{verify_pack.CERTIFICATES}{each.erasure_id}{verify_pack.NOTE}"
        await asyncio.to_thread(container.add, name, [each.note.encode()])
        signers += each.signers
    return signers


def _finish(container: Container, cited: Cited, signer: Signer) -> None:
    head = {
        "origin": _origin(cited),
        "filter": msgspec.json.decode(cited.asked),
        "records": cited.records,
        "treeSize": cited.size,
        "proofs": cited.records <= MOST_PROOFS,
    }
    manifest = manifest_of(head, container)
    text = f"{_origin(cited)}/evidence\n{sha256(manifest).hexdigest()}\n"
    container.finish(manifest, str(sign(text, signer)).encode())


def _origin(cited: Cited) -> str:
    return cited.checkpoint.partition("\n")[0]
