"""The sandbox of one process: calls of skills, each in a process of its own that is never used twice."""

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from provenance.skills.sandbox.errors import RuntimeUnavailable, SandboxBusy
from provenance.skills.sandbox.level import missing
from provenance.skills.sandbox.pipes import Lines, Whole
from provenance.skills.sandbox.schemas import OUTPUT_BYTES, Job, Outcome, Runtime
from provenance.skills.sandbox.server import Server, Told

WARM = 3
WAITING = 1_000
_LEFT_ALONE = 75
_HEAP = "JavaScript heap out of memory"
"""What Node says before it aborts at the limit of its memory."""

Proxy = Callable[[socket.socket], Awaitable[None]]
"""Serves a call's one way out, until its end."""


class Sandbox:
    """Runs jobs, at most ``slots`` at once; the others wait their turn. Servers start with the first call."""

    def __init__(self, *, slots: int, unconfined: bool = False) -> None:
        """Take how many run at once; ``unconfined`` lets code run where the kernel can't confine it."""
        self._places = asyncio.Semaphore(slots)
        self._waiting = 0
        self._unconfined = unconfined
        self.servers: dict[Runtime, Server] = {}
        self._starting = asyncio.Lock()

    async def server(self, runtime: Runtime) -> Server:
        """Return the fork server of a runtime, started where it is not. Raises RuntimeUnavailable."""
        async with self._starting:
            server = self.servers.get(runtime)
            if server is None or not server.alive:
                if server is not None:
                    await server.close()
                server = await Server.start(runtime, WARM)
                self.servers[runtime] = server
        if not server.level.confined and not self._unconfined:
            raise RuntimeUnavailable(f"Skills don't run on this machine: {missing(server.level)}.")
        return server

    async def run(self, job: Job, proxy: Proxy | None = None) -> Outcome:
        """Run a job to its end, which its limits bring about. Raises RuntimeUnavailable and SandboxBusy."""
        if self._waiting >= WAITING:
            raise SandboxBusy("Too many skills wait for a place in the sandbox.")
        server = await self.server(job.runtime)
        self._waiting += 1
        try:
            async with self._places:
                return await _Call(server, job, proxy).run()
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        """End every server, and with them every call."""
        for server in self.servers.values():
            await server.close()
        self.servers.clear()


class _Call:
    """One job under way: its pipes, its way out, and its end."""

    def __init__(self, server: Server, job: Job, proxy: Proxy | None) -> None:
        self._server = server
        self._job = job
        self._proxy = proxy
        self._number = 0
        self._stopping: asyncio.Task[None] | None = None

    async def run(self) -> Outcome:
        began = time.perf_counter()
        given, theirs = self._descriptors()
        answer, log, way_out = given
        beside = None
        try:
            self._number, ended = await self._server.call(self._order(), theirs)
        except OSError:
            os.close(answer)
            os.close(log)
            return Outcome(error=_error("sandbox_failed", "The sandbox ended while the call was handed over."))
        finally:
            for each in theirs:
                os.close(each)
        whole = Whole(answer, self._too_much)
        lines = Lines(log, self._too_much, self._job.on_log)
        if way_out is not None and self._proxy is not None:
            beside = asyncio.ensure_future(self._proxy(way_out))
        try:
            told = await asyncio.shield(ended)
            await asyncio.gather(whole.ended, lines.ended)
        except asyncio.CancelledError:
            await self._server.stop_call(self._number, "cancelled")
            raise
        finally:
            whole.close()
            lines.close()
            await self._done(beside, way_out)
        return self._outcome(told, bytes(whole.data), lines, (time.perf_counter() - began) * 1000)

    def _descriptors(self) -> tuple[tuple[int, int, socket.socket | None], list[int]]:
        """Make the call's descriptors: our ends, and those of the process in the order that `Streams` has."""
        given = {
            "input": self._job.input,
            "secrets": self._job.secrets,
            "idempotencyKey": self._job.idempotency_key,
        }
        source = os.memfd_create("input", os.MFD_CLOEXEC)
        with open(source, "wb", closefd=False) as file:
            file.write(msgspec.json.encode(given))
        os.lseek(source, 0, os.SEEK_SET)
        answer, their_answer = os.pipe2(os.O_CLOEXEC)
        log, their_log = os.pipe2(os.O_CLOEXEC)
        theirs = [source, their_answer, their_log]
        if self._proxy is None:
            return (answer, log, None), theirs
        way_out, their_way_out = socket.socketpair()
        return (answer, log, way_out), [*theirs, their_way_out.detach()]

    def _order(self) -> dict[str, Any]:
        job = self._job
        limits = (job.seconds, job.memory_mb, job.private_mb, job.cpu)
        return {"package": str(job.package), "entry": job.entry, "limits": limits}

    def _too_much(self) -> None:
        self._stopping = asyncio.ensure_future(self._server.stop_call(self._number, "output"))

    async def _done(self, beside: "asyncio.Future[None] | None", way_out: socket.socket | None) -> None:
        if beside is not None:
            beside.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await beside
        if way_out is not None:
            way_out.close()
        if self._stopping is not None:
            with contextlib.suppress(OSError):
                await self._stopping

    def _outcome(self, told: Told, answer: bytes, lines: Lines, duration_ms: float) -> Outcome:
        output, error = None, _stopped(told, self._job, lines)
        if error is None:
            output, error = _read(answer)
        return Outcome(
            output=output,
            error=error,
            logs=lines.lines,
            duration_ms=duration_ms,
            cpu_ms=told.cpu_ms,
            peak_kb=told.peak_kb,
        )


def _stopped(told: Told, job: Job, lines: Lines) -> dict[str, str] | None:
    """Say why a call did not come to its own end; None when it did."""
    if told.why == "timeout" or told.status == -signal.SIGXCPU:
        return _error("timeout", f"The skill was stopped: it ran longer than {job.seconds:g} seconds.")
    if told.why == "memory" or (told.status == -signal.SIGABRT and any(_HEAP in each.message for each in lines.lines)):
        return _error("memory_exceeded", f"The skill was stopped: it used more than {job.memory_mb} MB of memory.")
    if told.why == "output":
        return _error("output_too_large", f"The skill was stopped: it wrote more than {OUTPUT_BYTES >> 20} MiB.")
    if told.why is not None or told.status == _LEFT_ALONE:
        return _error("sandbox_failed", "The sandbox failed before the skill came to its end.")
    if told.status == -signal.SIGKILL:
        return _error("timeout", f"The skill was stopped: it used more than {job.seconds * job.cpu:g} CPU seconds.")
    if told.status < 0:
        return _error("crashed", f"The skill crashed ({signal.Signals(-told.status).name}).")
    return None


def _read(answer: bytes) -> tuple[Any, dict[str, str] | None]:
    """Read what a handler gave. What wrote it is code of others: nothing of it is taken for granted."""
    try:
        read = msgspec.json.decode(answer, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        return None, _error("no_output", "The skill ended without an output.")
    error = read.get("error")
    if isinstance(error, dict):
        return None, _error(str(error.get("code", "skill_failed"))[:64], str(error.get("message", ""))[:2_000])
    return read.get("output"), None


def _error(code: str, message: str) -> dict[str, str]:
    return {"code": code, "message": message}
