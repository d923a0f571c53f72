"""Our side as a log: show a head to its witnesses and put what they sign under it (tlog-witness).

One round is one head: every witness is shown the same one, so that their signatures gather under one note. Nothing
waits on the network inside a transaction: claim the round, ask, write down what was said.
"""

import asyncio
import uuid
from typing import Any

import structlog

from provenance.core.addresses import EgressError
from provenance.core.db import ReadTx, WriteTx
from provenance.core.egress import Egress, Reply
from provenance.ledger.log import queries as log_queries
from provenance.ledger.log.integrating import incident
from provenance.ledger.log.schemas import Head
from provenance.ledger.log.service import tree_for
from provenance.ledger.self_audit import queries as self_audit_queries
from provenance.ledger.self_audit.schemas import Finding, Kind
from provenance.ledger.service import Ledger, record
from provenance.ledger.witness import queries
from provenance.ledger.witness.schemas import Answer, Asked, Outcome, Round, State
from provenance.proof.add_checkpoint import SIZE_TYPE, AddCheckpoint, read_cosignatures, read_size
from provenance.proof.notes import Note, UnverifiedNote, VerifierKey
from provenance.proof.strict import Malformed
from provenance.proof.tile_tree import tiles_for_consistency

MINUTE = 60 * 10**9
LONGEST_PAUSE = 60 * MINUTE
ANSWER_SECONDS = 15.0
ANSWER_BYTES = 64 * 1024
ATTEMPTS = 3
"""Requests of one round to one witness: the second names the size that it said it knows."""

log: Any = structlog.get_logger("ledger.witness")


class Rounds:
    """Asks the witnesses of one log after another."""

    def __init__(self, ledger: Ledger, egress: Egress, pause: int = MINUTE) -> None:
        """Take the ledger, the way out, and how long a log's witnesses are left alone between rounds (ns)."""
        self._ledger = ledger
        self._egress = egress
        self._pause = pause

    async def round(self, workspace_id: uuid.UUID) -> list[Outcome]:
        """Show the log's newest head to its witnesses, unless another process did less than a minute ago."""
        async with self._ledger.db.housekeeping(workspace_id) as tx:
            taken = await self._claim(tx)
        if taken is None:
            return []
        outcomes = await asyncio.gather(*(self._ask(taken.head, each) for each in taken.asked))
        async with self._ledger.db.housekeeping(workspace_id) as tx:
            await _settle(tx, taken.head, outcomes)
        for each in outcomes:
            if each.contradiction is not None:
                log.error("witness_disagrees", workspace=str(workspace_id), witness=each.asked.witness.name)
        return list(outcomes)

    async def _claim(self, tx: WriteTx) -> Round | None:
        if not await queries.claim(tx, tx.now + self._pause):
            return None
        head = await _newest_kept(tx)
        if head is None:
            return None
        everywhere = await queries.instance(tx)
        asked = [each for each in await queries.asked(tx, everywhere) if _knows_another(each.answer, head, tx.now)]
        return Round(head, asked) if asked else None

    async def _ask(self, head: Head, asked: Asked) -> Outcome:
        """Ask one witness, again with the size that it names. Never raises for what the witness does."""
        known = asked.answer.size if asked.answer.epoch == head.epoch else 0
        for _ in range(ATTEMPTS):
            async with self._ledger.db.housekeeping(head.workspace_id) as tx:
                if known > head.size:
                    return await _ahead(tx, head, asked, known)
                request = await _request(tx, head, known)
            try:
                reply = await self._send(asked, request)
                verdict = _understood(reply, head, asked, known)
            except EgressError as error:
                return Outcome(asked, State.AWAY, known, str(error))
            except (Malformed, UnverifiedNote) as error:
                return Outcome(asked, State.REFUSED, known, f"Its answer is not one: {error}")
            if isinstance(verdict, Outcome):
                return verdict
            known = verdict
        return Outcome(asked, State.BEHIND, known, "It names another size each time it is asked.")

    async def _send(self, asked: Asked, request: AddCheckpoint) -> Reply:
        return await self._egress.request(
            "POST",
            f"{asked.witness.url}/add-checkpoint",
            headers={"content-type": "text/plain; charset=utf-8"},
            body=str(request).encode(),
            seconds=ANSWER_SECONDS,
            limit=ANSWER_BYTES,
        )


async def _newest_kept(tx: WriteTx) -> Head | None:
    """Return the log's newest head, kept from now on: the next head would take its place while witnesses are asked.

    Without the lock of the log's state, for which no integrator waits; so the head may be gone when it is to be kept.
    """
    state = await log_queries.state(tx)
    if state is None or state.halted is not None:
        return None
    for _ in range(ATTEMPTS):
        head = await log_queries.head(tx, state.epoch)
        if head is None:
            return None
        await log_queries.keep_head(tx, head.epoch, head.size)
        if await log_queries.head(tx, head.epoch, head.size) is not None:
            return head
    return None


def _knows_another(answer: Answer, head: Head, now: int) -> bool:
    return answer.retry_at <= now and (answer.epoch, answer.size) != (head.epoch, head.size)


async def _request(tx: ReadTx, head: Head, known: int) -> AddCheckpoint:
    tree = await tree_for(tx, head.size, tiles_for_consistency(head.size, known))
    return AddCheckpoint(known, tuple(tree.consistency_proof(known)), Note.parse(head.note))


def _understood(reply: Reply, head: Head, asked: Asked, known: int) -> Outcome | int:
    """Read a witness's answer: what came of it, or the size to ask again from. Raises Malformed, UnverifiedNote."""
    if reply.status == 200:
        keys = [VerifierKey.parse(asked.witness.verifier_key)]
        signatures = read_cosignatures(reply.body, Note.parse(head.note), keys)
        return Outcome(asked, State.COSIGNED, head.size, signatures=signatures)
    if reply.status == 409 and reply.headers.get("content-type", "").partition(";")[0].strip() == SIZE_TYPE:
        size = read_size(reply.body)
        if size != known:
            return size
        if size == head.size:
            return _contradicts(asked, known, f"It cosigned another head of {size} leaves than the one we signed.")
    if reply.status == 422 and known:
        return _contradicts(asked, known, f"The {known} leaves that it cosigned are not those under our head.")
    return Outcome(asked, State.REFUSED, known, _refused(reply))


def _contradicts(asked: Asked, known: int, sentence: str) -> Outcome:
    return Outcome(asked, State.DISAGREES, known, sentence, contradiction=sentence)


async def _ahead(tx: ReadTx, head: Head, asked: Asked, known: int) -> Outcome:
    """The witness cosigned more than we show it: a newer head of ours, or one that our database has lost."""
    state = await log_queries.state(tx)
    if state is None or state.epoch != head.epoch or known <= state.size:
        return Outcome(asked, State.BEHIND, known)
    return _contradicts(asked, known, f"It cosigned {known} leaves, and this log has signed {state.size}.")


def _refused(reply: Reply) -> str:
    said = {
        400: "It could not read the request.",
        403: "It does not trust the key of this log.",
        404: "It does not know this log; its operator adds it: provenance witness trust ORIGIN KEY",
    }
    return said.get(reply.status, f"It answered with the status {reply.status}.")


async def _settle(tx: WriteTx, head: Head, outcomes: list[Outcome]) -> None:
    """Write down what was said, put the signatures under the head, and record contradictions."""
    for each in outcomes:
        await queries.keep_answer(tx, each.asked.witness.id, _answer(each, head, tx.now))
        if each.contradiction is not None:
            await _report(tx, head, each)
    signatures = [signature for each in outcomes for signature in each.signatures]
    kept = await log_queries.head(tx, head.epoch, head.size) if signatures else None
    if kept is not None and kept.root == head.root:
        await log_queries.replace_note(tx, kept, str(Note.parse(kept.note).signed(signatures)))
        await queries.note_cosigned(tx, head.epoch, head.size)


def _answer(outcome: Outcome, head: Head, now: int) -> Answer:
    """Return what is kept of an outcome. Who fails is left alone for twice as long each time, up to an hour."""
    before = outcome.asked.answer
    if outcome.state is State.COSIGNED:
        return Answer(head.epoch, head.size, now, State.COSIGNED, None, 0, 0)
    failures = 0 if outcome.state is State.BEHIND else before.failures + 1
    wait = min(LONGEST_PAUSE, MINUTE << min(failures - 1, 10)) if failures else 0
    return Answer(head.epoch, outcome.size, before.cosigned_at, outcome.state, outcome.error, failures, now + wait)


async def _report(tx: WriteTx, head: Head, outcome: Outcome) -> None:
    """Record that a witness and our log can't both be right, once for each size that the witness knows."""
    found = Finding(Kind.WITNESS, outcome.size, outcome.size)
    if not await self_audit_queries.add_incident(tx, found):
        return
    data = {
        "kind": found.kind.value,
        "first": found.first,
        "last": found.last,
        "found": outcome.contradiction,
        "witness": outcome.asked.witness.name,
        "head": head.note,
    }
    record(tx, incident("log", data))
