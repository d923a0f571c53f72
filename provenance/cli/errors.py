"""How a command ends when it does not succeed: one class per exit code, and the words people read."""

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from provenance_client.errors import ProvenanceError

HINTS = {
    "not_authenticated": "Set a valid key: provenance config set api-key pv_…, or PROVENANCE_API_KEY.",
    "not_allowed": "Use a key with the missing scope or role; an administrator can make one.",
    "self_approval": "Ask another reviewer, or an administrator who did not start the run.",
    "not_reviewer": "provenance approvals show names who may decide.",
    "fresh_login_required": "Sign in again: provenance login.",
    "idempotency_conflict": "That key or span already stands for other content; use a new one.",
    "reserved_origin": "Choose another origin with -o; PLATFORM is written by the server alone.",
    "unknown_mnemonic": "Create it first: provenance resource-types|actions|origins create MNEMONIC.",
    "in_use": "Interactions refer to it; what the ledger refers to stays.",
    "rate_limited": "Wait a moment and try again.",
}
"""What to do about a refusal, by the client's class code or the server's own."""


class CommandFailed(Exception):
    """A command that did not do what it was asked; `exit_code` is the process's answer."""

    exit_code: ClassVar[int] = 1


class Refused(CommandFailed):
    """The server answered no, or part of the work failed (exit 1)."""


class Misused(CommandFailed):
    """The command line or its input makes no sense, and nothing was sent (exit 2)."""

    exit_code = 2


class ServerAway(CommandFailed):
    """No answer from the server (exit 3)."""

    exit_code = 3


def from_client(error: "ProvenanceError") -> CommandFailed:
    """Turn an error of the client library into the command's own, with what to do about it."""
    if error.status is None:  # no answer arrived
        return ServerAway(
            f"{error.detail}\n"
            "Start a server here with `provenance up`, or name another with --api-url or PROVENANCE_API_URL."
        )
    lines = [f"{error.detail} [{error.code}]"]
    lines += [f"  {issue.get('path') or '(body)'}: {issue.get('issue')}" for issue in error.details]
    hint = HINTS.get(error.code) or HINTS.get(error.default_code)
    if hint:
        lines.append(hint)
    if error.request_id:
        lines.append(f"(request {error.request_id})")
    return Refused("\n".join(lines))
