"""A record without content: what a certificate of its erasure says, if the person has one."""

import re
from collections.abc import Sequence
from pathlib import Path

from provenance.cli.errors import Misused
from provenance.cli.verifying.trust import HOW
from provenance.cli.verifying.verdict import Verdict
from provenance.proof.certificates import Certificate, open_certificate
from provenance.proof.notes import Note, UnverifiedNote
from provenance.proof.policy import Policy
from provenance.proof.strict import Malformed

PROVEN = "position and commitment proven"
_EPOCH = re.compile(r"/e[1-9][0-9]*\Z")


def check_erasure(verdict: Verdict, number: int, origin: str, files: Sequence[Path], policy: Policy) -> None:
    """Say of a record without content that it was erased, and when, as far as a certificate in these files says so.

    ``origin`` is that of the log in which the record has the number; its certificate may be of the log before it was
    begun anew. Raises Misused for a file that can't be read or is no certificate.
    """
    if not files:
        verdict.add("content", True, f"Content erased, {PROVEN}; when and why its erasure's certificate says.")
        return
    read = [(path, *_read(path)) for path in files]
    found = [each for each in read if _same_log(each[2].origin, origin) and _names(each[2], number)]
    if not found:
        verdict.add("content", False, f"No certificate given names interaction number {number} of {origin}.")
        return
    path, note, certificate = found[0]
    verdict.add("content", True, _sentence(certificate))
    try:
        open_certificate(note, policy.logs)
        verdict.add(
            "trust", True, f"The certificate is signed by a key of {certificate.origin} that you named.", str(path)
        )
    except UnverifiedNote as error:
        known = any(signature.is_by(key) for signature in note.signatures for key in policy.logs)
        verdict.add("content" if known else "trust", False, f"{error} {'' if known else HOW}".rstrip(), str(path))


def _read(path: Path) -> tuple[Note, Certificate]:
    try:
        note = Note.parse(path.read_bytes())
        return note, Certificate.parse(note.text)
    except OSError as error:
        raise Misused(f"Cannot read {path}: {error.strerror}") from error
    except Malformed as error:
        raise Misused(f"{path} is no certificate of an erasure: {error}") from error


def _same_log(one: str, other: str) -> bool:
    return _EPOCH.sub("", one) == _EPOCH.sub("", other)


def _names(certificate: Certificate, number: int) -> bool:
    return any(first <= number <= last for first, last in certificate.ranges)


def _sentence(certificate: Certificate) -> str:
    when = (certificate.erased or certificate.cleaned).replace("T", " ").replace("Z", " UTC")
    return f"Content erased on {when}, {PROVEN}. Reason: {certificate.reason}"
