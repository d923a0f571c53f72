"""Erasure certificates: a signed note that says which entries of a log lost their content, when, and why.

The note is signed by the log's own key. Its first line is the log's origin with `/erasures` behind it, so that no
certificate can be taken for a checkpoint, nor the other way round. It holds numbers and never content: what the
erasure selected by stands there as a keyed hash.

    example.org/acme/erasures
    certificate v1
    id 0190f1a2-…
    kind erasure
    selector userId 00112233445566778899aabbccddeeff
    reason "asked for by the person"
    by user_01J…
    requested 2026-11-22T10:00:00.000Z
    erased 2026-11-22T10:00:03.000Z
    cleaned 2026-11-22T10:00:09.000Z
    backups 2026-11-22T10:00:09.000Z
    rows 10000
    step rewrite done
    numbers 1-9998 10003 10007

`backups` is the time before which a backup may still hold the content. `step` lines say how the clean-up went;
`continues` names the erasure whose certificate was full.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from provenance.proof.notes import Note, Signer, UnverifiedNote, VerifierKey, sign, verify
from provenance.proof.strict import Malformed, read_decimal, read_lines, read_text

SUFFIX: Final = "/erasures"
MAX_RANGES: Final = 20_000
"""Most ranges of one certificate: a note has at most a million bytes."""

_VERSION: Final = "certificate v1"
_PER_LINE: Final = 50
_WORD: Final = re.compile(r"[A-Za-z0-9_.:-]{1,200}")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_HASH: Final = re.compile(r"[0-9a-f]{32}")


class MalformedCertificate(Malformed):
    """A text that is no erasure certificate, or values no certificate can have."""


class Step(NamedTuple):
    """One step of the clean-up, and how it went: `done`, or what stood in its way."""

    name: str
    outcome: str


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """What a certificate says. Times are ISO 8601 UTC with milliseconds, ranges (first, last), both included.

    `selector_hash` is 32 hex digits, or None where there is no selector. Raises `MalformedCertificate` for values
    that cannot be written, and for ranges that are empty, overlap, touch or are out of order.
    """

    origin: str
    id: str
    kind: str
    selector: str
    selector_hash: str | None
    reason: str
    by: str
    requested: str
    erased: str | None
    cleaned: str
    backups: str
    rows: int
    steps: tuple[Step, ...]
    ranges: tuple[tuple[int, int], ...]
    continues: str | None = None

    def __post_init__(self) -> None:
        for word in (self.id, self.kind, self.selector, self.by, *[step.name for step in self.steps]):
            _require(_WORD, word, "A word")
        for moment in (self.requested, self.cleaned, self.backups):
            _require(_TIME, moment, "A time")
        if self.erased is not None:
            _require(_TIME, self.erased, "A time")
        if self.selector_hash is not None:
            _require(_HASH, self.selector_hash, "The selector's hash")
        if self.continues is not None:
            _require(_WORD, self.continues, "The erasure before")
        if "\n" in self.origin or not self.origin:
            raise MalformedCertificate("The origin is one line.")
        read_text(self.origin, "The origin", MalformedCertificate)
        _check_ranges(self.ranges, self.rows)

    @classmethod
    def parse(cls, text: str) -> "Certificate":
        """Read the text of a note; `str(certificate)` gives it back. Raises `MalformedCertificate`."""
        lines = _Lines(read_lines(text, "The certificate", MalformedCertificate))
        origin = lines.plain()
        if not origin.endswith(SUFFIX) or lines.plain() != _VERSION:
            raise MalformedCertificate("This is not an erasure certificate.")
        head = lines.value("id"), lines.value("kind")
        selector, _, hashed = lines.value("selector").partition(" ")
        found = cls(
            origin=origin.removesuffix(SUFFIX),
            id=head[0],
            kind=head[1],
            selector=selector,
            selector_hash=hashed or None,
            reason=_reason(lines.value("reason")),
            by=lines.value("by"),
            requested=lines.value("requested"),
            erased=lines.optional("erased"),
            cleaned=lines.value("cleaned"),
            backups=lines.value("backups"),
            rows=read_decimal(lines.value("rows"), "The number of rows", MalformedCertificate),
            continues=lines.optional("continues"),
            steps=tuple(_step(line) for line in lines.all("step")),
            ranges=tuple(_range(part) for line in lines.all("numbers") for part in line.split(" ")),
        )
        if str(found) != text:
            raise MalformedCertificate("The certificate is not written in its usual spelling.")
        return found

    def __str__(self) -> str:
        hashed = "" if self.selector_hash is None else f" {self.selector_hash}"
        lines = [
            self.origin + SUFFIX,
            _VERSION,
            f"id {self.id}",
            f"kind {self.kind}",
            f"selector {self.selector}{hashed}",
            f"reason {json.dumps(self.reason)}",
            f"by {self.by}",
            f"requested {self.requested}",
            *([] if self.erased is None else [f"erased {self.erased}"]),
            f"cleaned {self.cleaned}",
            f"backups {self.backups}",
            f"rows {self.rows}",
            *([] if self.continues is None else [f"continues {self.continues}"]),
            *[f"step {step.name} {json.dumps(step.outcome)}" for step in self.steps],
            *_number_lines(self.ranges),
        ]
        return "".join(f"{line}\n" for line in lines)


def merged(numbers: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Join ranges that touch; they come in order and do not overlap."""
    found: list[tuple[int, int]] = []
    for first, last in numbers:
        if found and found[-1][1] + 1 == first:
            found[-1] = (found[-1][0], last)
        else:
            found.append((first, last))
    return tuple(found)


def sign_certificate(certificate: Certificate, *signers: Signer) -> Note:
    """The certificate as a signed note. The signer is the log's, named like its origin."""
    return sign(str(certificate), *signers)


def open_certificate(note: Note, keys: Sequence[VerifierKey]) -> Certificate:
    """The certificate in a note, once a key that is named like its log's origin has vouched for it.

    Raises `MalformedCertificate` and `UnverifiedNote`.
    """
    certificate = Certificate.parse(note.text)
    own = [key for key in keys if key.name == certificate.origin]
    if not own:
        raise UnverifiedNote("No trusted key is named like the certificate's log.")
    verify(note, own)
    return certificate


class _Lines:
    """The lines of a certificate, taken one after the other."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = list(lines)

    def plain(self) -> str:
        if not self._lines:
            raise MalformedCertificate("The certificate ends too early.")
        return self._lines.pop(0)

    def value(self, name: str) -> str:
        found = self.optional(name)
        if found is None:
            raise MalformedCertificate(f"The certificate has no line {name!r} in its place.")
        return found

    def optional(self, name: str) -> str | None:
        if not self._lines or not self._lines[0].startswith(f"{name} "):
            return None
        return self._lines.pop(0).removeprefix(f"{name} ")

    def all(self, name: str) -> list[str]:
        found = []
        while (line := self.optional(name)) is not None:
            found.append(line)
        return found


def _reason(text: str) -> str:
    try:
        found = json.loads(text)
    except ValueError:
        raise MalformedCertificate("A text of the certificate is not JSON.") from None
    if not isinstance(found, str):
        raise MalformedCertificate("A text of the certificate is not a JSON string.")
    return found


def _step(line: str) -> Step:
    name, _, outcome = line.partition(" ")
    return Step(name, _reason(outcome))


def _range(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    numbers = [read_decimal(each, "A number", MalformedCertificate) for each in (first, last or first)]
    return numbers[0], numbers[1]


def _number_lines(ranges: Sequence[tuple[int, int]]) -> list[str]:
    written = [str(first) if first == last else f"{first}-{last}" for first, last in ranges]
    return [f"numbers {' '.join(written[at : at + _PER_LINE])}" for at in range(0, len(written), _PER_LINE)]


def _require(pattern: re.Pattern[str], text: str, what: str) -> None:
    if not pattern.fullmatch(text):
        raise MalformedCertificate(f"{what} of the certificate has a form that it cannot have.")


def _check_ranges(ranges: Sequence[tuple[int, int]], rows: int) -> None:
    if len(ranges) > MAX_RANGES:
        raise MalformedCertificate(f"A certificate has at most {MAX_RANGES} ranges.")
    before = -1
    for first, last in ranges:
        if first < 1 or last < first or first <= before + 1:
            raise MalformedCertificate("The ranges of the certificate are empty, overlap, touch or are out of order.")
        before = last
    if sum(last - first + 1 for first, last in ranges) != rows:
        raise MalformedCertificate("The ranges of the certificate hold another number of rows than it says.")
