"""A running sandbox, and code to run in it."""

import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from provenance.skills.sandbox.level import Level, described
from provenance.skills.sandbox.runner import Sandbox
from provenance.skills.sandbox.schemas import Job, Outcome, Runtime

RunCode = Callable[..., Awaitable[Outcome]]


@pytest.fixture(scope="session")
async def sandbox() -> AsyncIterator[Sandbox]:
    """The run's sandbox."""
    found = Sandbox(slots=8)
    yield found
    await found.close()


@pytest.fixture(scope="session")
async def level(sandbox: Sandbox) -> Level:
    """What confines code on this machine; printed, so that a run of the tests says what it tested."""
    found = (await sandbox.server(Runtime.PYTHON3)).level
    print(f"\nsandbox level tested here: {described(found)}")
    return found


@pytest.fixture
def needs_mounts(level: Level) -> None:
    """For tests of the level full; they are skipped, and say so, where the kernel lacks it."""
    if not level.mounts:
        pytest.skip(f"NOT TESTED: this machine gives the sandbox no root folder of its own: {described(level)}")


@pytest.fixture
def run_code(sandbox: Sandbox, tmp_path: Path) -> RunCode:
    """Run the body of a handler: ``await run_code("return 1")``."""
    count = 0

    async def run(body: str, given: Any = None, **more: Any) -> Outcome:
        nonlocal count
        count += 1
        package = tmp_path / f"package{count}"
        package.mkdir()
        code = "def run(input):\n" + textwrap.indent(textwrap.dedent(body).strip("\n"), "    ") + "\n"
        (package / "main.py").write_text(code)
        job = Job(runtime=Runtime.PYTHON3, package=package, entry="main:run", input=given, **{"seconds": 20.0, **more})
        return await sandbox.run(job)

    return run
