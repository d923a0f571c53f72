"""A call that came to its end, as it reads on the wire."""

from provenance.skills.calling import Called
from provenance.skills.schemas import Fault, Ran, shown_line


def ran(called: Called) -> Ran:
    """Return what became of a call."""
    outcome = called.outcome
    return Ran(
        skill_id=called.skill_id,
        version=called.version,
        status="failed" if outcome.error is not None else "succeeded",
        output=outcome.output,
        logs=[shown_line(line) for line in outcome.logs],
        duration_ms=round(outcome.duration_ms),
        error=None if outcome.error is None else Fault.model_validate(outcome.error),
    )
