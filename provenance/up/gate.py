"""A gate between the parent and a child: the child loads its libraries, then waits until it may begin.

Loading takes a second and needs no database, so `serve` does it while the database is being made.
"""

from __future__ import annotations

import os

VARIABLE = "PROVENANCE_GATE"


class Gate:
    """A pipe: one byte opens it, closing it without a byte sends the child home."""

    def __init__(self) -> None:
        self.reading, self._writing = os.pipe()

    def hand_over(self) -> None:
        """Close our copy of the child's end, once the child has it."""
        os.close(self.reading)

    def open(self, children: int = 1) -> None:
        """Let the child begin, or so many who wait at this gate."""
        try:
            os.write(self._writing, b"1" * children)
        except BrokenPipeError:
            pass  # The child has ended before its turn; whoever watches it will see.
        finally:
            self.close()

    def close(self) -> None:
        """Send the child home, unless the gate was opened before."""
        os.close(self._writing)


def wait_at_gate() -> bool:
    """Wait, in a child, until its parent lets it begin; False when the parent is gone.

    A process that was started without a gate begins at once.
    """
    descriptor = os.environ.pop(VARIABLE, None)
    return descriptor is None or wait_at(int(descriptor))


def wait_at(descriptor: int) -> bool:
    """Wait at the gate of this descriptor; False when the parent is gone."""
    with open(descriptor, "rb", buffering=0) as pipe:
        return pipe.read(1) == b"1"
