"""A GitHub webhook payload as an interaction: what happened to what, by whom, in which unit of work."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from provenance.cli.importers.github_shapes import EVENTS, Shape
from provenance.cli.importers.github_times import happened_at
from provenance.cli.importers.units import commit_unit, thread_unit, unit

Payload = Mapping[str, Any]

MOST_RELATED = 64
"""Related resources that an interaction holds (spec: Interaction)."""

OUTCOMES = {
    "success": "success",
    "neutral": "success",
    "failure": "failure",
    "error": "failure",
    "timed_out": "failure",
    "startup_failure": "failure",
    "action_required": "denied",
}
"""What a conclusion or a state of checks, runs and deployments says about the outcome."""

JUDGED = frozenset({"check_run", "check_suite", "deployment_status", "status", "workflow_job", "workflow_run"})
"""Events that have an outcome."""

THREADS = ("pull_request", "issue", "discussion")
"""Payload keys of what people talk in; they share their numbers."""

NOWHERE = "0" * 40
"""The commit of a ref that does not exist."""

_HOLE = re.compile(r"\{([a-z0-9_.|]+)\}")
_NOT_MNEMONIC = re.compile(r"[^A-Z0-9_.-]+")


def interaction(event: str, payload: Payload, delivered: str | None = None) -> dict[str, Any] | None:
    """Return the fields of a batch item without its key, or None when it names nothing it happened to.

    `delivered` is the time of delivery, for events that carry no time of their own.
    """
    shape = EVENTS.get(event) or _unknown(event, payload)
    kind, name = _resource(shape, payload)
    if name is None:
        return None
    item = {
        "resourceType": kind,
        "resourceId": name,
        "action": _mnemonic(_text(payload.get("action")) or shape.verb or event),
        "origin": "GITHUB",
        "userId": _path(payload, "sender.login"),
        "uowId": _unit(payload) or unit(f"{kind}:{name}"),
        "timestamp": happened_at(payload, shape.subject, delivered),
        "outcome": _outcome(payload, shape.subject) if event in JUDGED else None,
        "externalReference": _page(payload, shape.subject),
        "relatedResources": [each for each in _related(payload) if each["resourceId"] != name][:MOST_RELATED],
        "interaction": payload,
    }
    return {field: value for field, value in item.items() if value is not None}


def _resource(shape: Shape, payload: Payload) -> tuple[str, str | None]:
    """Return the resource's type and id; the id is None when the payload lacks a part of it."""
    kind = shape.resource_type
    if kind == "REF":
        ref = _ref(payload)
        kind = "TAG" if ref and ref.startswith("refs/tags/") else "BRANCH"
    parts = {hole: _part(payload, hole) for hole in _HOLE.findall(shape.resource_id)}
    if any(part is None for part in parts.values()):
        return kind, None
    name = _HOLE.sub(lambda found: str(parts[found[1]]), shape.resource_id)
    return kind, name if len(name) <= 512 else None


def _part(payload: Payload, hole: str) -> str | None:
    if hole == "owner":
        return _path(payload, "repository.full_name") or _part(payload, "org") or _path(payload, "sender.login")
    if hole == "org":
        return _path(payload, "organization.login") or _path(payload, "repository.owner.login")
    if hole == "ref":
        return _ref(payload)
    return next((part for path in hole.split("|") if (part := _path(payload, path))), None)


def _ref(payload: Payload) -> str | None:
    """Return the full name of the ref; `create` and `delete` give a short one and its type beside it."""
    ref = _path(payload, "ref")
    if ref is None or ref.startswith("refs/"):
        return ref
    return f"refs/{'tags' if payload.get('ref_type') == 'tag' else 'heads'}/{ref}"


def _unknown(event: str, payload: Payload) -> Shape:
    """Return how an event reads that is newer than this table.

    By the key of its name, or about the repository.
    """
    about = payload.get(event)
    ids = [key for key in ("number", "id", "name") if isinstance(about, Mapping) and _path(payload, f"{event}.{key}")]
    place = f"{{owner}}/{event}/{{{event}.{ids[0]}}}" if ids else "{owner}"
    return Shape(_mnemonic(event) if ids else "REPOSITORY", place, event, event)


def _unit(payload: Payload) -> str | None:
    """Return what groups this event with others: the thread it belongs to, else the commit it is about."""
    repository = _path(payload, "repository.full_name")
    if repository is None:
        return None
    if number := _thread(payload):
        return thread_unit(repository, number)
    sha = next(_commits(payload), None)
    return commit_unit(repository, sha) if sha else None


def _thread(payload: Payload) -> int | None:
    """Return the number of the pull request, issue or discussion; a check belongs to its one pull request."""
    for key in THREADS:
        number = _value(payload, f"{key}.number")
        if isinstance(number, int):
            return number
    for key in ("check_run", "check_suite", "workflow_run"):
        requests = _value(payload, f"{key}.pull_requests")
        if isinstance(requests, list) and len(requests) == 1 and isinstance(requests[0], Mapping):
            number = requests[0].get("number")
            return number if isinstance(number, int) else None
    return None


def _commits(payload: Payload) -> Iterator[str]:
    """Yield the commits that an event is about, the likeliest first."""
    places = ("sha", "after", "commit_oid", "comment.commit_id", "review.commit_id", "pull_request.head.sha")
    heads = ("check_run", "check_suite", "workflow_run", "workflow_job", "merge_group")
    for place in (*places, *(f"{head}.head_sha" for head in heads), "deployment.sha", "before"):
        sha = _path(payload, place)
        if sha and sha != NOWHERE:
            yield sha


def _related(payload: Payload) -> Iterator[dict[str, str]]:
    """Yield what else the event touches.

    Repository, organisation, thread, commits, repositories of a fork.
    """
    repository = _path(payload, "repository.full_name")
    for kind, place in (("REPOSITORY", "repository.full_name"), ("ORGANIZATION", "organization.login")):
        if name := _path(payload, place):
            yield _related_to(kind, name, "affected")
    if name := _path(payload, "forkee.full_name"):
        yield _related_to("REPOSITORY", name, "generated")
    if repository is None:
        return
    if number := _thread(payload):
        yield _related_to(_thread_kind(payload), f"{repository}#{number}", "affected")
    for sha in dict.fromkeys(_commits(payload)):
        yield _related_to("COMMIT", f"{repository}@{sha}", "used")
    commits = payload.get("commits")
    for commit in commits if isinstance(commits, list) else ():
        if pushed := _path(commit, "id"):
            yield _related_to("COMMIT", f"{repository}@{pushed}", "affected")


def _thread_kind(payload: Payload) -> str:
    if "discussion" in payload:
        return "DISCUSSION"
    # An issue that is a pull request says so inside.
    return "ISSUE" if "issue" in payload and not _value(payload, "issue.pull_request") else "PULL_REQUEST"


def _related_to(kind: str, name: str, role: str) -> dict[str, str]:
    return {"resourceType": kind, "resourceId": name, "role": role}


def _outcome(payload: Payload, subject: str) -> str | None:
    """Return the outcome that a conclusion or a state tells; None while it is open."""
    for place in (f"{subject}.conclusion", f"{subject}.state", "state"):
        if (word := _path(payload, place)) and (outcome := OUTCOMES.get(word)):
            return outcome
    return None


def _page(payload: Payload, subject: str) -> str | None:
    """Return the web page to look at: the subject's own, else the comparison, else the repository's."""
    pages = [_path(payload, place) for place in (f"{subject}.html_url", "compare", "repository.html_url")]
    return next((page for page in pages if page and len(page) <= 512), None)


def _mnemonic(word: str) -> str:
    return _NOT_MNEMONIC.sub("_", word.upper())[:64].strip("_") or "UNNAMED"


def _path(payload: Any, path: str) -> str | None:
    """Return the text or number at a dotted path, as text.

    None when it is missing, empty or something else.
    """
    return _text(_value(payload, path))


def _text(value: Any) -> str | None:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) and value != "" else None


def _value(payload: Any, path: str) -> Any:
    for key in path.split("."):
        payload = payload.get(key) if isinstance(payload, Mapping) else None
    return payload
