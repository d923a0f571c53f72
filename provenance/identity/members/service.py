"""The verbs of members: list, invite, change, remove. Erasing one is in `erasing`."""

import uuid
from typing import Any

from provenance.audit import service as audit
from provenance.core import cursors
from provenance.core.actor import Role
from provenance.core.clock import iso_millis
from provenance.core.db import ReadTx, WriteTx
from provenance.core.errors import NotAllowed
from provenance.core.ids import decode, encode
from provenance.core.keyring import WorkspaceKeys
from provenance.core.settings import Settings
from provenance.identity import queries as people
from provenance.identity import service as identity_service
from provenance.identity.invitations import service as invitations
from provenance.identity.members import queries
from provenance.identity.members.errors import AlreadyErased, LastAdmin, UnknownMember
from provenance.identity.members.schemas import (
    Member,
    MemberInvite,
    MemberInvited,
    MemberRemoved,
    Members,
    MemberUpdate,
)
from provenance.identity.running import Identity
from provenance.identity.schemas import MemberEvent, Status
from provenance.identity.sealing import PersonKey
from provenance.identity.sessions import queries as sessions
from provenance.identity.tickets import service as tickets
from provenance.identity.tickets.service import Purpose
from provenance.workspace import queries as workspaces
from provenance.workspace import service as workspace_service
from provenance.workspace.errors import PlanLimitReached

_LIST = cursors.binding("members")
_ADMIN = Role.ADMIN.name.lower()


async def page(tx: ReadTx, identity: Identity, keys: WorkspaceKeys, *, limit: int, cursor: str | None) -> Members:
    """Return a page of the workspace's members, invited and erased ones among them. Raises BadCursor.

    ``keys`` are the workspace's, for the cursor.
    """
    before = None if cursor is None else uuid.UUID(cursors.read(keys, _LIST, cursor, dict[str, str])["before"])
    rows = await queries.page(tx, limit=limit + 1, before=before)
    more = len(rows) > limit
    rows = rows[:limit]
    return Members(
        items=[_shown(row, identity) for row in rows],
        next_cursor=cursors.write(keys, _LIST, {"before": str(rows[-1].person_id)}) if more else None,
    )


async def invite(tx: WriteTx, identity: Identity, asked: MemberInvite) -> MemberInvited:
    """Invite somebody; records ``member.invited``. Raises AlreadyMember, PlanLimitReached.

    Without a mail server the answer carries the link, for the administrator to pass on.
    """
    digest = identity.keys.mac("person.email", identity_service.folded(asked.email))
    await queries.lock_address(tx, digest)
    known = await identity_service.person_by_email(tx, identity.keys, asked.email)
    if known is not None:
        await queries.lock(tx, known.id)
    await _ensure_seat(tx, identity.settings)
    role = Role[asked.role.upper()]
    made = await invitations.invite(tx, identity, email=asked.email, role=role, groups=asked.groups)
    shown = _shown(await queries.row_of(tx, made.person_id), identity)
    return MemberInvited(**dict(shown), accept_url=None if made.mailed else made.accept_url)


async def seats(tx: ReadTx) -> int:
    """Return how many active members the workspace has."""
    return await queries.seats(tx, Status.ACTIVE.value)


async def seats_taken(tx: ReadTx) -> int:
    """Return how many seats are taken, as limits of plans count them: by active members and those invited."""
    return await queries.seats(tx, Status.ACTIVE.value, Status.INVITED.value)


async def _ensure_seat(tx: WriteTx, settings: Settings) -> None:
    """Raise PlanLimitReached when members and those invited fill the workspace's plan."""
    limit = workspace_service.limits_of(settings, await workspace_service.plan_of(tx)).get("members")
    if limit is None:
        return
    await workspaces.lock(tx)
    if await seats_taken(tx) >= limit:
        raise PlanLimitReached("members", limit)


async def update(tx: WriteTx, identity: Identity, user_id: str, asked: MemberUpdate) -> Member:
    """Change a member's role and groups; the same again is no change and leaves no event.

    Raises UnknownMember, AlreadyErased, LastAdmin.
    """
    await workspaces.lock(tx)
    before = await existing(tx, user_id)
    groups = sorted(set(asked.groups))
    changes: dict[str, Any] = {}
    if before.role != asked.role:
        changes["role"] = [before.role, asked.role]
    if sorted(before.groups) != groups:
        changes["groups"] = [sorted(before.groups), groups]
    if asked.chosen is not Role.ADMIN:
        await ensure_admin_left(tx, before)
    await ensure_acting_admin(tx)
    if changes:
        await queries.set_role(tx, before.person_id, asked.role, groups)
        audit.record(tx, MemberEvent.ROLE_CHANGED, user_id, {"changes": changes}, risk=audit.Risk.HIGH)
        tx.after_commit.append(identity.authenticate.forget)
    return _shown(await queries.row_of(tx, before.person_id), identity)


async def remove(tx: WriteTx, identity: Identity, user_id: str) -> MemberRemoved:
    """Remove a member: their sessions here end, an open invitation is void. Raises as `update` does.

    Who was invited and never had an account is forgotten altogether.
    """
    await workspaces.lock(tx)
    member = await existing(tx, user_id)
    await ensure_admin_left(tx, member)
    await ensure_acting_admin(tx)
    ended = await sessions.end_sessions(tx, member.person_id, acts_in=tx.workspace_id)
    await tickets.void(tx, member.person_id, Purpose.INVITE, tx.workspace_id)
    await queries.remove(tx, member.person_id)
    if member.status == Status.INVITED.value and member.password_hash is None:
        await _forget_stranger(tx, member.person_id)
    data = {"role": member.role, "status": member.status, "sessions": ended}
    audit.record(tx, MemberEvent.REMOVED, user_id, data, risk=audit.Risk.HIGH)
    tx.after_commit.append(identity.authenticate.forget)
    return MemberRemoved(user_id=user_id, removed=True)


async def _forget_stranger(tx: WriteTx, person_id: uuid.UUID) -> None:
    """Forget the address of somebody who has no account and is awaited nowhere else."""
    if await queries.lock_person(tx, person_id) and not await people.memberships_of(tx, person_id):
        await identity_service.erase_person(tx, person_id)


async def existing(tx: ReadTx, user_id: str) -> Any:
    """Return a member of the workspace who is not erased. Raises UnknownMember, AlreadyErased."""
    person_id = decode("user", user_id)
    row = None if person_id is None else await queries.row_of(tx, person_id)
    if row is None:
        raise UnknownMember("This workspace has no member with this id.")
    if row.status == Status.ERASED.value:
        raise AlreadyErased("This member was erased.")
    return row


async def ensure_admin_left(tx: ReadTx, leaving: Any) -> None:
    """Refuse that the workspace's last active administrator leaves; its lock must be held. Raises LastAdmin."""
    is_one = leaving.role == _ADMIN and leaving.status == Status.ACTIVE.value
    if is_one and not await queries.has_other_admin(tx, leaving.person_id):
        raise LastAdmin("A workspace needs an active administrator; make somebody else one first.")


async def ensure_acting_admin(tx: ReadTx) -> None:
    """Refuse who lost the role while waiting for the lock: of two who take it from one another the first wins."""
    if not await queries.is_admin(tx, tx.actor.person):
        raise NotAllowed("This needs an administrator, which you are not any more.")


def _shown(row: Any, identity: Identity) -> Member:
    own = None if row.wrapped is None else PersonKey.unwrap(identity.keys, row.person_id, row.wrapped)
    invited = row.status == Status.INVITED.value
    return Member(
        user_id=encode("user", row.person_id),
        email=_opened(own, "email", row.email_sealed),
        name=_opened(own, "name", row.name_sealed),
        role=row.role,
        groups=sorted(row.groups),
        status=Status(row.status),
        joined_at=None if invited else iso_millis(row.joined_at),
        last_seen_at=None if row.last_seen_at is None else iso_millis(row.last_seen_at),
        mfa=row.mfa,
    )


def _opened(own: PersonKey | None, purpose: str, sealed: bytes | None) -> str | None:
    return None if own is None or sealed is None else own.open(purpose, sealed).decode()
