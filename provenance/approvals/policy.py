"""The policy by risk (spec/automation.md, 9.2) and who may decide: pure rules."""

from collections.abc import Iterable
from hashlib import sha256
from typing import Any, Final, NamedTuple

from provenance.audit.schemas import Risk
from provenance.core.actor import Actor, Role
from provenance.proof.canonical import canonical
from provenance.workspace.schemas import ApprovalRules

APPROVERS: Final = "approvers"
EDITION: Final = 1
"""Raised with every change of `RULES`: decisions name it in the policy they were made under."""


RISKS: Final = tuple(Risk)


class Rule(NamedTuple):
    """What a risk asks for where its step says nothing.

    ``starter``: whether who started the run may approve: ``always``, ``allowed`` where the workspace's
    ``selfApproval`` says so, or ``never``.
    """

    reviewers: int
    sla_minutes: int
    starter: str


RULES: Final = {
    Risk.LOW: Rule(1, 480, "always"),
    Risk.MEDIUM: Rule(1, 480, "always"),
    Risk.HIGH: Rule(1, 120, "allowed"),
    Risk.CRITICAL: Rule(2, 30, "never"),
}


def reviewers(risk: Risk, asked: int | None) -> int:
    """Return how many people must approve: what the step says, for critical risk two at least."""
    least = RULES[risk].reviewers
    if asked is None:
        return least
    return max(asked, least) if risk is Risk.CRITICAL else asked


def sla_minutes(risk: Risk, asked: int | None) -> int:
    """Return after how many minutes a decision is overdue."""
    return RULES[risk].sla_minutes if asked is None else asked


def starter_may(risk: Risk, *, self_approval: bool) -> bool:
    """Tell whether who started the run may approve."""
    rule = RULES[risk].starter
    return rule == "always" or (rule == "allowed" and self_approval)


def needs_passkey(risk: Risk, asked: bool | None, least: str | None) -> bool:
    """Tell whether a passkey has to sign: the step says so, or its risk is ``least`` (the workspace's) or more."""
    return bool(asked) or (least is not None and RISKS.index(risk) >= RISKS.index(Risk(least)))


def policy_revision(rules: ApprovalRules) -> str:
    """Name the policy in force: another name whenever the rules or the workspace's settings for them change."""
    told: dict[str, Any] = {
        "edition": EDITION,
        "selfApproval": rules.self_approval,
        "defaultApprovers": sorted(rules.default_approvers),
    }
    if rules.passkey_from is not None:
        told["requirePasskeyFrom"] = rules.passkey_from
    return f"{EDITION}-{sha256(canonical(told)).hexdigest()[:16]}"


def assigned_as(actor: Actor) -> list[str]:
    """Return the forms in which somebody can be assigned: in person, by each role they have, by each group."""
    if actor.role is None:
        return []
    roles = [f"role:{role.name.lower()}" for role in Role if role <= actor.role]
    return [f"user:{actor.id}", *roles, *sorted(f"group:{group}" for group in actor.groups)]


def may_decide(actor: Actor, assignees: Iterable[str]) -> bool:
    """Tell whether somebody is assigned, among the approvers, or an administrator."""
    if actor.role is None:
        return False
    if actor.role is Role.ADMIN or APPROVERS in actor.groups:
        return True
    return not set(assigned_as(actor)).isdisjoint(assignees)
