"""Node and WebAssembly: the same contract and the same jail as Python's."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest
import wasmtime

from provenance.skills.sandbox.level import described
from provenance.skills.sandbox.probing import probe
from provenance.skills.sandbox.runner import Sandbox
from provenance.skills.sandbox.schemas import Job, Outcome, Runtime

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="NOT TESTED: this machine has no Node")

NODE = """
import fs from "node:fs";
import { spawnSync } from "node:child_process";
import net from "node:net";
export async function add(input, { secrets }) { console.log("adding"); return { sum: input.a + input.b, secrets }; }
export function read() { return fs.readFileSync("/etc/passwd", "utf8"); }
export function start() { const done = spawnSync("/bin/true"); if (done.error) throw done.error; }
export function connect() { return new Promise((_, no) => net.connect(80, "127.0.0.1").on("error", no)); }
export function grow() { const kept = []; for (;;) kept.push(new Array(1e6).fill(1.5)); }
export function hold() { const kept = []; for (;;) kept.push(Buffer.alloc(1e7, 1)); }
export function loop() { for (;;); }
export function flood() { for (;;) fs.writeSync(1, "x".repeat(1e5)); }
export async function send(input, { request }) { return (await request("GET", "https://example.com/")).status; }
"""
ECHO = """(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (func (export "_start")
    (i32.store (i32.const 0) (i32.const 1024))
    (i32.store (i32.const 4) (i32.const 60000))
    (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (i32.store (i32.const 4) (i32.load (i32.const 8)))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 12)))))"""
LOOP = '(module (memory (export "memory") 1) (func (export "_start") (loop $again (br $again))))'
GROW = """(module (memory (export "memory") 1) (func (export "_start")
  (if (i32.eq (memory.grow (i32.const 8192)) (i32.const -1)) (then unreachable))))"""
SILENT = '(module (memory (export "memory") 1) (func (export "_start")))'


@needs_node
class TestNode:
    @pytest.fixture
    def package(self, tmp_path: Path) -> Path:
        (tmp_path / "main.mjs").write_text(NODE)
        tmp_path.chmod(0o755)  # as packages are unpacked
        return tmp_path

    async def run(self, sandbox: Sandbox, package: Path, name: str, given: Any = None, **more: Any) -> Outcome:
        job = {"seconds": 20.0, "memory_mb": 96, **more}
        return await sandbox.run(
            Job(runtime=Runtime.NODE, package=package, entry=f"main.mjs:{name}", input=given, **job)
        )

    async def test_a_handler_is_called(self, sandbox: Sandbox, package: Path) -> None:
        found = await self.run(sandbox, package, "add", {"a": 1, "b": 2}, secrets={"key": "value"})
        assert (found.error, found.output) == (None, {"sum": 3, "secrets": {"key": "value"}})
        assert [line.message for line in found.logs] == ["adding"]

    @pytest.mark.parametrize(
        ("name", "code", "words"),
        [
            ("read", "skill_failed", "no such file or directory, open '/etc/passwd' (main.mjs, line 6)"),
            ("start", "sandbox_refused", "spawnSync /bin/true EPERM"),
            ("connect", "sandbox_refused", "EPERM"),
            ("hold", "memory_exceeded", "more than 96 MB"),
            ("grow", "memory_exceeded", "more than 96 MB"),
            ("flood", "output_too_large", "more than 6 MiB"),
            ("send", "egress_refused", "lists no host"),
        ],
    )
    async def test_what_it_does_not_get(
        self, sandbox: Sandbox, package: Path, name: str, code: str, words: str
    ) -> None:
        error = (await self.run(sandbox, package, name)).error
        assert error is not None
        assert (error["code"], words in error["message"]) == (code, True), error

    async def test_an_endless_loop_is_stopped(self, sandbox: Sandbox, package: Path) -> None:
        found = await self.run(sandbox, package, "loop", seconds=0.4)
        assert found.error is not None
        assert found.error["code"] == "timeout"


class TestFirstCall:
    """A fork server takes its first call before it has imported what many skills use."""

    CODE = """
import sys
async def run(input):
    seen = sorted({"asyncio", "logging", "random"} & sys.modules.keys())
    import logging
    logging.warning("careful")
    return seen
"""

    async def test_it_has_what_later_calls_have(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o755)
        (tmp_path / "main.py").write_text(self.CODE)
        job = Job(runtime=Runtime.PYTHON3, package=tmp_path, entry="main:run", input=None)
        sandbox = Sandbox(slots=1)
        try:
            async with asyncio.timeout(20):
                while True:
                    outcome = await sandbox.run(job)
                    assert outcome.error is None, outcome.error
                    assert [(each.level, each.message) for each in outcome.logs] == [("warning", "careful")]
                    if outcome.output == ["asyncio", "logging", "random"]:
                        break
        finally:
            await sandbox.close()


class TestWasm:
    async def run(self, sandbox: Sandbox, tmp_path: Path, text: str, given: Any = None, **more: Any) -> Outcome:
        tmp_path.chmod(0o755)
        (tmp_path / "main.wasm").write_bytes(wasmtime.wat2wasm(text))
        job = {"seconds": 20.0, "memory_mb": 64, **more}
        return await sandbox.run(Job(runtime=Runtime.WASM, package=tmp_path, entry="main.wasm", input=given, **job))

    async def test_a_program_is_run(self, sandbox: Sandbox, tmp_path: Path) -> None:
        found = await self.run(sandbox, tmp_path, ECHO, {"a": [1, None]})
        assert (found.error, found.output) == (None, {"a": [1, None]})

    @pytest.mark.parametrize(
        ("text", "code", "seconds"),
        [
            (LOOP, "timeout", 0.3),
            (GROW, "skill_failed", 20.0),
            (SILENT, "no_output", 20.0),
            ("(module)", "skill_failed", 20.0),
        ],
        ids=["loop", "grow", "silent", "no start"],
    )
    async def test_what_it_does_not_get(
        self, sandbox: Sandbox, tmp_path: Path, text: str, code: str, seconds: float
    ) -> None:
        error = (await self.run(sandbox, tmp_path, text, seconds=seconds)).error
        assert error is not None
        assert error["code"] == code, error


def test_doctor_says_what_was_tested(level: Any) -> None:
    found = probe()
    assert found.level == level
    assert found.runtimes["python3"] is not None
    assert described(level).startswith(("full", "files", "none"))
