"""The verbs of evidence: ask for it, list it, write its pack."""

import tempfile
import uuid
from contextlib import ExitStack
from hashlib import sha256
from typing import IO, NamedTuple

import msgspec

from provenance.audit import service as audit
from provenance.core import ids
from provenance.core.actor import Actor
from provenance.core.clock import iso_millis
from provenance.core.db import Database, ReadTx, WriteTx
from provenance.core.keyring import WorkspaceKeys
from provenance.core.pagination import Page, PageAsked, paged
from provenance.evidence import citing, completing, packing, queries, selecting
from provenance.evidence.completing import Complete
from provenance.evidence.errors import LogReopened, NothingFound, UnknownEvidence
from provenance.evidence.schemas import Cited, Evidence, EvidenceCreate, EvidenceEvent
from provenance.ledger.completeness.schemas import Subject
from provenance.ledger.log import queries as log_queries
from provenance.ledger.log import service as log
from provenance.ledger.log.errors import NotIntegrated
from provenance.ledger.log.schemas import Head
from provenance.ledger.service import Ledger
from provenance.proof.canonical import canonical

PREFIX = "evd"
ABSENCE_LAG = 10_000
"""Entries that the completeness map may lack, and never more than a tenth, when it shows that nothing is there."""
_NOTHING = "No record satisfies these filters."


class Asked(NamedTuple):
    """A filter as it is kept, and the rows that satisfy it; ``whose``: the one id that it names alone, if it does."""

    filter: bytes
    numbers: list[int]
    whose: Subject | None


async def gather(db: Database, actor: Actor, ledger: Ledger, body: EvidenceCreate) -> Asked:
    """Find the rows that evidence is asked about: none, where it can be proven that there is none.

    Raises NothingAsked, NothingFound and TooManyRecords.
    """
    catalogue = await ledger.catalogues.of(actor.workspace_id)
    written = selecting.written(body.filters, catalogue)
    whose = selecting.one_id(written) if body.completeness else None
    numbers = await selecting.numbers_of(db, actor, ledger.catalogues, body.filters)
    if not numbers and whose is None:
        raise NothingFound(_NOTHING)
    return Asked(canonical(written), numbers, whose)


async def create(tx: WriteTx, keys: WorkspaceKeys, asked: Asked) -> tuple[Evidence, bool]:
    """Pin what was found to a head that covers it, and keep that head for good.

    The same filter that finds the same rows is the same evidence: then nothing is written and the second value is
    False. Raises NotIntegrated while the last row is under no signed head, MapBehind while the completeness map does
    not reach it, NothingFound when nothing was found and nothing is signed, MapDiffers, and TooManyRecords.
    """
    state = await log_queries.locked_state(tx)  # the integrator passes over a locked log: no head goes meanwhile
    complete = None
    if asked.numbers and await log_queries.head_covering(tx, state.epoch, asked.numbers[-1]) is None:
        raise NotIntegrated()
    if asked.whose is not None:
        covers = asked.numbers[-1] if asked.numbers else _enough(state.size)
        complete = await completing.complete(tx, keys, asked.whose, asked.numbers, covers)
        asked = asked._replace(numbers=complete.numbers)
    digest = _digest(asked, state.epoch)
    known = await queries.with_digest(tx, digest)
    if known is not None:
        return shown(known), False
    head = await citing.head_over(tx, state.epoch, asked.numbers, complete)
    return shown(await _keep(tx, digest, asked, head, complete)), True


def _enough(size: int) -> int:
    """How far the map has to be to show that nothing is there: while the log grows it is always a little behind.

    Raises NothingFound while nothing is signed.
    """
    if not size:
        raise NothingFound(_NOTHING)
    return size - min(size // 10, ABSENCE_LAG)


async def _keep(tx: WriteTx, digest: bytes, asked: Asked, head: Head, complete: Complete | None) -> Cited:
    newest = await log.newest_head(tx)
    await log_queries.keep_head(tx, head.epoch, head.size)
    cited = Cited(
        id=ids.new_uuid(),
        asked=asked.filter.decode(),
        numbers=asked.numbers,
        records=len(asked.numbers),
        epoch=head.epoch,
        size=head.size,
        checkpoint=head.note,
        signed_at=head.signed_at,
        newest_size=newest.size if complete is None else complete.size,
        newest_checkpoint=newest.note if complete is None else complete.checkpoint,
        completeness=None if complete is None else complete.pinned,
        created_at=tx.now,
        created_by=tx.actor.id,
    )
    await queries.add(tx, digest=digest, **cited._asdict())
    data = {"asked": sorted(msgspec.json.decode(asked.filter)), "records": cited.records, "treeSize": cited.size}
    audit.record(tx, EvidenceEvent.CREATED, ids.encode(PREFIX, cited.id), data, risk=audit.Risk.MEDIUM)
    return cited


def _digest(asked: Asked, epoch: int) -> bytes:
    """What makes evidence the same: the question and the rows. The heads are pinned by whoever asks first."""
    numbers = b"".join(number.to_bytes(8) for number in asked.numbers)
    complete = b"complete" if asked.whose is not None else b""
    return sha256(b"%d\n%b\n%b\n%b" % (epoch, asked.filter, complete, numbers)).digest()


async def page(tx: ReadTx, asked: PageAsked) -> Page:
    """Return one page of evidence, newest first."""
    found, total = await queries.page(tx, asked.limit, asked.offset)
    return paged([shown(each).model_dump(by_alias=True) for each in found], asked, total)


async def one(tx: ReadTx, evidence_id: str) -> Evidence:
    """Return one piece of evidence. Raises UnknownEvidence."""
    return shown(await _cited_as(tx, evidence_id))


async def _cited_as(tx: ReadTx, evidence_id: str) -> Cited:
    known: uuid.UUID | None = ids.decode(PREFIX, evidence_id)
    found = None if known is None else await queries.with_id(tx, known)
    if found is None:
        raise UnknownEvidence("This workspace has no evidence with this id.")
    return found


async def packed(db: Database, actor: Actor, ledger: Ledger, evidence_id: str) -> tuple[IO[bytes], int]:
    """Write the pack of a piece of evidence to a file without a name; return it at its start, and its size.

    Raises UnknownEvidence, LogReopened, RowDiffers when a row is not stored as it was recorded, NotCertified while
    an erasure of one of them is under way, and TooManyRecords when too many erasures took their content.
    """
    async with db.read(actor) as tx:
        cited = await _cited_as(tx, evidence_id)
        if (await log.signed_state(tx)).epoch != cited.epoch:
            raise LogReopened("The log was reopened after a restore. Ask for the same evidence again.")
    with ExitStack() as closing:
        file = closing.enter_context(tempfile.TemporaryFile())
        await packing.write(db, actor, ledger, cited, file)
        size = file.tell()
        file.seek(0)
        closing.pop_all()
    return file, size


def shown(cited: Cited) -> Evidence:
    """Return evidence as it reads on the wire."""
    return Evidence(
        id=ids.encode(PREFIX, cited.id),
        filter=msgspec.json.decode(cited.asked),
        records=cited.records,
        first_number=cited.numbers[0] if cited.numbers else None,
        last_number=cited.numbers[-1] if cited.numbers else None,
        complete=cited.completeness is not None,
        origin=cited.checkpoint.partition("\n")[0],
        tree_size=cited.size,
        checkpoint=cited.checkpoint,
        created_at=iso_millis(cited.created_at),
        created_by=cited.created_by,
    )
