"""What each GitHub webhook event happened to: one line per event."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shape:
    """How an event reads as an interaction.

    `resource_id` holds paths into the payload in braces, besides `{owner}` (the repository, else the
    organisation or the account), `{org}` and `{ref}`; `subject` is the payload's key with the times and the
    page of what happened; `verb` is the action of an event that has no `action` of its own.
    """

    resource_type: str
    resource_id: str
    subject: str
    verb: str = ""


EVENTS: dict[str, Shape] = {
    "branch_protection_rule": Shape("BRANCH_PROTECTION_RULE", "{owner}/branch-protection/{rule.name}", "rule"),
    "check_run": Shape("CHECK_RUN", "{owner}/runs/{check_run.id}", "check_run"),
    "check_suite": Shape("CHECK_SUITE", "{owner}/check-suites/{check_suite.id}", "check_suite"),
    "code_scanning_alert": Shape("CODE_SCANNING_ALERT", "{owner}/code-scanning/{alert.number}", "alert"),
    "commit_comment": Shape("COMMIT_COMMENT", "{owner}/comments/{comment.id}", "comment"),
    "create": Shape("REF", "{owner}:{ref}", "", "CREATE"),
    "delete": Shape("REF", "{owner}:{ref}", "", "DELETE"),
    "dependabot_alert": Shape("DEPENDABOT_ALERT", "{owner}/dependabot/{alert.number}", "alert"),
    "deploy_key": Shape("DEPLOY_KEY", "{owner}/keys/{key.id}", "key"),
    "deployment": Shape("DEPLOYMENT", "{owner}/deployments/{deployment.id}", "deployment", "CREATED"),
    "deployment_review": Shape(
        "DEPLOYMENT_REVIEW",
        "{owner}/actions/runs/{workflow_run.id}/environments/{environment}",
        "workflow_run",
    ),
    "deployment_status": Shape(
        "DEPLOYMENT_STATUS",
        "{owner}/deployments/{deployment.id}/statuses/{deployment_status.id}",
        "deployment_status",
        "CREATED",
    ),
    "discussion": Shape("DISCUSSION", "{owner}#{discussion.number}", "discussion"),
    "discussion_comment": Shape("DISCUSSION_COMMENT", "{owner}#{discussion.number}/comments/{comment.id}", "comment"),
    "fork": Shape("REPOSITORY", "{owner}", "forkee", "FORK"),
    "github_app_authorization": Shape("GITHUB_APP_AUTHORIZATION", "{sender.login}", ""),
    "gollum": Shape("WIKI", "{owner}/wiki", "", "EDIT"),
    "installation": Shape("INSTALLATION", "installations/{installation.id}", "installation"),
    "installation_repositories": Shape("INSTALLATION", "installations/{installation.id}", "installation"),
    "issue_comment": Shape("ISSUE_COMMENT", "{owner}#{issue.number}/comments/{comment.id}", "comment"),
    "issues": Shape("ISSUE", "{owner}#{issue.number}", "issue"),
    "label": Shape("LABEL", "{owner}/labels/{label.name}", "label"),
    "marketplace_purchase": Shape(
        "MARKETPLACE_PURCHASE", "marketplace/{marketplace_purchase.account.login}", "marketplace_purchase"
    ),
    "member": Shape("COLLABORATOR", "{owner}/collaborators/{member.login}", "member"),
    "membership": Shape("TEAM_MEMBERSHIP", "{org}/teams/{team.slug|team.id}/members/{member.login}", "member"),
    "merge_group": Shape("MERGE_GROUP", "{owner}/merge-groups/{merge_group.head_sha}", "merge_group"),
    "meta": Shape("WEBHOOK", "{owner}/hooks/{hook_id}", "hook"),
    "milestone": Shape("MILESTONE", "{owner}/milestones/{milestone.number}", "milestone"),
    "org_block": Shape("USER_BLOCK", "{org}/blocks/{blocked_user.login}", "blocked_user"),
    "organization": Shape("ORGANIZATION", "{org}", "organization"),
    "package": Shape("PACKAGE", "{owner}/packages/{package.id}", "package"),
    "page_build": Shape("PAGES_BUILD", "{owner}/pages/builds/{id}", "build", "BUILD"),
    "ping": Shape("WEBHOOK", "{owner}/hooks/{hook_id}", "hook", "PING"),
    "project": Shape("PROJECT", "{owner}/projects/{project.number}", "project"),
    "project_card": Shape("PROJECT_CARD", "{owner}/projects/cards/{project_card.id}", "project_card"),
    "project_column": Shape("PROJECT_COLUMN", "{owner}/projects/columns/{project_column.id}", "project_column"),
    "projects_v2_item": Shape("PROJECT_ITEM", "{org}/projects/items/{projects_v2_item.id}", "projects_v2_item"),
    "public": Shape("REPOSITORY", "{owner}", "repository", "PUBLICIZED"),
    "pull_request": Shape("PULL_REQUEST", "{owner}#{pull_request.number}", "pull_request"),
    "pull_request_review": Shape("PULL_REQUEST_REVIEW", "{owner}#{pull_request.number}/reviews/{review.id}", "review"),
    "pull_request_review_comment": Shape(
        "PULL_REQUEST_COMMENT", "{owner}#{pull_request.number}/comments/{comment.id}", "comment"
    ),
    "pull_request_review_thread": Shape(
        "PULL_REQUEST_THREAD", "{owner}#{pull_request.number}/threads/{thread.node_id}", "thread"
    ),
    "push": Shape("REF", "{owner}:{ref}", "head_commit", "PUSH"),
    "release": Shape("RELEASE", "{owner}/releases/{release.tag_name}", "release"),
    "repository": Shape("REPOSITORY", "{owner}", "repository"),
    "repository_dispatch": Shape("REPOSITORY", "{owner}", "", "DISPATCH"),
    "repository_import": Shape("REPOSITORY", "{owner}", "repository", "IMPORT"),
    "repository_vulnerability_alert": Shape("VULNERABILITY_ALERT", "{owner}/vulnerability-alerts/{alert.id}", "alert"),
    "security_advisory": Shape("SECURITY_ADVISORY", "{security_advisory.ghsa_id}", "security_advisory"),
    "sponsorship": Shape("SPONSORSHIP", "sponsorships/{sponsorship.node_id}", "sponsorship"),
    "star": Shape("STAR", "{owner}/stargazers/{sender.login}", ""),
    "status": Shape("COMMIT", "{owner}@{sha}", "commit", "STATUS"),
    "team": Shape("TEAM", "{org}/teams/{team.slug|team.id}", "team"),
    "team_add": Shape("TEAM", "{org}/teams/{team.slug|team.id}", "team", "ADDED_TO_REPOSITORY"),
    "watch": Shape("WATCH", "{owner}/watchers/{sender.login}", ""),
    "workflow_dispatch": Shape("WORKFLOW", "{owner}/{workflow}", "", "DISPATCH"),
    "workflow_job": Shape("WORKFLOW_JOB", "{owner}/actions/jobs/{workflow_job.id}", "workflow_job"),
    "workflow_run": Shape("WORKFLOW_RUN", "{owner}/actions/runs/{workflow_run.id}", "workflow_run"),
}
