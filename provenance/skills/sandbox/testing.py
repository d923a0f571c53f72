"""Tests of a package, run in the sandbox: its cases for every runtime, and for Python its own unit tests.

``tests/cases.json`` is a list of ``{name, input, output}`` or ``{name, input, error}``, an error by its code.
"""

import asyncio
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from provenance.core.json_schemas import schema_of
from provenance.skills.sandbox.inside.package_tests import ENTRY
from provenance.skills.sandbox.runner import Sandbox
from provenance.skills.sandbox.schemas import Job, LogLine, Outcome, Runtime

CASES = "tests/cases.json"
_LONGEST = 300


class Verdict(NamedTuple):
    """One test: its name, and why it failed; None when it passed."""

    name: str
    reason: str | None


class Trial:
    """A package that is unpacked in a folder, with what its manifest says."""

    def __init__(self, folder: Path, manifest: dict[str, Any]) -> None:
        """Take both. Limits of the manifest hold here, too."""
        self.folder = folder
        self._manifest = manifest
        self._runtime = Runtime(
            {"python3.12": "python3", "node22": "node"}.get(manifest["runtime"], manifest["runtime"])
        )

    def call(self, given: Any) -> Outcome:
        """Call its handler once, as the platform would; it reaches nothing outside."""
        return asyncio.run(self._alone(given))

    def test(self) -> list[Verdict]:
        """Run its tests."""
        return asyncio.run(self._test())

    async def _alone(self, given: Any) -> Outcome:
        sandbox = Sandbox(slots=1)
        try:
            return await self._called(sandbox, given)
        finally:
            await sandbox.close()

    async def _test(self) -> list[Verdict]:
        sandbox = Sandbox(slots=1)
        try:
            found = [await self._case(sandbox, case) for case in self._cases()]
            return [*found, *await self._own(sandbox)] if self._runtime is Runtime.PYTHON3 else found
        finally:
            await sandbox.close()

    def _cases(self) -> list[dict[str, Any]]:
        path = self.folder / CASES
        return msgspec.json.decode(path.read_bytes(), type=list[dict[str, Any]]) if path.exists() else []

    async def _case(self, sandbox: Sandbox, case: dict[str, Any]) -> Verdict:
        outcome = await self._called(sandbox, case.get("input"))
        name = str(case.get("name", "unnamed"))
        if "error" in case:
            code = None if outcome.error is None else outcome.error["code"]
            return Verdict(name, None if code == case["error"] else f"the error is {code}, not {case['error']}")
        if outcome.error is not None:
            return Verdict(name, f"{outcome.error['code']}: {outcome.error['message']}")
        if outcome.output != case.get("output"):
            return Verdict(name, f"the output is {msgspec.json.encode(outcome.output).decode()[:_LONGEST]}")
        return Verdict(name, None)

    async def _own(self, sandbox: Sandbox) -> list[Verdict]:
        outcome = await sandbox.run(self._job(ENTRY, None))
        if outcome.error is not None:
            return [Verdict("unit tests", outcome.error["message"])]
        failed = [Verdict(each["name"], each["reason"]) for each in outcome.output["failures"]]
        return [*failed, *(Verdict("unit test", None) for _ in range(outcome.output["tests"] - len(failed)))]

    async def _called(self, sandbox: Sandbox, given: Any) -> Outcome:
        faults = schema_of(self._manifest.get("inputSchema", True)).faults(given, "input")
        if faults:
            return _refused("schema_validation", f"{faults[0]['path']}: {faults[0]['issue']}")
        outcome = await sandbox.run(self._job(self._manifest["handler"], given))
        faults = (
            []
            if outcome.error
            else schema_of(self._manifest.get("outputSchema", True)).faults(outcome.output, "output")
        )
        return (
            _refused("output_schema", f"{faults[0]['path']}: {faults[0]['issue']}", outcome.logs) if faults else outcome
        )

    def _job(self, entry: str, given: Any) -> Job:
        limits = self._manifest.get("limits", {})
        return Job(
            runtime=self._runtime,
            package=self.folder,
            entry=entry,
            input=given,
            seconds=limits.get("timeoutSeconds", 30),
            memory_mb=limits.get("memoryMb", 256),
            private_mb=limits.get("tmpMb", 64),
            cpu=limits.get("cpu", 1),
        )


def _refused(code: str, message: str, logs: list[LogLine] | None = None) -> Outcome:
    return Outcome(error={"code": code, "message": message}, logs=logs or [])
