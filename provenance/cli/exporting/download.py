"""An export on its way into a file: `FILE.part` grows, breaks and goes on, and becomes FILE when it is whole.

Beside it stands `FILE.part.json`: what was asked for, and the cursor that the server gave. With the two, another run
goes on at the very byte where this one stopped.
"""

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from provenance.cli.errors import Misused
from provenance.cli.patience import Backoff, passes

if TYPE_CHECKING:
    import httpx

    from provenance.cli.progress import Bar
    from provenance_client import Client, ProvenanceError

LONGEST_WAIT = 10.0
"""Most seconds between two tries."""

SILENCE = 600.0
"""Seconds without a byte that are no break: a server that was started anew makes the stream again up to the offset."""


@dataclass(slots=True)
class Request:
    """What is downloaded: the server, the query, and what the server told of the stream it gave."""

    api_url: str
    params: list[tuple[str, str]]
    cursor: str | None = None
    total: int | None = None
    sha256: str | None = None

    @property
    def format(self) -> str:
        """The format that was asked for."""
        return dict(self.params)["format"]


@dataclass(slots=True)
class Download:
    """One file on its way. `wait` is how many seconds without progress are waited for a server that is away."""

    output: Path
    request: Request
    wait: float
    sleep: Callable[[float], None] = field(default=time.sleep)

    @property
    def part(self) -> Path:
        """Where the bytes go until they are whole."""
        return self.output.with_name(self.output.name + ".part")

    @property
    def journal(self) -> Path:
        """Where it stands how to go on."""
        return self.output.with_name(self.output.name + ".part.json")

    def begin(self) -> None:
        """Forget what an earlier run left."""
        self.part.unlink(missing_ok=True)
        self.journal.unlink(missing_ok=True)

    def run(self, client: "Client", bar: "Bar") -> None:
        """Fetch until the stream has ended. Raises ProvenanceError when the server refuses, or stays away too long."""
        from provenance_client import ProvenanceError

        backoff, deadline, had = Backoff(LONGEST_WAIT), time.monotonic() + self.wait, -1
        while True:
            try:
                self._fetch(client, bar)
                return
            except ProvenanceError as error:
                if (size := self._size()) > had:
                    had, deadline = size, time.monotonic() + self.wait
                    backoff.reset()
                if not _later(error) or time.monotonic() > deadline:
                    raise
                bar.say(error.detail)
                self.sleep(backoff.seconds(error))

    def finish(self) -> None:
        """Give the file its name."""
        self.part.replace(self.output)
        self.journal.unlink(missing_ok=True)

    def _fetch(self, client: "Client", bar: "Bar") -> None:
        from provenance_client.api.request import Request as Call

        params = list(self.request.params)
        if self.request.cursor is None:
            self.part.unlink(missing_ok=True)
        else:
            params += [("cursor", self.request.cursor), ("offset", str(self._size()))]
        # Compression costs the server more than a wire that is none.
        headers = {"accept-encoding": "identity" if client.settings.is_local else "gzip"}
        call: Call[None] = Call("GET", "/export", params=tuple(params), headers=headers)
        with client.transport.answering(call, silence=SILENCE) as response:
            self._note(response)
            bar.say(None)
            self._write(response, bar)

    def _note(self, response: "httpx.Response") -> None:
        told, known = response.headers, self.request
        known.cursor = told.get("x-export-cursor", known.cursor)
        known.sha256 = told.get("x-export-sha256", known.sha256)
        if known.total is None and told.get("x-export-count"):
            known.total = int(told["x-export-count"])
        draft = self.journal.with_name(self.journal.name + ".new")
        draft.write_text(json.dumps(asdict(known)), "utf-8")
        draft.replace(self.journal)

    def _write(self, response: "httpx.Response", bar: "Bar") -> None:
        lines = self._lines()
        bar.expect(self.request.total)
        with self.part.open("ab") as file:
            for piece in response.iter_bytes():
                file.write(piece)
                lines += piece.count(b"\n")
                bar.advance_to(lines if self.request.total is None else min(lines, self.request.total))
            file.flush()
            os.fsync(file.fileno())

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _lines(self) -> int:
        if not self.part.exists():
            return 0
        with self.part.open("rb") as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))


def resumed(output: Path, wait: float) -> Download | None:
    """Return the download that an earlier run left unfinished; None when there is none. Raises Misused."""
    journal = output.with_name(output.name + ".part.json")
    if not journal.exists():
        return None
    try:
        known = json.loads(journal.read_text("utf-8"))
        known["params"] = [(name, value) for name, value in known["params"]]
        return Download(output, Request(**known), wait)
    except (ValueError, TypeError, KeyError) as error:
        raise Misused(f"{journal} can't be read ({error}). Export anew, without --resume.") from error


def _later(error: "ProvenanceError") -> bool:
    """Tell whether the same request may go through later, also when the log has signed nothing yet."""
    return passes(error) or error.code == "not_integrated"
