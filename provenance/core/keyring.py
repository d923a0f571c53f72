"""Every key of the installation (DESIGN decision 12).

One master key, outside the database, wraps a data key per workspace; all other keys are derived from a data key
by purpose (HKDF-SHA256), so a key made for one purpose is of no use for another. Sealed values carry the
generation of the data key that sealed them, so keys can rotate; derived MAC and signing keys are pinned to the
generation asked for, because what they made must stay checkable.
"""

import asyncio
import hmac
import os
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Table, Text, Uuid, func, select
from sqlalchemy.dialects.postgresql import insert

from provenance.core.clock import now_ns
from provenance.core.db import AWAY, SESSION_SETTINGS, Database, WriteTx, asyncpg_dsn, metadata
from provenance.core.errors import Unavailable
from provenance.core.holders import holders_of, wrapping
from provenance.core.key_services import KeyAway, check
from provenance.core.master_keys import MASTER_KEY_FILE, KeyFiles, KeyringError, MasterKey, Masters, Wrapped
from provenance.core.settings import Settings

__all__ = [
    "MASTER_KEY_FILE",
    "Keyring",
    "KeyringError",
    "MasterKey",
    "WorkspaceKeys",
    "data_keys",
    "load_master_key",
    "load_masters",
]

REREAD_SECONDS, REREAD_PAUSE = 2.0, 5.0
"""How long a process waits for data keys it does not know, and for how long it then does not ask again."""

log: Any = structlog.get_logger("keyring")

data_keys = Table(
    "data_keys",
    metadata,
    Column("workspace_id", Uuid, primary_key=True),
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("master_key_id", Text, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)


_STORED = [data_keys.c[name] for name in ("generation", "master_key_id", "wrapped")]


class Stored(NamedTuple):
    """A data key as stored."""

    generation: int
    master_key_id: str
    wrapped: bytes

    @property
    def key(self) -> Wrapped:
        """What is wrapped, and by which master key."""
        return Wrapped(self.master_key_id, self.wrapped)


class WorkspaceKeys:
    """The keys of one workspace, in memory: data keys by generation, and what is derived from them.

    One that is asked for a generation it does not hold reads them anew: another process may have rotated the key.
    """

    def __init__(self, generations: dict[int, bytes], reread: Callable[[], dict[int, bytes]] | None = None) -> None:
        """Take the unwrapped data keys by generation, and how they are read anew, waiting for it."""
        self._generations = generations
        self._current = max(generations)
        self._reread = reread
        self._reread_at = float("-inf")
        self._derived: dict[tuple[int, str], bytes] = {}
        self._macs: dict[str, Callable[[bytes], bytes]] = {}

    def learn(self, generations: dict[int, bytes]) -> None:
        """Take in further data keys; the newest seals from now on."""
        self._generations |= generations
        self._current = max(self._generations)

    def holds(self, generation: int) -> bool:
        """Tell whether the data key of a generation is here."""
        return generation in self._generations

    def derive(self, purpose: str, generation: int = 1) -> bytes:
        """Return the 32 byte key of a purpose, such as ``ledger.dedupe``; the same for the same generation.

        Raises KeyringError for a generation that was never made.
        """
        cached = self._derived.get((generation, purpose))
        if cached is None:
            hkdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"provenance/" + purpose.encode())
            cached = self._derived[generation, purpose] = hkdf.derive(self._data_key(generation))
        return cached

    def mac(self, purpose: str, message: bytes) -> bytes:
        """Return the HMAC-SHA256 of a message under the purpose's key."""
        return hmac.digest(self.derive(purpose), message, "sha256")

    def fast_mac(self, purpose: str) -> Callable[[bytes], bytes]:
        """Return a function that computes `mac` for a purpose, a third of its price: the pads are hashed once."""
        found = self._macs.get(purpose)
        if found is None:
            key = self.derive(purpose).ljust(64, b"\0")
            inner = sha256(bytes(byte ^ 0x36 for byte in key))
            outer = sha256(bytes(byte ^ 0x5C for byte in key))

            def mac(message: bytes) -> bytes:
                first, second = inner.copy(), outer.copy()
                first.update(message)
                second.update(first.digest())
                return second.digest()

            found = self._macs[purpose] = mac
        return found

    def signer(self, purpose: str, generation: int = 1) -> Ed25519PrivateKey:
        """Return the Ed25519 key of a purpose."""
        return Ed25519PrivateKey.from_private_bytes(self.derive("sign." + purpose, generation))

    def seal(self, purpose: str, value: bytes, context: bytes = b"") -> bytes:
        """Encrypt a value for a purpose: four bytes of generation, nonce, ciphertext.

        ``context`` names the place the value belongs to; moved to another one, it can't be opened.
        """
        nonce, head = os.urandom(12), self._current.to_bytes(4, "big")
        sealed = AESGCM(self.derive("seal." + purpose, self._current)).encrypt(nonce, value, head + context)
        return head + nonce + sealed

    def open(self, purpose: str, sealed: bytes, context: bytes = b"") -> bytes:
        """Decrypt what `seal` made. Raises KeyringError when it was changed, moved or made for another purpose."""
        head, generation = sealed[:4], int.from_bytes(sealed[:4], "big")
        key = self.derive("seal." + purpose, generation)
        try:
            return AESGCM(key).decrypt(sealed[4:16], sealed[16:], head + context)
        except (InvalidTag, ValueError):
            raise KeyringError("the sealed value was changed, or sealed for another purpose or place") from None

    def _data_key(self, generation: int) -> bytes:
        found = self._generations.get(generation)
        if found is None and self._reread is not None and time.monotonic() - self._reread_at > REREAD_PAUSE:
            self._reread_at = time.monotonic()
            self.learn(self._reread())
            found = self._generations.get(generation)
        if found is None:
            raise KeyringError(f"no data key of generation {generation}")
        return found


class Keyring:
    """The keys of every workspace, unwrapped once and kept in memory."""

    def __init__(self, masters: Masters, db: Database) -> None:
        """Take the master keys and the database that holds the wrapped data keys."""
        self._masters = masters
        self._db = db
        self._keys: dict[uuid.UUID, WorkspaceKeys] = {}
        self._stale: set[uuid.UUID] = set()
        self._lock = asyncio.Lock()

    def cached(self, workspace_id: uuid.UUID) -> WorkspaceKeys | None:
        """Return the workspace's keys when they are in memory already, and nothing newer is known of."""
        return None if workspace_id in self._stale else self._keys.get(workspace_id)

    async def of(self, workspace_id: uuid.UUID) -> WorkspaceKeys:
        """Return the workspace's keys; its first data key is made here, once, whoever comes first.

        Raises Unavailable while a master key that is held outside can't be asked, for keys not in memory yet.
        """
        keys = self.cached(workspace_id)
        if keys is None:
            async with self._lock:
                keys = self.cached(workspace_id)
                if keys is None:
                    keys = self._take(workspace_id, await self._found_or_made(workspace_id))
        return keys

    async def rotate(self, workspace_id: uuid.UUID) -> int:
        """Add a new data key, used for sealing from now on; return its generation.

        Other processes notice when they meet a value that was sealed with it.
        """
        async with self._lock:
            async with self._db.housekeeping(workspace_id) as tx:
                latest = select(func.max(data_keys.c.generation)).where(data_keys.c.workspace_id == tx.workspace_id)
                generation = int((await tx.execute(latest)).scalar_one() or 0) + 1
            fresh = await self._fresh(workspace_id, generation)
            async with self._db.housekeeping(workspace_id) as tx:
                await tx.execute(insert(data_keys).values(fresh))
                rows = await _rows(tx)
            self._take(workspace_id, await self._opened(workspace_id, rows))
        return generation

    def forget(self, workspace_id: uuid.UUID) -> None:
        """Read the workspace's keys anew when they are next asked for: another process may have rotated them."""
        self._stale.add(workspace_id)

    async def within(self, tx: WriteTx) -> WorkspaceKeys:
        """Return the keys of the transaction's workspace, making its first data key in this transaction."""
        keys = self.cached(tx.workspace_id)
        if keys is not None:
            return keys
        rows = await _rows(tx)
        if not rows:
            rows = await _first(tx, await self._fresh(tx.workspace_id, 1))
        found = await self._opened(tx.workspace_id, rows)
        if tx.workspace_id in self._keys:
            return self._take(tx.workspace_id, found)

        def keep() -> None:  # another transaction may have been quicker, with the same data keys
            self._take(tx.workspace_id, found)

        tx.after_commit.append(keep)
        return self._made(tx.workspace_id, found)

    def _take(self, workspace_id: uuid.UUID, found: dict[int, bytes]) -> WorkspaceKeys:
        """Take data keys into memory; whoever holds the workspace's keys already has them at once."""
        keys = self._keys.get(workspace_id)
        if keys is None:
            keys = self._keys[workspace_id] = self._made(workspace_id, found)
        else:
            keys.learn(found)
        self._stale.discard(workspace_id)
        return keys

    def _made(self, workspace_id: uuid.UUID, found: dict[int, bytes]) -> WorkspaceKeys:
        return WorkspaceKeys(dict(found), lambda: self._reread(workspace_id))

    async def _found_or_made(self, workspace_id: uuid.UUID) -> dict[int, bytes]:
        """Return the data keys; whoever holds the master key is asked outside of any transaction."""
        async with self._db.housekeeping(workspace_id) as tx:
            rows = await _rows(tx)
        if not rows:
            fresh = await self._fresh(workspace_id, 1)
            async with self._db.housekeeping(workspace_id) as tx:
                rows = await _first(tx, fresh)
        return await self._opened(workspace_id, rows)

    def _reread(self, workspace_id: uuid.UUID) -> dict[int, bytes]:
        """Read the data keys while the caller waits, in a thread with a connection of its own.

        Values are opened in the middle of things that can't wait for the event loop. This happens once in a process
        after a rotation, takes some milliseconds, and is given up after two seconds.
        """
        reading = self._fetch(workspace_id)
        with ThreadPoolExecutor(1) as thread:
            try:
                return thread.submit(asyncio.run, reading).result()
            except (*AWAY, Unavailable) as error:
                log.warning("data_keys_not_read", error=type(error).__name__)
                return {}

    async def _fetch(self, workspace_id: uuid.UUID) -> dict[int, bytes]:
        async with asyncio.timeout(REREAD_SECONDS):
            connection = await asyncpg.connect(asyncpg_dsn(self._db.url), server_settings=SESSION_SETTINGS)
            try:
                rows = await connection.fetch(
                    "SELECT generation, master_key_id, wrapped FROM data_keys WHERE workspace_id = $1", workspace_id
                )
            finally:
                await connection.close()
            return await self._opened(workspace_id, [Stored(**dict(row)) for row in rows])

    async def _opened(self, workspace_id: uuid.UUID, rows: list[Stored]) -> dict[int, bytes]:
        try:
            return {
                row.generation: await self._masters.unwrap(row.key, context_of(workspace_id, row.generation))
                for row in rows
            }
        except KeyAway as error:
            raise _unavailable(error) from None

    async def _fresh(self, workspace_id: uuid.UUID, generation: int) -> dict[str, object]:
        try:
            made = await self._masters.wrap(os.urandom(32), context_of(workspace_id, generation))
        except KeyAway as error:
            raise _unavailable(error) from None
        return {"workspace_id": workspace_id, "generation": generation, **made._asdict(), "created_at": now_ns()}


def context_of(workspace_id: uuid.UUID, generation: int) -> bytes:
    """Return what a data key is bound to: moved to another row it can't be opened."""
    return workspace_id.bytes + generation.to_bytes(4, "big")


def _unavailable(error: KeyAway) -> Unavailable:
    log.warning("master_key_away", error=str(error))
    return Unavailable("The master key can't be asked right now. Try again later.", code="master_key_away")


async def _rows(tx: WriteTx) -> list[Stored]:
    query = select(*_STORED).where(data_keys.c.workspace_id == tx.workspace_id)
    return [Stored._make(row) for row in await tx.execute(query)]


async def _first(tx: WriteTx, fresh: dict[str, object]) -> list[Stored]:
    """Put a workspace's first data key in its place, unless another was quicker, and return what is there."""
    await tx.execute(insert(data_keys).values(fresh).on_conflict_do_nothing())
    return await _rows(tx)


async def load_masters(settings: Settings, db: Database) -> Masters:
    """Load the master keys that the settings name; make the file when this database has never had one.

    Raises KeyringError when one is missing, is another one, or is held by somebody who does not answer, though the
    database holds keys wrapped by it.
    """
    holders = holders_of(settings)
    holder = wrapping(settings, holders)
    masters = Masters(KeyFiles(settings.data_dir), outside=holders.values(), wrapping=holder)
    if holder is not None:
        await check(holder)
    await _ensure_complete(masters, db)
    return masters


async def load_master_key(data_dir: Path, db: Database) -> Masters:
    """Load the master key file, or make it when this database has never had one. Raises KeyringError."""
    masters = Masters(KeyFiles(data_dir))
    await _ensure_complete(masters, db)
    return masters


async def _ensure_complete(masters: Masters, db: Database) -> None:
    async with db.housekeeping() as tx:
        used = set((await tx.execute(select(data_keys.c.master_key_id).distinct())).scalars())
    path = masters.files.path
    missing = used - masters.known()
    if masters.by_file and not path.exists():
        if used and missing:
            raise KeyringError(
                f"{path} is missing, and this database holds keys that only it can open. "
                "Put the installation's master key there; a new one would make the sealed values unreadable."
            )
        MasterKey.create(path)
    elif missing:
        raise KeyringError(
            f"{path} is not the master key that this database was made with: it needs {', '.join(sorted(missing))}. "
            "Put the right one there, or connect to the database that belongs to this key."
        )
