"""Every statement on people, memberships and API keys."""

import uuid
from collections.abc import Iterable
from ipaddress import ip_network
from typing import Any

from sqlalchemy import Select, delete, select, update
from sqlalchemy.dialects.postgresql import insert

from provenance.core.actor import Role
from provenance.core.db import ReadTx, WriteTx
from provenance.identity.schemas import ApiKey, Membership, Status, StoredKey
from provenance.identity.tables import api_keys, members, people, person_keys
from provenance.workspace.tables import workspaces


async def insert_person(tx: WriteTx, person_id: uuid.UUID, wrapped: bytes, **columns: Any) -> None:
    """Insert a person with the wrapped key of their own; ``columns`` are those of the table ``people``."""
    await tx.execute(insert(people).values(id=person_id, created_at=tx.now, **columns))
    await tx.execute(insert(person_keys).values(person_id=person_id, wrapped=wrapped))


async def set_columns(tx: WriteTx, person_id: uuid.UUID, **columns: Any) -> None:
    """Change a person's columns."""
    await tx.execute(update(people).where(people.c.id == person_id).values(**columns))


async def person_row(tx: ReadTx, *, person_id: uuid.UUID | None = None, digest: bytes | None = None) -> Any:
    """Return a living person's row with ``wrapped``, by id or by the MAC of the address; None when there is none."""
    found = people.c.id == person_id if digest is None else people.c.email_digest == digest
    query: Select[Any] = (
        select(people, person_keys.c.wrapped)
        .join(person_keys, person_keys.c.person_id == people.c.id)
        .where(found, people.c.erased_at.is_(None))
    )
    return (await tx.execute(query)).first()


async def people_without_key(tx: ReadTx) -> list[Any]:
    """Return the people whose address is still sealed under the installation's key."""
    has = select(person_keys.c.person_id).where(person_keys.c.person_id == people.c.id).exists()
    query = select(people).where(people.c.erased_at.is_(None), ~has).with_for_update()
    return list((await tx.execute(query)).all())


async def give_key(tx: WriteTx, person_id: uuid.UUID, wrapped: bytes, email_sealed: bytes) -> None:
    """Store a person's own key and the address sealed anew under it."""
    await tx.execute(insert(person_keys).values(person_id=person_id, wrapped=wrapped))
    await set_columns(tx, person_id, email_sealed=email_sealed)


async def blank_person(tx: WriteTx, person_id: uuid.UUID) -> bool:
    """Destroy a person's key and everything that names them; tell whether they were there."""
    emptied = dict.fromkeys(("email_sealed", "email_digest", "name_sealed", "password_hash"))
    living = update(people).where(people.c.id == person_id, people.c.erased_at.is_(None))
    changed = await tx.execute(living.values(**emptied, erased_at=tx.now))
    await tx.execute(delete(person_keys).where(person_keys.c.person_id == person_id))
    return changed.rowcount == 1


async def end_memberships(tx: WriteTx, person_id: uuid.UUID) -> None:
    """Mark a person's place in every workspace as erased."""
    gone = update(members).where(members.c.person_id == person_id)
    await tx.execute(gone.values(status=Status.ERASED.value, groups=[]))


async def insert_member(
    tx: WriteTx, person_id: uuid.UUID, role: str, *, groups: Iterable[str] = (), status: Status = Status.ACTIVE
) -> None:
    """Give a person a place in the transaction's workspace; an invitation that waits is replaced."""
    columns = {"role": role, "groups": sorted(groups), "status": status.value, "joined_at": tx.now}
    row = insert(members).values(workspace_id=tx.workspace_id, person_id=person_id, **columns)
    await tx.execute(row.on_conflict_do_update(index_elements=["workspace_id", "person_id"], set_=columns))


async def activate_member(tx: WriteTx, person_id: uuid.UUID) -> bool:
    """Make an invited person an active member of the transaction's workspace; tell whether one was invited."""
    invited = (
        members.c.workspace_id == tx.workspace_id,
        members.c.person_id == person_id,
        members.c.status == Status.INVITED.value,
    )
    joined = update(members).where(*invited).values(status=Status.ACTIVE.value, joined_at=tx.now)
    return (await tx.execute(joined)).rowcount == 1


async def status_of(tx: ReadTx, person_id: uuid.UUID) -> Status | None:
    """Return where a person's membership of the transaction's workspace stands; None when there is none."""
    query = select(members.c.status).where(members.c.workspace_id == tx.workspace_id, members.c.person_id == person_id)
    found = (await tx.execute(query)).scalar_one_or_none()
    return None if found is None else Status(found)


async def stamp_seen(tx: WriteTx, person_id: uuid.UUID) -> None:
    """Note that a member of the transaction's workspace is there."""
    seen = update(members).where(members.c.workspace_id == tx.workspace_id, members.c.person_id == person_id)
    await tx.execute(seen.values(last_seen_at=tx.now))


async def memberships_of(tx: ReadTx, person_id: uuid.UUID) -> list[Membership]:
    """Return a person's places in every workspace, the one seen last first."""
    query = (
        select(members, workspaces.c.slug, workspaces.c.name)
        .join(workspaces, workspaces.c.id == members.c.workspace_id)
        .where(members.c.person_id == person_id, members.c.status != Status.ERASED.value)
        .order_by(members.c.last_seen_at.desc().nulls_last(), members.c.joined_at, members.c.workspace_id)
    )
    return [
        Membership(row.workspace_id, row.slug, row.name, Role[row.role.upper()], tuple(row.groups), Status(row.status))
        for row in (await tx.execute(query)).all()
    ]


async def insert_key(
    tx: WriteTx, key: ApiKey, *, name: str, scopes: Iterable[str], created_by: str, **columns: Any
) -> None:
    """Insert an API key of the transaction's workspace; ``columns`` are further ones of the table."""
    await tx.execute(
        insert(api_keys).values(
            workspace_id=tx.workspace_id,
            id=key.id,
            name=name,
            secret_digest=key.digest,
            scopes=sorted(scopes),
            created_at=tx.now,
            created_by=created_by,
            **columns,
        )
    )


async def key_by_id(tx: ReadTx, key_id: str) -> StoredKey | None:
    """Return a key by its public id, whatever its workspace: the key itself names none."""
    row = (await tx.execute(select(api_keys).where(api_keys.c.id == key_id))).first()
    if row is None:
        return None
    return StoredKey(
        key_id,
        row.workspace_id,
        row.secret_digest,
        frozenset(row.scopes),
        row.revoked_at is not None,
        row.expires_at,
        None if row.networks is None else tuple(ip_network(each) for each in row.networks),
    )
