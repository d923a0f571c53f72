"""What can go wrong in the engine."""

from provenance.core.errors import Conflict, Unavailable


class AlreadyResolved(Conflict):
    """The wait was resolved before, or its run has ended."""

    code = "already_resolved"

    def __init__(self) -> None:
        super().__init__("This was decided before, or the run has ended.")


class EngineFull(Unavailable):
    """Too many checkpoints wait for a commit; nothing of this request was stored."""

    code = "engine_busy"
