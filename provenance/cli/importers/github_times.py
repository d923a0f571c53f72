"""When a GitHub event happened, by the payload's own times."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

BY_ACTION = {
    "created": ("created_at",),
    "opened": ("created_at",),
    "closed": ("closed_at",),
    "submitted": ("submitted_at",),
    "published": ("published_at",),
    "completed": ("completed_at",),
    "in_progress": ("started_at",),
    "queued": ("created_at", "started_at"),
    "requested": ("created_at",),
    "fixed": ("fixed_at",),
    "withdrawn": ("withdrawn_at",),
}
"""The time of the subject that an action set."""

ALWAYS = ("updated_at", "timestamp", "completed_at", "submitted_at", "started_at", "created_at")
"""The subject's times otherwise, the likeliest first."""

TOP = ("starred_at", "effective_date", "since", "updated_at", "created_at")
"""Times beside the subject."""


def happened_at(payload: Mapping[str, Any], subject: str, delivered: str | None) -> str | None:
    """Return the event's time as ISO 8601 UTC.

    The subject's, the payload's, the delivery's, the repository's.
    """
    for value in _candidates(payload, subject, delivered):
        if moment := _moment(value):
            return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return None


def _candidates(payload: Mapping[str, Any], subject: str, delivered: str | None) -> Iterator[Any]:
    about = payload.get(subject)
    if isinstance(about, Mapping):
        for name in (*BY_ACTION.get(str(payload.get("action")), ()), *ALWAYS):
            yield about.get(name)
    for name in TOP:
        yield payload.get(name)
    yield delivered
    repository = payload.get("repository")
    if isinstance(repository, Mapping):
        yield repository.get("pushed_at" if "ref" in payload else "updated_at")
        yield repository.get("updated_at")


def _moment(value: Any) -> datetime | None:
    """Return a time given as ISO 8601 with a zone, or as seconds since 1970; GitHub uses both."""
    try:
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return datetime.fromtimestamp(value, UTC)
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except (ValueError, OverflowError, OSError):
        return None
    return found if found and found.tzinfo else None
