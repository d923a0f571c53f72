"""The verbs of grants: make, read, confirm, deny, revoke (spec/automation.md, 9.4 and rows 84 to 87)."""

import hmac
import uuid
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from sqlalchemy import Row

from provenance.approvals.grants import queries
from provenance.approvals.grants.errors import BadGrant, GrantDecided, GrantNotFound, NotYourGrant
from provenance.approvals.grants.schemas import (
    DAY_SECONDS,
    LINK_SECONDS,
    LONGEST_DAYS,
    PREFIX,
    USUAL_DAYS,
    Ask,
    Grant,
    GrantCreate,
    GrantDecision,
    GrantEvent,
    GrantFilters,
    GrantKind,
    GrantMade,
    Grants,
    GrantStatus,
    Scope,
)
from provenance.approvals.grants.using import acting_member, rules_of
from provenance.audit import service as audit
from provenance.core import cursors
from provenance.core.actor import Actor, Role
from provenance.core.clock import NANOS, iso_millis, nanos
from provenance.core.db import Database, ReadTx, WriteTx
from provenance.core.ids import decode, encode, new_uuid, random_bytes
from provenance.core.keyring import WorkspaceKeys
from provenance.identity import service as identity_service

if TYPE_CHECKING:  # the worker imports this, and carries no web framework
    from provenance.identity.running import Identity


Verb = Literal["approve", "deny"]
SECRET_BYTES = 32
_LIST = "grants"
_EVENTS = {"approve": GrantEvent.APPROVED, "deny": GrantEvent.DENIED}
_ENDS = {"approve": GrantStatus.ACTIVE, "deny": GrantStatus.DENIED}

_MAIL = """Somebody asks you to confirm a grant on Provenance: requests for approval that it covers
{effect}

Read what it covers and confirm or deny it within three days:

  {url}

The link works once. If you do not know what this is about, deny it, or do nothing.
"""
_EFFECT = {
    GrantKind.ACTION_CLASS: "would pass without anybody looking at each of them.",
    GrantKind.SUBSTITUTE: "could be decided by you on behalf of somebody else.",
}


# Making


async def create(tx: WriteTx, identity: "Identity", asked: GrantCreate) -> GrantMade:
    """Make a grant in an administrator's name, or another member's. Raises BadGrant."""
    ask = Ask(
        kind=asked.grant_kind,
        grantor=asked.grantor_user_id or tx.actor.id,
        grantee=asked.grantee_user_id,
        scope=asked.scope.model_copy(update={"payload_rules": [*asked.scope.payload_rules, *asked.payload_rules]}),
        max_uses=asked.max_uses,
        valid_from=asked.valid_from,
        valid_until=asked.valid_until,
        reason=asked.reason,
        created_from=None,
    )
    return await make(tx, identity, ask)


async def make(tx: WriteTx, identity: "Identity", ask: Ask) -> GrantMade:
    """Make a grant that waits for its second person; records ``grant.requested``. Raises BadGrant."""
    valid_from, valid_until = _validity(tx.now, ask)
    await _ensure_two(tx, ask)
    token = _token(tx.workspace_id)
    row = await queries.insert_grant(
        tx,
        new_uuid(),
        kind=ask.kind.value,
        grantor=ask.grantor,
        grantee=ask.grantee,
        workflow_ids=_workflow_ids(ask.scope),
        step_keys=list(ask.scope.step_keys),
        action=ask.scope.action,
        max_risk=ask.scope.max_risk,
        payload_rules=msgspec.json.encode([each.model_dump() for each in ask.scope.payload_rules]).decode(),
        max_uses=ask.max_uses,
        valid_from=valid_from,
        valid_until=valid_until,
        reason=ask.reason,
        created_from=ask.created_from,
        token_digest=_digest(token),
        token_until=min(tx.now + LINK_SECONDS * NANOS, valid_until),
    )
    shown = _shown(row, tx.now)
    record(tx, GrantEvent.REQUESTED, row, {"scope": shown.scope.model_dump(mode="json", by_alias=True)})
    url = f"{identity.base_url}/delegated-grants/{shown.grant_id}/approve?token={token}"
    await _mail(tx, identity, ask, url)
    return GrantMade(**dict(shown), confirm_url=None if identity.mail.sends else url)


def _workflow_ids(scope: Scope) -> list[uuid.UUID]:
    found = [decode("wf", each) for each in scope.workflow_ids]
    return [each for each in found if each is not None]


def _validity(now: int, ask: Ask) -> tuple[int, int]:
    """Return from when until when a grant counts. Raises BadGrant."""
    begin = now if ask.valid_from is None else max(now, nanos(ask.valid_from))
    end = begin + USUAL_DAYS * DAY_SECONDS * NANOS if ask.valid_until is None else nanos(ask.valid_until)
    if end <= begin:
        raise BadGrant.at("validUntil", "must lie ahead, after validFrom")
    if end - begin > LONGEST_DAYS * DAY_SECONDS * NANOS:
        raise BadGrant.at("validUntil", f"lies more than {LONGEST_DAYS} days after its beginning")
    return begin, end


async def _ensure_two(tx: ReadTx, ask: Ask) -> None:
    """Refuse a grant without a second person: both must be active members. Raises BadGrant."""
    if ask.grantor == ask.grantee or ask.grantee == tx.actor.id:
        raise BadGrant.at("granteeUserId", "must be somebody else: nobody confirms what they ask for")
    for member, at in ((ask.grantee, "granteeUserId"), (ask.grantor, "grantorUserId")):
        if await acting_member(tx, member) is None:
            raise BadGrant.at(at, "is no active member of this workspace")


def _token(workspace_id: uuid.UUID) -> str:
    """Make a link's token: the workspace it belongs to, and 32 random bytes."""
    secret = urlsafe_b64encode(random_bytes(SECRET_BYTES)).rstrip(b"=").decode()
    return f"{encode('pvg', workspace_id)}_{secret}"


def _digest(token: str) -> bytes:
    return sha256(token.encode()).digest()


async def _mail(tx: WriteTx, identity: "Identity", ask: Ask, url: str) -> None:
    person_id = decode("user", ask.grantee)
    person = None if person_id is None else await identity_service.person_by_id(tx, identity.keys, person_id)
    if person is None or person.email is None:
        return
    to, text = person.email, _MAIL.format(effect=_EFFECT[ask.kind], url=url)
    tx.after_commit.append(lambda: identity.mail.later(to, "A grant waits for you", text))


# Reading


async def page(tx: ReadTx, keys: WorkspaceKeys, asked: GrantFilters) -> Grants:
    """Return a page of grants, newest first. Raises BadCursor."""
    bound = cursors.binding(_LIST, asked.status)
    before = None
    if asked.cursor is not None:
        before = uuid.UUID(cursors.read(keys, bound, asked.cursor, dict[str, str])["id"])
    rows = await queries.page(tx, before, asked.limit + 1, asked.status)
    shown = rows[: asked.limit]
    following = cursors.write(keys, bound, {"id": str(shown[-1].id)}) if len(rows) > asked.limit else None
    return Grants(items=[_shown(each, tx.now) for each in shown], next_cursor=following)


async def decider(db: Database, actor: Actor | None, grant_id: str, token: str | None) -> tuple[Actor, Grant]:
    """Return who may decide on a grant, by a sign-in or by the link's token, and the grant. Changes nothing.

    Raises GrantNotFound, and NotYourGrant for somebody who is signed in and not the one it names.
    """
    workspace_id = _workspace_of(token) if token else actor.workspace_id if actor and actor.person else None
    known = decode(PREFIX, grant_id)
    if workspace_id is None or known is None:
        raise GrantNotFound
    async with db.housekeeping(workspace_id) as tx:
        row = await queries.one(tx, known)
        if row is None or (token and not _opens(row, token, tx.now)):
            raise GrantNotFound
        named = await acting_member(tx, row.grantee)
        if named is None:
            raise GrantNotFound
        if not token and (actor is None or actor.id != row.grantee):
            raise NotYourGrant
        return named, _shown(row, tx.now)


def _workspace_of(token: str) -> uuid.UUID | None:
    prefix, _, rest = token.partition("_")
    return decode("pvg", f"{prefix}_{rest.partition('_')[0]}")


def _opens(row: Row[Any], token: str, now: int) -> bool:
    """Tell whether a token is the link's and still good."""
    if row.token_digest is None or row.token_until <= now:
        return False
    return hmac.compare_digest(row.token_digest, _digest(token))


# Deciding


async def decide(tx: WriteTx, grant_id: str, verb: Verb, asked: GrantDecision) -> Grant:
    """Confirm or deny a grant, as `decider` found; the link is used up. Raises GrantDecided, GrantNotFound."""
    known = decode(PREFIX, grant_id)
    row = None if known is None else await queries.lock(tx, known)
    if row is None:
        raise GrantNotFound
    standing = _standing(row, tx.now)
    if standing is not GrantStatus.PENDING:
        raise GrantDecided(standing.value)
    columns = {"status": _ENDS[verb].value, "token_digest": None, "decided_at": tx.now, "comment": asked.comment}
    row = await queries.change(tx, row.id, **columns)
    record(tx, _EVENTS[verb], row, {"byLink": asked.token is not None})
    return _shown(row, tx.now)


async def revoke(tx: WriteTx, grant_id: str) -> Grant:
    """End a grant; its people and administrators may. Raises GrantNotFound, NotYourGrant, GrantDecided."""
    known = decode(PREFIX, grant_id)
    row = None if known is None else await queries.lock(tx, known)
    if row is None:
        raise GrantNotFound
    if tx.actor.role is not Role.ADMIN and tx.actor.id not in (row.grantor, row.grantee):
        raise NotYourGrant
    standing = _standing(row, tx.now)
    if standing not in (GrantStatus.PENDING, GrantStatus.ACTIVE):
        raise GrantDecided(standing.value)
    return _shown(await _end(tx, row, "asked"), tx.now)


async def revoke_of(tx: WriteTx, user_id: str) -> int:
    """End every grant that somebody who left gave or was given; return how many."""
    found = await queries.live_of(tx, user_id)
    for grant_id in found:
        row = await queries.lock(tx, grant_id)
        if row is not None and row.status in (GrantStatus.PENDING, GrantStatus.ACTIVE):
            await _end(tx, row, "left")
    return len(found)


async def _end(tx: WriteTx, row: Row[Any], why: str) -> Row[Any]:
    row = await queries.change(tx, row.id, status=GrantStatus.REVOKED.value, token_digest=None)
    record(tx, GrantEvent.REVOKED, row, {"why": why})
    return row


def record(tx: WriteTx, event: GrantEvent, row: Row[Any], data: dict[str, Any]) -> None:
    """Record what happened to a grant: it decides on others' behalf, so it always deserves a look."""
    about = {"grantKind": row.kind, "grantor": row.grantor, "grantee": row.grantee, "maxRisk": row.max_risk}
    audit.record(tx, event, encode(PREFIX, row.id), {**about, **data}, risk=audit.Risk.HIGH)


def _standing(row: Row[Any], now: int) -> GrantStatus:
    status = GrantStatus(row.status)
    live = status in (GrantStatus.PENDING, GrantStatus.ACTIVE)
    return GrantStatus.EXPIRED if live and row.valid_until <= now else status


def _shown(row: Row[Any], now: int) -> Grant:
    return Grant(
        grant_id=encode(PREFIX, row.id),
        workspace_id=encode("ws", row.workspace_id),
        grant_kind=GrantKind(row.kind),
        grantor_user_id=row.grantor,
        grantee_user_id=row.grantee,
        scope=Scope(
            workflow_ids=[encode("wf", each) for each in row.workflow_ids],
            step_keys=list(row.step_keys),
            action=row.action,
            max_risk=row.max_risk,
            payload_rules=rules_of(row),
        ),
        status=_standing(row, now),
        max_uses=row.max_uses,
        uses=row.uses,
        valid_from=iso_millis(row.valid_from),
        valid_until=iso_millis(row.valid_until),
        reason=row.reason,
        created_from_approval_id=None if row.created_from is None else encode("appr", row.created_from),
        created_at=iso_millis(row.created_at),
        created_by=row.created_by,
        decided_at=None if row.decided_at is None else iso_millis(row.decided_at),
        comment=row.comment,
    )
