"""`import github-webhooks`: recorded webhook payloads, in the forms people keep them in."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any

from provenance.cli import strict_json
from provenance.cli.importers import github_events, github_guess
from provenance.cli.importers.contract import BadSource, Record, Unreadable
from provenance.cli.importers.github_shapes import EVENTS

NOT_PAYLOADS = frozenset({"package.json", "package-lock.json"})
"""Files that lie beside payloads in a package and are none."""


@dataclass(frozen=True, slots=True)
class Found:
    """A payload in the source, with the event's name and the delivery's id as far as they were kept."""

    where: str
    payload: Any
    event: str | None = None
    delivery: str | None = None
    delivered: str | None = None


class GithubWebhooks:
    """Reads a file or a folder of GitHub webhook payloads.

    A file holds one payload, an array of them, deliveries (`{event, delivery, payload}` or the deliveries
    API's form) or the index of `@octokit/webhooks-examples`. In a folder, `<event>.json`,
    `<event>.<action>.payload.json` or `<event>/….json` name the event; otherwise the payload's shape does.
    """

    name = "github-webhooks"
    help = "Import GitHub webhook payloads: a file, or a folder of them."
    source = "FILE|DIR"

    def records(self, source: str) -> Iterator[Record | Unreadable]:
        """Yield a record per payload. Raises BadSource when the path does not exist."""
        seen: Counter[str] = Counter()
        for found in _payloads(source):
            yield found if isinstance(found, Unreadable) else _record(found, seen)

    def total(self, source: str) -> int | None:
        """Return the number of payloads."""
        return sum(1 for _ in _payloads(source))

    def fingerprint(self, source: str) -> str | None:
        """Return a digest of the files' names and sizes."""
        listed = [f"{path}:{path.stat().st_size}" for path in _files(source)]
        return sha256("\n".join(listed).encode()).hexdigest()


def _record(found: Found, seen: Counter[str]) -> Record | Unreadable:
    """Return the payload's interaction; its key tells equal payloads of one source apart by their order."""
    if not isinstance(found.payload, Mapping):
        return Unreadable(found.where, "not a JSON object")
    event = found.event or github_guess.guess(found.payload)
    if event is None:
        return Unreadable(found.where, "no GitHub event is like this; name the file <event>.json")
    item = github_events.interaction(event, found.payload, found.delivered)
    if item is None:
        return Unreadable(found.where, f"a {event} payload without what it happened to")
    if found.delivery:
        key = f"github:{found.delivery}"
    else:
        text = json.dumps(found.payload, sort_keys=True, separators=(",", ":"))
        digest = f"{event}:{blake2b(text.encode(), digest_size=16).hexdigest()}"
        seen[digest] += 1
        key = f"github:{digest}:{seen[digest]}"
    return Record(found.where, {"idempotencyKey": key, **item})


def _payloads(source: str) -> Iterator[Found | Unreadable]:
    """Yield every payload of every file, in the order of the file names."""
    root = Path(source)
    for path in _files(source):
        where = str(path.relative_to(root)) if path != root else path.name
        try:
            content = strict_json.parse(path.read_bytes())
        except (OSError, ValueError) as error:
            yield Unreadable(where, f"cannot be read: {error}")
        else:
            yield from _unpacked(where, content, _event_of(path))


def _files(source: str) -> list[Path]:
    path = Path(source)
    if path.is_dir():
        return sorted(found for found in path.rglob("*.json") if found.is_file() and found.name not in NOT_PAYLOADS)
    if not path.exists():
        raise BadSource(f"{source} does not exist. Give a file or a folder of webhook payloads.")
    return [path]


def _event_of(path: Path) -> str | None:
    """Return the event that a file's name or its folder's name tells.

    `issues.opened.payload.json`, `issues/1.json`.
    """
    for word in (path.name.split(".")[0], path.parent.name):
        if word in EVENTS:
            return word
    return None


def _unpacked(where: str, content: Any, event: str | None) -> Iterator[Found | Unreadable]:
    """Yield the payloads inside a file's value: an array, an index entry, a delivery, or a payload itself."""
    if isinstance(content, list):
        for index, entry in enumerate(content):
            yield from _unpacked(f"{where}[{index}]", entry, event)
    elif isinstance(content, dict) and isinstance(content.get("examples"), list) and "name" in content:
        name = str(content["name"])
        for index, payload in enumerate(content["examples"]):
            action = f" {payload['action']}" if isinstance(payload, dict) and "action" in payload else ""
            yield Found(f"{where} {name}[{index}]{action}", payload, name)
    elif isinstance(content, dict) and (delivery := _delivery(where, content, event)):
        yield delivery
    else:
        yield Found(where, content, event)


def _delivery(where: str, content: dict[str, Any], event: str | None) -> Found | None:
    """Return the payload of a delivery (`{event, delivery, payload}` or GitHub's own form), else None."""
    request = content.get("request") if isinstance(content.get("request"), dict) else content
    assert isinstance(request, dict)
    payload = request.get("payload")
    if not isinstance(payload, dict):
        return None
    headers = {str(name).lower(): value for name, value in (request.get("headers") or {}).items()}
    name = content.get("event") or headers.get("x-github-event") or event
    guid = content.get("delivery") or content.get("guid") or headers.get("x-github-delivery")
    at = content.get("delivered_at")
    return Found(where, payload, *(str(value) if value else None for value in (name, guid, at)))
