"""The report of a pack: one HTML page, without scripts, that says in plain words what was asked, found and checked.

It follows from the records and the head alone, so it is the same each time; the signed manifest covers its bytes.
"""

import json
from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files
from typing import Any

import msgspec

from provenance.core.clock import iso_millis
from provenance.evidence.completing import pinned_of
from provenance.evidence.schemas import Cited
from provenance.evidence.sealed import Sealed
from provenance.proof.checkpoints import Checkpoint
from provenance.proof.completeness_map import SUFFIX
from provenance.proof.notes import Note

MOST_ROWS = 2_000
"""Rows of the time line; the records themselves are all in the pack."""
_MOST_CONTENT = 4_000
_CSS = (files("provenance.evidence") / "report.css").read_text("utf-8")

_NAMES = {
    "resourceId": "Resource",
    "resourceType": "Kind of resource",
    "action": "Action",
    "origin": "Origin",
    "userId": "Person or user",
    "uowId": "Unit of work",
    "spanId": "Span",
    "interactionId": "Interaction",
    "externalReference": "External reference",
    "outcome": "Outcome",
    "relatedResourceId": "Related resource",
    "platform": "Rows of the platform itself",
    "from": "Not before",
    "before": "Before",
    "q": "Words in the content",
    "where": "Condition",
}


class Summary:
    """What the report says of the records, taken up while they are written."""

    def __init__(self) -> None:
        self.rows: list[str] = []
        self.erased = 0
        self.first: int | None = None
        self.last: int | None = None

    def take(self, sealed: Sealed) -> None:
        """Take up one record."""
        moment = sealed.row.occurred_at
        self.first = moment if self.first is None else min(self.first, moment)
        self.last = moment if self.last is None else max(self.last, moment)
        self.erased += sealed.row.content is None
        if len(self.rows) < MOST_ROWS:
            self.rows.append(_row(sealed))


def render(cited: Cited, summary: Summary, keys: Sequence[dict[str, Any]]) -> Iterator[bytes]:
    """Yield the page, piece by piece."""
    checkpoint = Checkpoint.parse(Note.parse(cited.checkpoint).text)
    parts = (
        _head(checkpoint),
        _asked(cited),
        _found(cited, summary),
        _checked(cited, summary, checkpoint),
        _open_questions(cited),
        _repeat(keys),
    )
    yield "".join(parts).encode()
    yield from (part.encode() for part in _time_line(cited, summary))
    yield _technical(cited, checkpoint, keys).encode()


def _head(checkpoint: Checkpoint) -> str:
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Evidence from {escape(checkpoint.origin)}</title>\n<style>\n{_CSS}</style>\n</head>\n<body>\n<main>\n"
        f'<h1>Evidence of recorded interactions</h1>\n<p class="lead">From the log {escape(checkpoint.origin)}, '
        f"as it stood at {checkpoint.size:,} entries.</p>\n"
    )


def _asked(cited: Cited) -> str:
    asked: dict[str, Any] = msgspec.json.decode(cited.asked)
    rows = [(_NAMES.get(name, name), _listed(value)) for name, value in asked.items()]
    return f"<h2>What was asked</h2>\n<p>All records for which every one of these holds:</p>\n{_facts(rows)}"


def _found(cited: Cited, summary: Summary) -> str:
    rows = [
        ("Records", f"{cited.records:,}"),
        ("Numbers in the log", f"{cited.numbers[0]:,} to {cited.numbers[-1]:,}, not all between them"),
        ("Earliest", _moment(summary.first or 0)),
        ("Latest", _moment(summary.last or 0)),
        ("Content erased since", f"{summary.erased:,}" if summary.erased else "none"),
        ("Signed by the log", f"{_moment(cited.signed_at)} at the latest, by the log's own clock"),
    ]
    if cited.numbers[-1] - cited.numbers[0] + 1 == cited.records:
        rows[1] = ("Numbers in the log", f"{cited.numbers[0]:,} to {cited.numbers[-1]:,}")
    return f"<h2>What was found</h2>\n{_facts(rows)}"


def _checked(cited: Cited, summary: Summary, checkpoint: Checkpoint) -> str:
    witnesses = [each.name for each in Note.parse(cited.checkpoint).signatures if each.name != checkpoint.origin]
    whole = cited.records - summary.erased
    checks = [
        (
            "The content is what was recorded.",
            f"When a record is made, its content is sealed by a digital fingerprint (SHA-256 with a secret salt). "
            f"For {whole:,} of {cited.records:,} records the fingerprint was computed again from the content in this "
            "pack, and it is the same. One changed letter would give another."
            + (f" Of the other {summary.erased:,} the content was erased on purpose." if summary.erased else ""),
        ),
        (
            "Each record stands where the log says.",
            f"Each fingerprint is a leaf of one tree over all {checkpoint.size:,} entries of the log. From each of the "
            f"{cited.records:,} records a path of fingerprints was followed up to the top of that tree. A record that "
            "was changed, moved, back-dated or put in later would lead elsewhere.",
        ),
        (
            "The log has committed itself to this.",
            "The top of the tree is signed with the log's own key. The log can't deny having stood like this, and "
            "can't show others another past without signing two versions that contradict each other.",
        ),
        (
            "This pack was put together by the log.",
            "The list of all files, this report included, with the fingerprint of each, is signed with the same key.",
        ),
    ]
    if cited.newest_size > cited.size:
        text = (
            f"By the time this evidence was asked for, the log had {cited.newest_size:,} entries. Its later signed "
            "head was shown to contain everything that the earlier one contains."
        )
        checks.append(("The log grew, and kept what it held.", text))
    if cited.completeness is not None:
        text = (
            f"The log keeps a signed index of which of its entries name which resource, user and unit of work. For the "
            f"one asked for it counts {cited.records:,} among the log's first {cited.newest_size:,} entries: exactly "
            "those in this pack. None is left out."
        )
        checks.append(("These are all the records.", text))
    items = "".join(f"<li><strong>{escape(title)}</strong>{escape(text)}</li>\n" for title, text in checks)
    return f'<h2>What was checked</h2>\n<ul class="checks">\n{items}{_witnessed(witnesses)}</ul>\n'


def _witnessed(names: Sequence[str]) -> str:
    if not names:
        return (
            '<li class="open"><strong>No witness has countersigned this head.</strong>Independent witnesses would rule '
            "out that the log showed others a different past. None is named here.</li>\n"
        )
    named = ", ".join(escape(name) for name in names)
    return f"<li><strong>Others have countersigned this head.</strong>Witnesses named under it: {named}.</li>\n"


def _open_questions(cited: Cited) -> str:
    open_ones = [
        "That what was recorded is true. It shows what was recorded, by which key, in which order.",
        "That the moment of an event is right: it is what the sender said. The order in the log, and that a record "
        "was there when the head was signed, are proven.",
    ]
    if cited.completeness is None:
        open_ones.append(
            "That these are all records of their kind: the log chose them by the filter above. Whoever holds the whole "
            "log can repeat the search."
        )
    elif b'"indexKey":null' not in pinned_of(cited.completeness)[0]:
        open_ones.append(
            "A caution: to prove that nothing is left out, this pack discloses the workspace's index key. Its holder "
            "can test guesses of ids against entries of that log, but can't read or change anything with it."
        )
    items = "".join(f"<li>{escape(each)}</li>\n" for each in open_ones)
    return f"<h2>What this does not show</h2>\n<ul>\n{items}</ul>\n"


def _repeat(keys: Sequence[dict[str, Any]]) -> str:
    own = [each for each in keys if not str(each["origin"]).endswith(SUFFIX)]
    key = escape(str(own[-1]["verifierKey"]))
    return (
        "<h2>How to check this yourself</h2>\n"
        "<p>On any computer with Python 3.8 or newer, without a network:</p>\n"
        f"<pre>python3 verify.py PACK.zip --key '{key}'</pre>\n"
        "<p>The program reads every byte of the pack and says what it found; one changed byte makes it fail and name "
        "the place. Before you rely on the key printed here, compare it with the one that the log's operator gives you "
        "by another way: a pack can't vouch for its own key.</p>\n"
    )


def _time_line(cited: Cited, summary: Summary) -> Iterator[str]:
    yield (
        '<h2>Time line</h2>\n<table class="line">\n<thead><tr><th class="number">No.</th><th class="when">'
        'When (UTC)</th><th class="who">Who</th><th class="what">Did what</th><th>To what</th></tr></thead>\n<tbody>\n'
    )
    yield from summary.rows
    yield "</tbody>\n</table>\n"
    if cited.records > len(summary.rows):
        left = cited.records - len(summary.rows)
        yield f"<p>{left:,} more records are in the file records.ndjson, in the same order.</p>\n"


def _row(sealed: Sealed) -> str:
    envelope: dict[str, Any] = msgspec.json.decode(sealed.envelope)
    content: dict[str, Any] | None = None if sealed.row.content is None else msgspec.json.decode(sealed.row.content)
    outcome = f" {_outcome(str(envelope['outcome']))}" if envelope["outcome"] else ""
    return (
        f'<tr><td class="number">{sealed.number}</td><td class="when">{_moment(sealed.row.occurred_at)}</td>'
        f'<td class="who">{_who(envelope, content)}</td>'
        f'<td class="what">{escape(envelope["action"])}{outcome}<small>from {escape(envelope["origin"])}</small></td>'
        f"<td>{_what(envelope, content)}</td></tr>\n"
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
    return named + (f"<small>on behalf of {escape(_listed(behalf))}</small>" if behalf else "") + recorded


def _what(envelope: dict[str, Any], content: dict[str, Any] | None) -> str:
    kind = escape(envelope["resourceType"])
    if content is None:
        return f'{kind} <span class="erased">content erased; position and commitment are proven</span>'
    rest = {name: value for name, value in content.items() if name not in ("resourceId", "userId", "onBehalfOf")}
    shown = f"{kind} {escape(str(content.get('resourceId')))}"
    if not rest:
        return shown
    text = json.dumps(rest, ensure_ascii=False, indent=2)
    if len(text) > _MOST_CONTENT:
        text = text[:_MOST_CONTENT] + "\n… (all of it is in records.ndjson)"
    return f"{shown}<details><summary>content</summary><pre>{escape(text)}</pre></details>"


def _technical(cited: Cited, checkpoint: Checkpoint, keys: Sequence[dict[str, Any]]) -> str:
    rows = [("Log", checkpoint.origin), ("Entries", f"{checkpoint.size:,}"), ("Root (SHA-256)", checkpoint.root.hex())]
    rows += [("Verifier key", str(each["verifierKey"])) for each in keys]
    return (
        f"<h2>Technical particulars</h2>\n{_facts(rows, code=True)}"
        "<p>Formats: RFC 9162 Merkle tree, C2SP signed-note and tlog-checkpoint, RFC 8785 canonical JSON, Ed25519."
        "</p>\n"
        f"<pre>{escape(cited.checkpoint)}</pre>\n</main>\n</body>\n</html>\n"
    )


def _facts(rows: Sequence[tuple[str, str]], *, code: bool = False) -> str:
    cell = "<td><code>{}</code></td>" if code else "<td>{}</td>"
    lines = [f"<tr><th>{escape(name)}</th>{cell.format(escape(value))}</tr>\n" for name, value in rows]
    return f'<table class="facts">\n{"".join(lines)}</table>\n'


def _listed(value: Any) -> str:
    return " or ".join(str(each) for each in value) if isinstance(value, list) else str(value)


def _moment(ns: int) -> str:
    return iso_millis(ns).replace("T", " ").removesuffix("Z")
