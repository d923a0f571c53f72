"""What can go wrong with runs."""

from provenance.core.errors import Conflict, NotFound


class RunNotFound(NotFound):
    """No run of this workspace has this id."""

    code = "run_not_found"

    def __init__(self) -> None:
        super().__init__("There is no run with this id.")


class StepNotFound(NotFound):
    """The run has no step with this id that has begun."""

    code = "step_not_found"

    def __init__(self) -> None:
        super().__init__("This run has no step with this id; see stepId in the list of its steps.")


class NotDeployed(NotFound):
    """The workflow is unknown, or has no published version to start."""

    code = "workflow_not_deployed"

    def __init__(self) -> None:
        super().__init__("There is no deployed workflow with this id. A draft can't be started: publish it first.")


class TriggerOff(Conflict):
    """The trigger by which the run would begin is switched off."""

    code = "trigger_off"

    def __init__(self, kind: str) -> None:
        super().__init__(f"The {kind} trigger of this workflow is switched off.")


class RunEnded(Conflict):
    """The run has ended; nothing of it changes any more."""

    code = "run_ended"

    def __init__(self, status: str) -> None:
        super().__init__(f"The run has ended already: {status}.")


class RunActive(Conflict):
    """The run still goes on; cancel it first, or wait."""

    code = "run_active"

    def __init__(self) -> None:
        super().__init__("The run still goes on. Cancel it first, or wait until it has ended.")


class CannotReuse(Conflict):
    """A replay from a step needs outputs that this version would not make the same way, or that are not there."""

    code = "cannot_reuse"


class TooManyHops(Conflict):
    """Runs start runs in a loop: the chain has more than sixteen links."""

    code = "hop_limit"

    def __init__(self) -> None:
        super().__init__("This run would be the seventeenth of a chain of runs that start each other.")
