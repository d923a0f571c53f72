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
from provenance.core.pagination import Page, PageAsked, paged
from provenance.evidence import packing, queries, selecting
from provenance.evidence.errors import LogReopened, UnknownEvidence
from provenance.evidence.schemas import Cited, Evidence, EvidenceEvent
from provenance.ledger.interactions.filters import Filters
from provenance.ledger.log import queries as log_queries
from provenance.ledger.log import service as log
from provenance.ledger.log.errors import NotIntegrated
from provenance.ledger.log.schemas import Head
from provenance.ledger.service import Ledger
from provenance.proof.canonical import canonical

PREFIX = "evd"


class Asked(NamedTuple):
    """A filter as it is kept, and the rows that satisfy it."""

    filter: bytes
    numbers: list[int]


async def gather(db: Database, actor: Actor, ledger: Ledger, filters: Filters) -> Asked:
    """Find the rows that evidence is asked about. Raises NothingAsked, NothingFound and TooManyRecords."""
    catalogue = await ledger.catalogues.of(actor.workspace_id)
    text = canonical(selecting.written(filters, catalogue))
    return Asked(text, await selecting.numbers_of(db, actor, ledger.catalogues, filters))


async def create(tx: WriteTx, asked: Asked) -> tuple[Evidence, bool]:
    """Pin what was found to the oldest head still kept that covers it, and keep that head for good.

    The same filter that finds the same rows is the same evidence: then nothing is written and the second value is
    False. Raises NotIntegrated while the last row is under no signed head.
    """
    state = await log_queries.locked_state(tx)  # the integrator passes over a locked log: no head goes meanwhile
    head = await log_queries.head_covering(tx, state.epoch, asked.numbers[-1])
    newest = await log_queries.head(tx, state.epoch)
    if head is None or newest is None:
        raise NotIntegrated()
    digest = _digest(asked, head)
    known = await queries.with_digest(tx, digest)
    if known is not None:
        return shown(known), False
    for each in {head.size, newest.size}:
        await log_queries.keep_head(tx, state.epoch, each)
    cited = _cited(tx, asked, head, newest)
    await queries.add(tx, digest=digest, **cited._asdict())
    data = {"asked": sorted(msgspec.json.decode(asked.filter)), "records": cited.records, "treeSize": cited.size}
    audit.record(tx, EvidenceEvent.CREATED, ids.encode(PREFIX, cited.id), data, risk=audit.Risk.MEDIUM)
    return shown(cited), True


def _digest(asked: Asked, head: Head) -> bytes:
    numbers = b"".join(number.to_bytes(8) for number in asked.numbers)
    return sha256(b"%d %d\n%b\n%b" % (head.epoch, head.size, asked.filter, numbers)).digest()


def _cited(tx: WriteTx, asked: Asked, head: Head, newest: Head) -> Cited:
    return Cited(
        id=ids.new_uuid(),
        asked=asked.filter.decode(),
        numbers=asked.numbers,
        records=len(asked.numbers),
        epoch=head.epoch,
        size=head.size,
        checkpoint=head.note,
        signed_at=head.signed_at,
        newest_size=newest.size,
        newest_checkpoint=newest.note,
        completeness=None,
        created_at=tx.now,
        created_by=tx.actor.id,
    )


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

    Raises UnknownEvidence, LogReopened, and RowDiffers when a row is not stored as it was recorded.
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
        first_number=cited.numbers[0],
        last_number=cited.numbers[-1],
        origin=cited.checkpoint.partition("\n")[0],
        tree_size=cited.size,
        checkpoint=cited.checkpoint,
        created_at=iso_millis(cited.created_at),
        created_by=cited.created_by,
    )
