"""The report of a pack: one HTML page, without scripts, that says in plain words what was asked, found and checked.

It follows from the records and the head alone, so it is the same each time; the signed manifest covers its bytes.
"""

from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files
from typing import Any

import msgspec

from provenance.evidence.completing import pinned_of
from provenance.evidence.erased import Erased
from provenance.evidence.schemas import Cited
from provenance.evidence.time_line import Summary, listed, moment, time_line
from provenance.proof.checkpoints import Checkpoint
from provenance.proof.completeness_map import SUFFIX
from provenance.proof.notes import Note

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


def render(
    cited: Cited, summary: Summary, erased: Erased, keys: Sequence[dict[str, Any]], signer: str
) -> Iterator[bytes]:
    """Yield the page, piece by piece; ``signer`` is the verifier key of who signs the pack."""
    checkpoint = Checkpoint.parse(Note.parse(cited.checkpoint).text)
    parts = (
        _head(checkpoint),
        _sum(cited, erased),
        _asked(cited),
        _found(cited, summary, erased) if cited.records else _nothing(cited),
        _checked(cited, erased, checkpoint),
        _open_questions(cited),
        _repeat(signer),
    )
    yield "".join(parts).encode()
    if cited.records:
        yield from (part.encode() for part in time_line(summary, cited.records))
    yield _technical(cited, checkpoint, keys).encode()


def _head(checkpoint: Checkpoint) -> str:
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Evidence from {escape(checkpoint.origin)}</title>\n<style>\n{_CSS}</style>\n</head>\n<body>\n<main>\n"
        f'<h1>Evidence of recorded interactions</h1>\n<p class="lead">From the log {escape(checkpoint.origin)}, '
        f"as it stood at {checkpoint.size:,} entries.</p>\n"
    )


def _sum(cited: Cited, erased: Erased) -> str:
    """What the pack shows, in two sentences for who reads no further."""
    if not cited.records:
        text = "This pack shows that the log holds no record of what was asked for."
    else:
        others = ", and that there are no others" if cited.completeness is not None else ""
        text = (
            f"This pack holds {_records(cited.records)} and what shows that each stands in that log as it was "
            f"recorded{others}."
        )
    if erased.rows:
        text += f" The content of {_records(len(erased.rows))} was erased on purpose."
    return f'<p class="sum">{text} Anyone can check this, without the log\'s operator: see below.</p>\n'


def _records(count: int) -> str:
    return "1 record" if count == 1 else f"{count:,} records"


def _asked(cited: Cited) -> str:
    asked: dict[str, Any] = msgspec.json.decode(cited.asked)
    rows = [(_NAMES.get(name, name), listed(value)) for name, value in asked.items()]
    return f"<h2>What was asked</h2>\n<p>All records for which every one of these holds:</p>\n{_facts(rows)}"


def _nothing(cited: Cited) -> str:
    return (
        "<h2>What was found</h2>\n"
        f"<p><strong>No record.</strong> Not one of the log's first {cited.newest_size:,} entries names what was asked "
        "for, not even one whose content was erased since.</p>\n"
    )


def _found(cited: Cited, summary: Summary, erased: Erased) -> str:
    rows = [
        ("Records", f"{cited.records:,}"),
        ("Numbers in the log", f"{cited.numbers[0]:,} to {cited.numbers[-1]:,}, not all between them"),
        ("Earliest", f"{moment(summary.first or 0)} UTC"),
        ("Latest", f"{moment(summary.last or 0)} UTC"),
        ("Content erased since", _erased(erased)),
        ("Signed by the log", f"{moment(cited.signed_at)} UTC at the latest, by the log's own clock"),
    ]
    if cited.numbers[-1] - cited.numbers[0] + 1 == cited.records:
        rows[1] = ("Numbers in the log", f"{cited.numbers[0]:,} to {cited.numbers[-1]:,}")
    return f"<h2>What was found</h2>\n{_facts(rows)}"


def _erased(erased: Erased) -> str:
    if not erased.rows:
        return "none"
    times = "1 erasure" if erased.certificates == 1 else f"{erased.certificates:,} erasures"
    return f"{_records(len(erased.rows))}, by {times}"


def _checked(cited: Cited, erased: Erased, checkpoint: Checkpoint) -> str:
    witnesses = [each.name for each in Note.parse(cited.checkpoint).signatures if each.name != checkpoint.origin]
    checks = [*(_of_records(cited, erased, checkpoint) if cited.records else ()), *_of_log(cited)]
    items = "".join(f"<li><strong>{escape(title)}</strong>{escape(text)}</li>\n" for title, text in checks)
    return f'<h2>What was checked</h2>\n<ul class="checks">\n{items}{_witnessed(witnesses)}</ul>\n'


def _of_records(cited: Cited, erased: Erased, checkpoint: Checkpoint) -> list[tuple[str, str]]:
    gone = len(erased.rows)
    checks = []
    if gone < cited.records:
        text = (
            "When a record is made, its content is sealed by a digital fingerprint (SHA-256 with a secret salt). For "
            f"{cited.records - gone:,} of {cited.records:,} records the fingerprint was computed again from the "
            "content in this pack, and it is the same. One changed letter would give another."
        )
        checks.append(("The content is what was recorded.", text))
    text = (
        f"Each fingerprint is a leaf of one tree over all {checkpoint.size:,} entries of the log. From each of the "
        f"{cited.records:,} records a path of fingerprints was followed up to the top of that tree. A record that was "
        "changed, moved, back-dated or put in later would lead elsewhere."
    )
    checks.append(("Each record stands where the log says.", text))
    if gone:
        text = (
            "Content can be destroyed, when a person asks for it or its time is over; the record's place and "
            f"fingerprint stay. This pack has {_records(gone)} without content. Each is named by a certificate, signed "
            "by the log, that says when and why."
        )
        checks.append(("What is missing was erased on purpose.", text))
    return checks


def _of_log(cited: Cited) -> list[tuple[str, str]]:
    checks = [
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
        checks.append(_complete(cited))
    return checks


def _complete(cited: Cited) -> tuple[str, str]:
    index = "The log keeps a signed index of which of its entries name which resource, user and unit of work. "
    if not cited.records:
        text = (
            f"In that index, as it stood over the log's first {cited.newest_size:,} entries, the one asked for is not "
            "there. The part of the index where it would have to stand is in this pack, with the path that shows that "
            "it is that part. An entry that named it could not be hidden without the index being another."
        )
        return "There is no such record.", index + text
    text = (
        f"For the one asked for it counts {cited.records:,} among the log's first {cited.newest_size:,} entries: "
        "exactly those in this pack. None is left out."
    )
    return "These are all the records.", index + text


def _witnessed(names: Sequence[str]) -> str:
    if not names:
        return (
            '<li class="open"><strong>No witness has countersigned this head.</strong>Independent witnesses would rule '
            "out that the log showed others a different past. None is named here.</li>\n"
        )
    named = ", ".join(escape(name) for name in names)
    return (
        f"<li><strong>Others have countersigned this head.</strong>Witnesses: {named}. Each states that it had seen no "
        "other past of this log. Their keys are not in this pack; get them from the witnesses, and check with "
        "<code>--witness KEY</code>.</li>\n"
    )


def _open_questions(cited: Cited) -> str:
    if cited.records:
        open_ones = [
            "That what was recorded is true. It shows what was recorded, by which key, in which order.",
            "That the moment of an event is right: it is what the sender said. The order in the log, and that a record "
            "was there when the head was signed, are proven.",
        ]
    else:
        open_ones = [
            "That nothing happened. It shows that nothing was recorded here under exactly this id: another spelling is "
            "another id, and a resource that a record only mentions as related is not counted.",
            "What was recorded later than the entries counted above.",
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


def _repeat(signer: str) -> str:
    key = escape(signer)
    return (
        "<h2>How to check this yourself</h2>\n"
        "<p>On any computer with Python 3.8 or newer, without a network:</p>\n"
        f"<pre>python3 verify.py PACK.zip --key '{key}'</pre>\n"
        "<p>The program reads every byte of the pack and says what it found; one changed byte makes it fail and name "
        "the place. Before you rely on the key printed here, compare it with the one that the log's operator gives you "
        "by another way: a pack can't vouch for its own key.</p>\n"
    )


def _technical(cited: Cited, checkpoint: Checkpoint, keys: Sequence[dict[str, Any]]) -> str:
    rows = [("Log", checkpoint.origin), ("Entries", f"{checkpoint.size:,}"), ("Root (SHA-256)", checkpoint.root.hex())]
    rows += [(_key_name(str(each["origin"]), checkpoint.origin), str(each["verifierKey"])) for each in keys]
    return (
        f"<h2>Technical particulars</h2>\n{_facts(rows, code=True)}"
        "<p>Formats: RFC 9162 Merkle tree, C2SP signed-note and tlog-checkpoint, RFC 8785 canonical JSON, Ed25519."
        "</p>\n"
        f"<pre>{escape(cited.checkpoint)}</pre>\n</main>\n</body>\n</html>\n"
    )


def _key_name(origin: str, log: str) -> str:
    if origin == log + SUFFIX:
        return "Verifier key of its index"
    return "Verifier key" if origin == log else "Verifier key of the log before"


def _facts(rows: Sequence[tuple[str, str]], *, code: bool = False) -> str:
    cell = "<td><code>{}</code></td>" if code else "<td>{}</td>"
    lines = [f"<tr><th>{escape(name)}</th>{cell.format(escape(value))}</tr>\n" for name, value in rows]
    return f'<table class="facts">\n{"".join(lines)}</table>\n'
