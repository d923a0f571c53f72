"""Between a worker and a server: a question that only who has the workspace's keys can ask, then sealed lines."""

import asyncio
import hmac
import uuid
from typing import Final, NamedTuple

import msgspec

from provenance.core.keyring import KeyringError, WorkspaceKeys

PURPOSE: Final = "live log"
NONCE_BYTES: Final = 32
MESSAGE_BYTES: Final = 1024 * 1024
_MAC_BYTES = 32
_ASK_BYTES = 16 + 16 + _MAC_BYTES


class BadMessage(Exception):
    """The other side is none of ours, or something in between changes what it says."""


class LiveLine(msgspec.Struct, frozen=True, array_like=True):
    """A line of a step's log; ``offset`` counts those of an attempt from 0, ``at`` is nanoseconds since the epoch."""

    step_key: str
    iteration: int
    attempt: int
    offset: int
    at: int
    level: str
    message: str


class Ask(NamedTuple):
    """What a server asks for: the lines of one run."""

    workspace_id: uuid.UUID
    run_id: uuid.UUID
    mac: bytes

    def holds(self, keys: WorkspaceKeys, nonce: bytes) -> bool:
        """Tell whether who asks has the keys of the workspace."""
        return hmac.compare_digest(self.mac, _mac(keys, nonce, self.workspace_id, self.run_id))


def asking(keys: WorkspaceKeys, nonce: bytes, workspace_id: uuid.UUID, run_id: uuid.UUID) -> bytes:
    """Return the question, as the answer to a worker's nonce."""
    return workspace_id.bytes + run_id.bytes + _mac(keys, nonce, workspace_id, run_id)


async def asked(reader: asyncio.StreamReader) -> Ask:
    """Read a question. Raises IncompleteReadError."""
    data = await reader.readexactly(_ASK_BYTES)
    return Ask(uuid.UUID(bytes=data[:16]), uuid.UUID(bytes=data[16:32]), data[32:])


class Seal:
    """Seals or opens the messages of one connection in their order: none can be left out, changed or sent again."""

    def __init__(self, keys: WorkspaceKeys, nonce: bytes, run_id: uuid.UUID) -> None:
        """Take the keys of the run's workspace, and the nonce of the connection."""
        self._keys = keys
        self._context = nonce + run_id.bytes
        self._number = 0

    def packed(self, lines: list[LiveLine]) -> bytes:
        """Write the next message."""
        sealed = self._keys.seal(PURPOSE, msgspec.msgpack.encode(lines), self._next())
        return len(sealed).to_bytes(4, "big") + sealed

    async def read(self, reader: asyncio.StreamReader) -> list[LiveLine]:
        """Read the next message. Raises BadMessage, and IncompleteReadError at the end."""
        length = int.from_bytes(await reader.readexactly(4), "big")
        if length > MESSAGE_BYTES:
            raise BadMessage("a message is too long")
        try:
            opened = self._keys.open(PURPOSE, await reader.readexactly(length), self._next())
            return msgspec.msgpack.decode(opened, type=list[LiveLine])
        except (KeyringError, msgspec.DecodeError):
            raise BadMessage("a message can't be opened") from None

    def _next(self) -> bytes:
        self._number += 1
        return self._context + self._number.to_bytes(8, "big")


def _mac(keys: WorkspaceKeys, nonce: bytes, workspace_id: uuid.UUID, run_id: uuid.UUID) -> bytes:
    return keys.mac(PURPOSE, nonce + workspace_id.bytes + run_id.bytes)
