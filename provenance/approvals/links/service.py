"""The verbs of links: make one for a mail, open one, decide by one (docs/decisions/0033).

A token is 32 random bytes of which the digest alone is kept. It stands for one person, one approval and one state of
it; whatever refuses that person's decision over the API refuses it here.
"""

from typing import Any

from sqlalchemy import Row

from provenance.approvals import deciding, holding
from provenance.approvals.deciding import Desk
from provenance.approvals.grants.using import acting_member
from provenance.approvals.links import queries
from provenance.approvals.links.errors import BadLinkDecision, LinkExpired, LinkNotFound, LinkUsed, SignInNeeded
from provenance.approvals.links.making import decides, digest_of, workspace_of
from provenance.approvals.links.schemas import Link, LinkDecision, Opened
from provenance.approvals.schemas import (
    PREFIX,
    Approve,
    Approved,
    ApprovedWithGrant,
    Reject,
    Rejected,
    StillPending,
)
from provenance.approvals.settling import statement_of, wire_id
from provenance.core.db import Database, ReadTx, WriteTx
from provenance.core.ids import decode, encode
from provenance.core.keyring import WorkspaceKeys
from provenance.identity.guessing import service as guessing
from provenance.identity.guessing.schemas import client

LINK_PREFIX = "apl"


async def opened(
    db: Database, instance_keys: WorkspaceKeys, address: str | None, approval_id: str, token: str
) -> Opened:
    """Return the link of a token with its person; changes nothing but the count of guesses from an address.

    Raises LinkNotFound and TooManyGuesses.
    """
    guesser = [client(address)]
    await guessing.take(db, instance_keys, guesser)
    known, workspace_id = decode(PREFIX, approval_id), workspace_of(token)
    if known is None or workspace_id is None:
        raise LinkNotFound
    async with db.housekeeping(workspace_id) as tx:
        link = await queries.by_digest(tx, known, digest_of(token))
        if link is None:
            raise LinkNotFound
        await guessing.was_right(tx, instance_keys, guesser)
        actor = await acting_member(tx, encode("user", link.person_id))
    if actor is None:
        raise LinkNotFound
    return Opened(link, actor)


def ensure_works(tx: ReadTx, link: Link) -> None:
    """Let a link through that is neither used nor over its time. Raises LinkUsed and LinkExpired."""
    if link.used_at is not None:
        raise LinkUsed
    if link.good_until <= tx.now:
        raise LinkExpired


async def ensure_decides(tx: ReadTx, link: Link) -> Row[Any]:
    """Return the approval that a link may decide, by the person who acts.

    Raises NotReviewer, AlreadyDecided, SignInNeeded, LinkUsed and LinkExpired.
    """
    row = await holding.found(tx, wire_id(link.approval_id))
    holding.ensure_open(tx, row)
    if not decides(row):
        raise SignInNeeded
    ensure_works(tx, link)
    return row


async def is_stale(tx: ReadTx, link: Link, row: Row[Any]) -> bool:
    """Tell whether an approval is not any more what the mail told of."""
    return bytes.fromhex((await statement_of(tx, row)).digest) != link.statement_digest


async def decide(
    tx: WriteTx, desk: Desk, link: Link, asked: LinkDecision
) -> Approved | ApprovedWithGrant | StillPending | Rejected:
    """Decide as the link's person, on the state that the mail told of; the link is used up with it.

    Raises what `ensure_decides` and the decision itself raise, BadLinkDecision for a rejection without a comment.
    """
    await ensure_decides(tx, link)
    approval_id, comment = wire_id(link.approval_id), asked.comment.strip() or None
    desk = desk._replace(link=encode(LINK_PREFIX, link.id), site=None)
    done: Approved | ApprovedWithGrant | StillPending | Rejected
    if asked.decision == "approve":
        given = Approve(comment=comment, payload_revision=link.revision)
        done = await deciding.approve(tx, desk, approval_id, given)
    elif comment is None:
        raise BadLinkDecision.at("comment", "says why, and is needed to reject")
    else:
        against = Reject(comment=comment, payload_revision=link.revision)
        done = await deciding.reject(tx, desk, approval_id, against)
    if not await queries.use(tx, link):
        raise LinkUsed
    return done
