"""Workers in processes of their own, to be killed and stopped while runs go."""

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

from tests.runs.conftest import World

ROOT = Path(__file__).resolve().parents[2]


class Crew:
    """Workers of one folder: what they need is written into it by `publish`, what they say goes to its `log`."""

    def __init__(self, folder: Path, lease: float) -> None:
        self.folder = folder
        self.lease = lease
        self.processes: list[asyncio.subprocess.Process] = []

    def publish(self, world: World, **documents: dict[str, Any]) -> dict[str, Any]:
        """Publish for this process and for those of the crew; the answer is the workflows' ids by name."""
        names = {name: world.published.publish(document) for name, document in documents.items()}
        workflows = {str(names[name]): document for name, document in documents.items()}
        settings = world.app.ledger.settings
        given = {"url": settings.database_url, "data": str(settings.data_dir), "lease": self.lease}
        (self.folder / "settings.json").write_text(json.dumps({**given, "workflows": workflows}))
        return names

    async def hire(self) -> None:
        """Begin a worker. No pipe leads to it: one that nobody reads would stop it, and its end would not be seen."""
        with (self.folder / "log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.runs.worker_process", str(self.folder), cwd=ROOT, stdout=log, stderr=log
            )
        self.processes.append(process)

    async def at_work(self) -> None:
        """Wait until each of them works."""
        async with asyncio.timeout(20):
            for process in self.processes:
                while not (self.folder / f"working-{process.pid}").exists():
                    assert process.returncode is None, (self.folder / "log").read_text()
                    await asyncio.sleep(0.02)

    async def kill(self, at: int) -> None:
        """Kill one, and wait until it is gone."""
        process = self.processes.pop(at)
        process.kill()
        await process.wait()

    async def pause(self, at: int, seconds: float) -> None:
        """Stop one for so long; it goes on as if nothing had happened."""
        process = self.processes[at]
        process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        process.send_signal(signal.SIGCONT)

    async def end(self) -> None:
        """Kill them all."""
        while self.processes:
            await self.kill(0)
