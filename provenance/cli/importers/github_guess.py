"""Which event a payload is, told by its keys.

GitHub names it in a header, which a kept payload may have lost.
"""

from collections.abc import Mapping
from typing import Any

SIGNATURES: tuple[tuple[str, frozenset[str]], ...] = tuple(
    (event, frozenset(keys.split()))
    for event, keys in (
        ("push", "ref commits"),
        ("create", "ref ref_type master_branch"),
        ("delete", "ref ref_type pusher_type"),
        ("workflow_dispatch", "workflow inputs ref"),
        ("repository_dispatch", "client_payload"),
        ("status", "sha context state"),
        ("deployment_review", "workflow_run reviewers since"),
        ("deployment_status", "deployment_status"),
        ("workflow_job", "workflow_job"),
        ("deployment", "deployment"),
        ("pull_request_review_comment", "pull_request comment"),
        ("pull_request_review_thread", "pull_request thread"),
        ("pull_request_review", "pull_request review"),
        ("pull_request", "pull_request number"),
        ("issue_comment", "issue comment"),
        ("discussion_comment", "discussion comment"),
        ("commit_comment", "comment"),
        ("issues", "issue"),
        ("code_scanning_alert", "alert commit_oid"),
        ("workflow_run", "workflow_run"),
        ("membership", "member team"),
        ("installation_repositories", "repositories_added"),
        ("installation", "installation repositories"),
        ("org_block", "blocked_user"),
        ("organization", "organization membership"),
        ("organization", "organization invitation"),
        ("branch_protection_rule", "rule"),
        ("deploy_key", "key"),
        ("ping", "zen"),
        ("meta", "hook hook_id"),
        ("gollum", "pages"),
        ("page_build", "build"),
        ("fork", "forkee"),
        ("star", "starred_at"),
        ("team", "team action"),
        ("team_add", "team"),
    )
)
"""The keys that only this event has among those further down; the first that fits is it."""

OWN_KEY = (
    *("check_run", "check_suite", "discussion", "label", "marketplace_purchase", "member"),
    *("merge_group", "milestone", "package", "project", "project_card", "project_column", "projects_v2_item"),
    *("release", "security_advisory", "sponsorship"),
)
"""Events whose payload has a key of their own name."""


def guess(payload: Mapping[str, Any]) -> str | None:
    """Return the event's name, or None when the keys leave it open."""
    for event, keys in SIGNATURES:
        if keys <= payload.keys():
            return event
    return next((event for event in OWN_KEY if event in payload), None)
