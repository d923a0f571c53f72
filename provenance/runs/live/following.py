"""The server's side: the lines of a run, from whichever worker carries it."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncGenerator

from provenance.core.keyring import WorkspaceKeys
from provenance.runs.live.wire import NONCE_BYTES, LiveLine, Seal, asking

CONNECT_SECONDS = 5.0


async def lines_of(
    address: str, keys: WorkspaceKeys, workspace_id: uuid.UUID, run_id: uuid.UUID
) -> AsyncGenerator[list[LiveLine], None]:
    """Yield the lines of a run as the worker at ``host:port`` sends them, those of the last steps under way first.

    Ends never by itself. Raises OSError, TimeoutError, IncompleteReadError and BadMessage when the worker is gone, or
    when what answers there is none of ours.
    """
    host, _, port = address.rpartition(":")
    async with asyncio.timeout(CONNECT_SECONDS):
        reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        nonce = await reader.readexactly(NONCE_BYTES)
    try:
        writer.write(asking(keys, nonce, workspace_id, run_id))
        seal = Seal(keys, nonce, run_id)
        while True:
            yield await seal.read(reader)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
