"""What can go wrong with approvals."""

from collections.abc import Iterable

from provenance.core.errors import Conflict, Detail, Invalid, NotAllowed, NotFound


class ApprovalNotFound(NotFound):
    """This workspace has no approval with this id."""

    code = "approval_not_found"

    def __init__(self) -> None:
        super().__init__("This workspace has no approval with this id.")


class AlreadyDecided(Conflict):
    """The approval is not pending any more: it was decided, it expired, or its run has ended."""

    code = "already_decided"

    def __init__(self, status: str) -> None:
        super().__init__(f"This approval is {status} already.")


class AlreadyVoted(Conflict):
    """The same person has decided on this state of the approval before; others are waited for."""

    code = "already_voted"

    def __init__(self) -> None:
        super().__init__("You have approved this already; it waits for others.")


class StalePayload(Conflict):
    """What is to be approved was changed meanwhile; ``details`` say how it differs from what was read."""

    code = "stale_payload"

    def __init__(self, seen: int, current: int, differences: Iterable[Detail]) -> None:
        message = f"You saw revision {seen}; it is {current} now. Read the approval again."
        super().__init__(message, details=list(differences))


class PayloadUnfit(Invalid):
    """The payload does not fit the schema that the approval step gives for it."""

    code = "payload_unfit"

    def __init__(self, faults: list[Detail]) -> None:
        first = faults[0]
        super().__init__(f"{first['path']}: {first['issue']}", details=faults)


class NotReviewer(NotAllowed):
    """The person is neither assigned, nor among the approvers, nor an administrator."""

    code = "not_a_reviewer"

    def __init__(self) -> None:
        super().__init__("This approval is not yours to decide: ask its assignees, the approvers or an administrator.")


class SelfApproval(NotAllowed):
    """Who started the run, or made the key that did, may not approve its steps of this risk."""

    code = "self_approval"

    def __init__(self, risk: str) -> None:
        super().__init__(f"You started this run; somebody else has to approve its steps of {risk} risk.")


class NoPasskey(Conflict):
    """The person has no passkey to sign with; `POST /auth/passkeys/register/begin` begins to make one."""

    code = "no_passkey"

    def __init__(self) -> None:
        super().__init__("You have no passkey to sign this with. Register one first.")


class AssertionRefused(Invalid):
    """The passkey's answer does not sign this approval as it stands now, on this site, by who decides."""

    code = "assertion_refused"

    def __init__(self) -> None:
        super().__init__("The passkey's answer does not sign this approval as it stands. Ask for a new challenge.")


class PasskeyNeeded(NotAllowed):
    """This approval is decided with a passkey only; the challenge of the approval says what it has to sign."""

    code = "passkey_required"

    def __init__(self) -> None:
        super().__init__(
            "This approval has to be signed with a passkey: sign in, ask POST /approvals/{id}/challenge, and send "
            "what the passkey answers as the decision's assertion."
        )


class UnknownAssignee(Invalid):
    """An assignee is no active member of the workspace."""

    code = "unknown_assignee"
