"""What is remembered of a log between two walks: the head that was found good last, and how far a walk came."""

import contextlib
import json
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Self

from provenance.cli.settings import write_private
from provenance.proof.frontier import Frontier
from provenance.proof.strict import Malformed
from provenance.proof.tiles import Tile

MOST_FAULTS = 1_000


@dataclass(slots=True)
class Memory:
    """``checkpoint``: the last head found good, as text. ``done``: entries walked, with the tree's edge and faults."""

    checkpoint: str | None = None
    done: int = 0
    edge: list[str] = field(default_factory=list)
    faults: list[tuple[str, str]] = field(default_factory=list)
    fault_count: int = 0
    contents: bool = True

    @classmethod
    def load(cls, path: Path | None) -> Self:
        """Read what is remembered; nothing when there is no file, or it is damaged."""
        with contextlib.suppress(OSError, ValueError, TypeError):
            if path is not None:
                found = cls(**json.loads(path.read_text("utf-8")))
                found.faults = [(str(where), str(why)) for where, why in found.faults]
                return found
        return cls()

    def save(self, path: Path | None) -> None:
        """Write it down, readable by its owner alone."""
        if path is not None:
            write_private(path, json.dumps(asdict(self)) + "\n")

    def frontier(self) -> Frontier:
        """Return the tree's edge where the last walk stopped; from the beginning when what is kept does not fit."""
        kept = iter(self.edge)

        def read(tile: Tile) -> bytes:
            return bytes.fromhex(next(kept))

        with contextlib.suppress(Malformed, ValueError, StopIteration, RuntimeError):
            return Frontier(self.done, read)
        self.start_over()
        return Frontier(0, read)

    def reached(self, frontier: Frontier) -> None:
        """Note how far the walk is."""
        self.done = frontier.size
        self.edge = [hashes.hex() for _, hashes in frontier.partial()]

    def fault(self, where: str, why: str) -> None:
        """Note something that is wrong, while there is room."""
        self.fault_count += 1
        if len(self.faults) < MOST_FAULTS:
            self.faults.append((where, why))

    def start_over(self) -> None:
        """Forget the walk, not the head."""
        self.done, self.edge, self.faults, self.fault_count, self.contents = 0, [], [], 0, True


def place_of(origin: str) -> Path:
    """Return the file in which a log is remembered, in the person's state folder."""
    from platformdirs import user_state_path

    name = sha256(origin.encode()).hexdigest()[:32]
    return user_state_path("provenance", appauthor=False) / "logs" / f"{name}.json"
