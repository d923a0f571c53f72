"""The time line of a report: a row for each record, in order, with its content folded away.

Rows are made while the records are written, so that no record is held in memory.
"""

import json
from collections.abc import Iterator
from html import escape
from typing import Any

import msgspec

from provenance.core.clock import iso_millis
from provenance.evidence.erased import Gone
from provenance.evidence.sealed import Sealed

MOST_ROWS = 2_000
"""Rows of the time line; the records themselves are all in the pack."""
_MOST_CONTENT = 4_000


class Summary:
    """What the report says of the records, taken up while they are written."""

    def __init__(self) -> None:
        self.rows: list[str] = []
        self.first: int | None = None
        self.last: int | None = None

    def take(self, sealed: Sealed, gone: Gone | None) -> None:
        """Take up one record; ``gone`` says what became of its content."""
        occurred = sealed.row.occurred_at
        self.first = occurred if self.first is None else min(self.first, occurred)
        self.last = occurred if self.last is None else max(self.last, occurred)
        if len(self.rows) < MOST_ROWS:
            self.rows.append(_row(sealed, gone))


def time_line(summary: Summary, records: int) -> Iterator[str]:
    """Yield the table; the rows that it leaves out are only counted."""
    yield (
        '<h2>Time line</h2>\n<table class="line">\n<thead><tr><th class="number">No.</th><th class="when">'
        'When (UTC)</th><th class="who">Who</th><th class="what">Did what</th><th>To what</th></tr></thead>\n<tbody>\n'
    )
    yield from summary.rows
    yield "</tbody>\n</table>\n"
    if records > len(summary.rows):
        left = records - len(summary.rows)
        yield f"<p>{left:,} more records are in the file records.ndjson, in the same order.</p>\n"


def _row(sealed: Sealed, gone: Gone | None) -> str:
    envelope: dict[str, Any] = msgspec.json.decode(sealed.envelope)
    content: dict[str, Any] | None = None if sealed.row.content is None else msgspec.json.decode(sealed.row.content)
    outcome = f" {_outcome(str(envelope['outcome']))}" if envelope["outcome"] else ""
    return (
        f'<tr><td class="number">{sealed.number}</td><td class="when">{moment(sealed.row.occurred_at)}</td>'
        f'<td class="who">{_who(envelope, content)}</td>'
        f'<td class="what">{escape(envelope["action"])}{outcome}<small>from {escape(envelope["origin"])}</small></td>'
        f"<td>{_what(envelope, content, gone)}</td></tr>\n"
    )


def _outcome(word: str) -> str:
    style = ' class="bad"' if word in ("failure", "denied") else ""
    return f"<small{style}>{escape(word)}</small>"


def _who(envelope: dict[str, Any], content: dict[str, Any] | None) -> str:
    recorded = f"<small>recorded by {escape(envelope['recordedBy'])}</small>"
    if content is None:
        return f'<span class="erased">erased</span>{recorded}'
    behalf = content.get("onBehalfOf")
    named = escape(str(content.get("userId") or "\u2013"))
    return named + (f"<small>on behalf of {escape(listed(behalf))}</small>" if behalf else "") + recorded


def _what(envelope: dict[str, Any], content: dict[str, Any] | None, gone: Gone | None) -> str:
    kind = escape(envelope["resourceType"])
    if content is None:
        assert gone is not None, "a pack is not written of a row whose content is gone without an erasure"
        return f"{kind} {_erasure(gone)}"
    rest = {name: value for name, value in content.items() if name not in ("resourceId", "userId", "onBehalfOf")}
    shown = f"{kind} {escape(str(content.get('resourceId')))}"
    if not rest:
        return shown
    text = json.dumps(rest, ensure_ascii=False, indent=2)
    if len(text) > _MOST_CONTENT:
        text = text[:_MOST_CONTENT] + "\n… (all of it is in records.ndjson)"
    return f"{shown}<details><summary>content</summary><pre>{escape(text)}</pre></details>"


def _erasure(gone: Gone) -> str:
    when = gone.erased.replace("T", " ").removesuffix("Z")
    return (
        f'<span class="erased gone">content erased on {escape(when)} UTC, position and commitment proven</span>'
        f"<small>reason: {escape(gone.reason)}</small>"
    )


def listed(value: Any) -> str:
    """Return a value of a filter or a record as it reads in a sentence."""
    return " or ".join(str(each) for each in value) if isinstance(value, list) else str(value)


def moment(ns: int) -> str:
    """Return a time, in nanoseconds since the epoch, as people read it (UTC)."""
    return iso_millis(ns).replace("T", " ").removesuffix("Z")
