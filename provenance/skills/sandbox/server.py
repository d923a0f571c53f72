"""The owner's end of a fork server: starts it, hands it calls, hears what became of them."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from provenance.skills.sandbox.errors import RuntimeUnavailable
from provenance.skills.sandbox.inside.jail import Level
from provenance.skills.sandbox.schemas import Runtime

START_SECONDS = 20.0
_MESSAGE_BYTES = 64 * 1024
_ROOT = Path(__file__).resolve().parents[3]
_PROGRAM = (
    "import sys; sys.path += sys.argv[4:]; from provenance.skills.sandbox.inside.starting import main; "
    "main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))"
)


class Told(msgspec.Struct, frozen=True, rename="camel"):
    """What a fork server says of a call that ended. ``status`` is negative for a signal."""

    number: int
    status: int
    why: str | None = None
    cpu_ms: int = 0
    peak_kb: int = 0


class _Hello(msgspec.Struct, frozen=True):
    level: Level
    version: str


class Server:
    """One running fork server. It ends with this process, whatever ends it."""

    def __init__(self, process: subprocess.Popen[bytes], control: socket.socket, hello: _Hello) -> None:
        self._process = process
        self._control = control
        self._calls: dict[int, asyncio.Future[Told]] = {}
        self._number = 0
        self.level = hello.level
        self.version = hello.version
        asyncio.get_running_loop().add_reader(control.fileno(), self._read)

    @classmethod
    async def start(cls, runtime: Runtime, warm: int) -> "Server":
        """Start one and wait until it takes calls. Raises RuntimeUnavailable."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        with theirs:
            process = _spawn(runtime, theirs.fileno(), warm)
        try:
            async with asyncio.timeout(START_SECONDS):
                said = await asyncio.get_running_loop().sock_recv(ours, _MESSAGE_BYTES)
            return cls(process, ours, msgspec.json.decode(said, type=_Hello))
        except (TimeoutError, OSError, msgspec.DecodeError):
            ours.close()
            await _end(process)
            raise RuntimeUnavailable(f"The runtime {runtime.value} does not start here.") from None

    @property
    def process_id(self) -> int:
        """The fork server's process; those of its calls are its children."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still takes calls."""
        return self._control.fileno() >= 0

    async def call(self, order: dict[str, Any], descriptors: list[int]) -> tuple[int, asyncio.Future[Told]]:
        """Hand over a call; returns its number, and what will be told of it. Raises OSError when the server is gone."""
        self._number += 1
        number = self._number
        told: asyncio.Future[Told] = asyncio.get_running_loop().create_future()
        self._calls[number] = told
        try:
            await self._send({"op": "run", "number": number, **order}, descriptors)
        except OSError:
            del self._calls[number]
            raise
        return number, told

    async def stop_call(self, number: int, why: str) -> None:
        """Have a call killed; what is told of it gives the reason."""
        if number in self._calls and self.alive:
            await self._send({"op": "stop", "number": number, "why": why}, [])

    async def close(self) -> None:
        """End it, and with it every call."""
        self._lost()
        await _end(self._process)

    async def _send(self, message: dict[str, Any], descriptors: list[int]) -> None:
        data = msgspec.json.encode(message)
        while True:
            try:
                socket.send_fds(self._control, [data], descriptors)
                return
            except BlockingIOError:
                await asyncio.sleep(0.001)

    def _read(self) -> None:
        try:
            data = self._control.recv(_MESSAGE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lost()
            return
        told = msgspec.json.decode(data, type=Told)
        call = self._calls.pop(told.number, None)
        if call is not None and not call.done():
            call.set_result(told)

    def _lost(self) -> None:
        """Forget the server: its calls ended with it."""
        if not self.alive:
            return
        asyncio.get_running_loop().remove_reader(self._control.fileno())
        self._control.close()
        for number, call in self._calls.items():
            if not call.done():
                call.set_result(Told(number, -signal.SIGKILL, "lost"))
        self._calls.clear()


def _spawn(runtime: Runtime, descriptor: int, warm: int) -> subprocess.Popen[bytes]:
    arguments = [sys.executable, "-I", "-S", "-X", "utf8", "-c", _PROGRAM, runtime.value, str(descriptor), str(warm)]
    return subprocess.Popen(  # noqa: S603  (our own interpreter and program)
        [*arguments, str(_ROOT), *_library(runtime)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=[descriptor],
        env={"PATH": os.environ.get("PATH", os.defpath)},
        start_new_session=True,
    )


def _library(runtime: Runtime) -> list[str]:
    """Return where the library of a runtime is imported from, besides the standard one."""
    found = find_spec("wasmtime") if runtime is Runtime.WASM else None
    return [] if found is None or found.origin is None else [str(Path(found.origin).parents[1])]


async def _end(process: subprocess.Popen[bytes]) -> None:
    """Wait for a server that was told to end by its socket; kill it when it does not."""
    for _ in range(100):
        if process.poll() is not None:
            return
        await asyncio.sleep(0.02)
    process.kill()
    await asyncio.to_thread(process.wait)
