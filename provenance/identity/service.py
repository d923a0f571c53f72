"""The verbs of identity that the ledger's first version needs: make people and keys, resolve a credential."""

import asyncio
import hmac
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from hashlib import sha256

from argon2 import PasswordHasher

from provenance.audit import service as audit
from provenance.core.actor import Actor, Kind, Role
from provenance.core.db import Database, WriteTx
from provenance.core.ids import encode, new_uuid
from provenance.core.keyring import WorkspaceKeys
from provenance.identity import queries
from provenance.identity.errors import WeakPassword
from provenance.identity.schemas import ApiKey, IdentityEvent

PASSWORD_LENGTH = 12
FRESH_SECONDS = 1.0
REMEMBERED = 10_000
_EMAIL_PURPOSE = "person.email"


async def create_person(tx: WriteTx, keys: WorkspaceKeys, *, email: str, password: str, role: Role) -> str:
    """Make a person and a member of the transaction's workspace; return the ``user_…`` id.

    ``keys`` are the installation's: the address is stored sealed, and found by its MAC. Raises WeakPassword.
    """
    if len(password) < PASSWORD_LENGTH:
        raise WeakPassword(f"The password must have at least {PASSWORD_LENGTH} characters.")
    person_id = new_uuid()
    address = email.strip()
    await queries.insert_person(
        tx,
        person_id,
        email_sealed=keys.seal(_EMAIL_PURPOSE, address.encode()),
        email_digest=keys.mac(_EMAIL_PURPOSE, address.lower().encode()),
        password_hash=await asyncio.to_thread(PasswordHasher().hash, password),
    )
    await queries.insert_member(tx, person_id, role.name.lower())
    return encode("user", person_id)


async def create_key(tx: WriteTx, key: ApiKey, *, name: str, scopes: Iterable[str], created_by: str) -> None:
    """Store an API key of the transaction's workspace; the caller records it."""
    await queries.insert_key(tx, key, name=name, scopes=scopes, created_by=created_by)


def record_first(tx: WriteTx, person: str, key: ApiKey, scopes: Iterable[str]) -> None:
    """Record the installation's first person and key."""
    audit.record(tx, IdentityEvent.PERSON_CREATED, person, {"role": Role.ADMIN.name.lower()}, risk=audit.Risk.HIGH)
    data = {"name": "first key", "scopes": sorted(scopes)}
    audit.record(tx, IdentityEvent.KEY_CREATED, f"key_{key.id}", data, risk=audit.Risk.HIGH)


class KeyResolver:
    """Resolves the credential of a request to an actor; what it knows is at most a second old.

    Remembered by a hash of the credential, so that no key lies in this process's memory longer than its request.
    """

    def __init__(self, db: Database) -> None:
        """Take the database that holds the keys."""
        self._db = db
        self._known: OrderedDict[bytes, tuple[float, Actor]] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[Actor | None]] = {}

    async def __call__(self, headers: Mapping[bytes, bytes]) -> Actor | None:
        """Return the actor of an ``x-api-key`` header, or None."""
        sent = headers.get(b"x-api-key")
        if sent is None:
            return None
        actor = self.remembered(headers)
        if actor is not None:
            return actor
        remembered = sha256(sent).digest()
        asking = self._asking.get(remembered)
        if asking is None:  # requests that come together share one look-up
            asking = self._asking[remembered] = asyncio.ensure_future(self._renew(remembered, sent))
            asking.add_done_callback(lambda _: self._asking.pop(remembered, None))
        return await asyncio.shield(asking)

    def remembered(self, headers: Mapping[bytes, bytes]) -> Actor | None:
        """Return the actor of an ``x-api-key`` header if it is known without asking."""
        sent = headers.get(b"x-api-key")
        known = None if sent is None else self._known.get(sha256(sent).digest())
        return known[1] if known is not None and time.monotonic() - known[0] < FRESH_SECONDS else None

    async def _renew(self, remembered: bytes, sent: bytes) -> Actor | None:
        asked = time.monotonic()
        actor = await self._look_up(sent)
        if actor is None:
            self._known.pop(remembered, None)
            return None
        self._known[remembered] = (asked, actor)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return actor

    async def _look_up(self, sent: bytes) -> Actor | None:
        key = ApiKey.parse(sent.decode("latin-1"))
        if key is None:
            return None
        async with self._db.housekeeping() as tx:
            stored = await queries.key_by_id(tx, key.id)
        # The comparison runs also for an unknown id, so that the time tells nothing of which ids exist.
        same = hmac.compare_digest(key.digest, stored.digest if stored else bytes(32))
        if stored is None or not same or stored.revoked:
            return None
        return Actor(Kind.KEY, f"key_{key.id}", stored.workspace_id, scopes=stored.scopes)
