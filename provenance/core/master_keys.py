"""Master keys: what wraps the data keys and lies outside the database (DESIGN decision 12).

A file of the data folder, or a key that a service holds and never gives out (`core.vault`, `core.aws_kms`). One of them
wraps from now on; those before it still open what they wrapped, so that a master key is replaced while everything runs:
the new one is there first, then each data key is wrapped anew (`core.rewrapping`), and no process has to be told.
"""

import base64
import hmac
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MASTER_KEY_FILE = "master.key"


class KeyringError(Exception):
    """A key is missing, unreadable or wrong; the message says which and what to do."""


class Wrapped(NamedTuple):
    """A data key under a master key, and which one."""

    master_key_id: str
    wrapped: bytes


class Holder(Protocol):
    """What holds a master key outside of this process."""

    id: str
    where: str

    async def wrap(self, secret: bytes, context: bytes) -> bytes:
        """Encrypt a data key, bound to its context. Raises KeyringError."""
        ...

    async def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Decrypt a data key. Raises KeyringError."""
        ...

    async def renewed(self, wrapped: bytes, context: bytes) -> bytes:
        """Return a wrapped data key under the holder's newest version of the key. Raises KeyringError."""
        ...


class MasterKey:
    """A master key in a file: 32 bytes in base64, mode 0600."""

    def __init__(self, secret: bytes) -> None:
        """Take the 32 secret bytes."""
        if len(secret) != 32:
            raise KeyringError("a master key has 32 bytes")
        self._aead = AESGCM(secret)
        self.id = hmac.digest(secret, b"provenance master key id", "sha256")[:6].hex()

    @classmethod
    def load(cls, path: Path) -> "MasterKey":
        """Read the key file. Raises KeyringError when it is missing, open to others or damaged."""
        try:
            mode = path.stat().st_mode
            text = path.read_bytes().strip()
        except FileNotFoundError:
            raise KeyringError(f"{path} is missing: put the master key of this installation there") from None
        except OSError as error:
            raise KeyringError(f"{path} can't be read: {error.strerror}") from None
        if mode & 0o077:
            raise KeyringError(f"{path} can be read by others: chmod 600 {path}")
        try:
            return cls(base64.b64decode(text, validate=True))
        except (ValueError, KeyringError):
            raise KeyringError(f"{path} is no master key: it holds 32 bytes in base64") from None

    @classmethod
    def create(cls, path: Path) -> "MasterKey":
        """Make a new key file (0600, synced to disk); an existing one is loaded, never replaced."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = written(path, base64.b64encode(os.urandom(32)) + b"\n")
        try:
            os.link(draft, path)  # atomic, and fails when another process was first
        except FileExistsError:
            pass
        finally:
            draft.unlink()
        return cls.load(path)

    def wrap(self, secret: bytes, context: bytes) -> bytes:
        """Encrypt a data key, bound to its context."""
        nonce = os.urandom(12)
        return nonce + self._aead.encrypt(nonce, secret, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Decrypt a data key. Raises KeyringError when this is not the key that wrapped it."""
        try:
            return self._aead.decrypt(wrapped[:12], wrapped[12:], context)
        except InvalidTag:
            raise KeyringError("the master key is not the one this database was made with") from None


class KeyFiles:
    """The key files of a data folder: ``master.key``, and further ones as ``master.key.ID``."""

    def __init__(self, folder: Path) -> None:
        """Take the data folder."""
        self.folder = folder
        self._read: dict[Path, tuple[int, MasterKey]] = {}

    @property
    def path(self) -> Path:
        """The file of the key that wraps."""
        return self.folder / MASTER_KEY_FILE

    def current(self) -> MasterKey:
        """Return the key that wraps, read anew when its file was replaced. Raises KeyringError."""
        return self._load(self.path)

    def ids(self) -> set[str]:
        """Return the ids of all keys that are here. Raises KeyringError for a file that is none."""
        return {self._load(path).id for path in self._paths()}

    def named(self, key_id: str) -> MasterKey:
        """Return the key of an id. Raises KeyringError when it is not here."""
        found = next((key for path in self._paths() if (key := self._load(path)).id == key_id), None)
        if found is None:
            raise KeyringError(
                f"the master key {key_id} is not in {self.folder}: put its file there, as {MASTER_KEY_FILE}.{key_id}"
            )
        return found

    def rotate(self) -> tuple[MasterKey, MasterKey]:
        """Put a new key in the place of the current one, which stays beside it; return the old and the new one."""
        old = self.current()
        beside = self._beside(old)
        if not beside.exists():
            os.link(self.path, beside)
        written(self.path, base64.b64encode(os.urandom(32)) + b"\n").replace(self.path)
        return old, self.current()

    def _beside(self, key: MasterKey) -> Path:
        return self.path.with_name(f"{MASTER_KEY_FILE}.{key.id}")

    def _paths(self) -> list[Path]:
        beside = self.folder.glob(f"{MASTER_KEY_FILE}.*")
        return [path for path in (self.path, *sorted(beside)) if path.exists()]

    def _load(self, path: Path) -> MasterKey:
        try:
            inode = path.stat().st_ino
        except OSError:
            inode = -1
        kept = self._read.get(path)
        if kept is None or kept[0] != inode:
            kept = self._read[path] = (inode, MasterKey.load(path))
        return kept[1]


class Masters:
    """The master key that wraps, and every other that is at hand to open."""

    def __init__(self, files: KeyFiles, *, outside: Iterable[Holder] = (), wrapping: Holder | None = None) -> None:
        """Take the key files, who holds keys outside, and which of those wraps from now on; None when a file does."""
        self.files = files
        self._outside = {holder.id: holder for holder in outside}
        self._wrapping = wrapping

    @property
    def id(self) -> str:
        """The id of the key that wraps. Raises KeyringError."""
        return self.files.current().id if self._wrapping is None else self._wrapping.id

    @property
    def by_file(self) -> bool:
        """Whether the key that wraps is that of a file."""
        return self._wrapping is None

    def known(self) -> set[str]:
        """Return the ids of all keys that can open. Raises KeyringError."""
        return self.files.ids() | self._outside.keys()

    async def wrap(self, secret: bytes, context: bytes) -> Wrapped:
        """Wrap a data key. Raises KeyringError."""
        if self._wrapping is not None:
            return Wrapped(self._wrapping.id, await self._wrapping.wrap(secret, context))
        master = self.files.current()
        return Wrapped(master.id, master.wrap(secret, context))

    async def unwrap(self, found: Wrapped, context: bytes) -> bytes:
        """Open a data key with the master key that wrapped it. Raises KeyringError."""
        holder = self._outside.get(found.master_key_id)
        if holder is not None:
            return await holder.unwrap(found.wrapped, context)
        if ":" in found.master_key_id:
            raise KeyringError(f"a data key is wrapped by {found.master_key_id}, which no setting names")
        return self.files.named(found.master_key_id).unwrap(found.wrapped, context)

    async def rewrapped(self, found: Wrapped, context: bytes) -> Wrapped:
        """Return a data key under the newest version of the key that wraps. Raises KeyringError."""
        if self._wrapping is not None and found.master_key_id == self._wrapping.id:
            return Wrapped(found.master_key_id, await self._wrapping.renewed(found.wrapped, context))
        if found.master_key_id == self.id:
            return found
        return await self.wrap(await self.unwrap(found, context), context)


def written(path: Path, content: bytes) -> Path:
    """Write a file beside a path, 0600 and synced to the disk, and return where it is."""
    draft = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return draft
