"""The verbs of people and keys, for the features that make, read and erase them."""

import asyncio
import uuid
from collections.abc import Iterable
from typing import Any

from argon2 import PasswordHasher

from provenance.audit import service as audit
from provenance.core.actor import Role
from provenance.core.db import ReadTx, WriteTx
from provenance.core.ids import encode, new_uuid
from provenance.core.keyring import WorkspaceKeys
from provenance.identity import queries
from provenance.identity.device.queries import delete_of as delete_devices
from provenance.identity.errors import WeakPassword
from provenance.identity.oidc.queries import delete_of as delete_links
from provenance.identity.passkeys.queries import delete_of as delete_passkeys
from provenance.identity.schemas import ApiKey, IdentityEvent, Person
from provenance.identity.sealing import PersonKey
from provenance.identity.sessions.queries import delete_of as delete_sessions
from provenance.identity.tickets.queries import delete_of as delete_tickets
from provenance.identity.totp.queries import delete_of as delete_codes

PASSWORD_LENGTH = 12
PASSWORD_LIMIT = 256
_EMAIL_PURPOSE = "person.email"


def folded(email: str) -> bytes:
    """Return the form under which an address is found: without spaces around it, in lower case."""
    return email.strip().lower().encode()


def ensure_strong(password: str) -> None:
    """Refuse a password that is too easy to guess, or too long to hash. Raises WeakPassword."""
    if not PASSWORD_LENGTH <= len(password) <= PASSWORD_LIMIT:
        raise WeakPassword(f"The password must have at least {PASSWORD_LENGTH} characters, {PASSWORD_LIMIT} at most.")
    if len(set(password)) < 5:
        raise WeakPassword("The password must have at least 5 different characters.")


async def create_person(tx: WriteTx, keys: WorkspaceKeys, *, email: str, password: str, role: Role) -> str:
    """Make a person and an active member of the transaction's workspace; return the ``user_…`` id.

    ``keys`` are the installation's: the address is found by its MAC. Raises WeakPassword.
    """
    ensure_strong(password)
    hashed = await asyncio.to_thread(PasswordHasher().hash, password)
    person_id = await add_person(tx, keys, email=email, password_hash=hashed)
    await queries.insert_member(tx, person_id, role.name.lower())
    return encode("user", person_id)


async def add_person(
    tx: WriteTx, keys: WorkspaceKeys, *, email: str, name: str | None = None, password_hash: str | None = None
) -> uuid.UUID:
    """Store a person with a key of their own; without a password they can't sign in by one yet."""
    person_id = new_uuid()
    own = PersonKey.random(person_id)
    await queries.insert_person(
        tx,
        person_id,
        own.wrap(keys),
        email_sealed=own.seal("email", email.strip().encode()),
        email_digest=keys.mac(_EMAIL_PURPOSE, folded(email)),
        name_sealed=None if name is None else own.seal("name", name.encode()),
        password_hash=password_hash,
    )
    return person_id


async def person_by_id(tx: ReadTx, keys: WorkspaceKeys, person_id: uuid.UUID) -> Person | None:
    """Return a living person by id, name and address opened; None when there is none."""
    return _opened(keys, await queries.person_row(tx, person_id=person_id))


async def person_by_email(tx: ReadTx, keys: WorkspaceKeys, email: str) -> Person | None:
    """Return a living person by their address, whatever its case; None when there is none."""
    return _opened(keys, await queries.person_row(tx, digest=keys.mac(_EMAIL_PURPOSE, folded(email))))


async def person_key(tx: ReadTx, keys: WorkspaceKeys, person_id: uuid.UUID) -> PersonKey | None:
    """Return the key of a living person's own, to seal what is theirs; None when there is no such person."""
    row = await queries.person_row(tx, person_id=person_id)
    return None if row is None else PersonKey.unwrap(keys, person_id, row.wrapped)


async def rename_person(tx: WriteTx, keys: WorkspaceKeys, person_id: uuid.UUID, name: str) -> None:
    """Set a person's name."""
    own = await person_key(tx, keys, person_id)
    if own is not None:
        await queries.set_columns(tx, person_id, name_sealed=own.seal("name", name.encode()))


async def erase_person(tx: WriteTx, person_id: uuid.UUID) -> bool:
    """Destroy everything that names a person, and every way to sign in as them; tell whether they were there.

    Rows of the ledger keep the ``user_…`` id, which points to nobody from now on. The caller records it: only the
    caller knows why. Signed-in processes refuse the person within a second.
    """
    for delete in (delete_sessions, delete_tickets, delete_codes, delete_passkeys, delete_links, delete_devices):
        await delete(tx, person_id)
    await queries.end_memberships(tx, person_id)
    return await queries.blank_person(tx, person_id)


async def adopt_people(tx: WriteTx, keys: WorkspaceKeys) -> int:
    """Give people of an earlier version a key of their own, and seal their address under it; return how many."""
    rows = await queries.people_without_key(tx)
    for row in rows:
        own = PersonKey.random(row.id)
        address = keys.open(_EMAIL_PURPOSE, row.email_sealed)
        await queries.give_key(tx, row.id, own.wrap(keys), own.seal("email", address))
    return len(rows)


async def create_key(tx: WriteTx, key: ApiKey, *, name: str, scopes: Iterable[str], created_by: str) -> None:
    """Store an API key of the transaction's workspace; the caller records it."""
    await queries.insert_key(tx, key, name=name, scopes=scopes, created_by=created_by)


def record_first(tx: WriteTx, person: str, key: ApiKey, scopes: Iterable[str]) -> None:
    """Record the installation's first person and key."""
    audit.record(tx, IdentityEvent.PERSON_CREATED, person, {"role": Role.ADMIN.name.lower()}, risk=audit.Risk.HIGH)
    data = {"name": "first key", "scopes": sorted(scopes)}
    audit.record(tx, IdentityEvent.KEY_CREATED, f"key_{key.id}", data, risk=audit.Risk.HIGH)


def _opened(keys: WorkspaceKeys, row: Any) -> Person | None:
    if row is None:
        return None
    own = PersonKey.unwrap(keys, row.id, row.wrapped)
    name = None if row.name_sealed is None else own.open("name", row.name_sealed).decode()
    email = own.open("email", row.email_sealed).decode()
    return Person(row.id, email, name, row.password_hash, row.created_at)
