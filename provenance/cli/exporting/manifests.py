"""The manifest at the end of an exported file, and whether the file is what it says."""

import csv
import io
import json
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any, NamedTuple

from provenance.cli.errors import Refused

EXTENSIONS = {
    "ndjson": ".ndjson",
    "csv": ".csv",
    "ocsf": ".ocsf.ndjson",
    "cloudevents": ".cloudevents.json",
    "prov-json": ".prov.json",
    "prov-n": ".provn",
    "in-toto": ".intoto.json",
}
"""Each format, and how its files are called."""

DOCUMENTS = frozenset({"prov-json", "prov-n", "in-toto"})
"""Formats that are one document: the server tells the hash of the whole."""

_TAIL = 1024 * 1024
_BLOCK = 1024 * 1024


class Checked(NamedTuple):
    """What is sure about a file: its SHA-256, and what the manifest tells; a document keeps its own inside."""

    sha256: str
    manifest: dict[str, Any] | None


def check(file: Path, form: str, announced: str | None) -> Checked:
    """Check a file that is whole. Raises Refused when it is not what the server said it would be."""
    with file.open("rb") as opened:
        digest = file_digest(opened, "sha256").hexdigest()
    if form in DOCUMENTS:
        if digest != announced:
            raise Refused(f"{file} is damaged: its SHA-256 is {digest}, the server announced {announced}.")
        return Checked(digest, None)
    manifest = _manifest(file, form)
    before = _digest_of(file, int(manifest["bytes"]))
    if before != manifest["sha256"]:
        raise Refused(
            f"{file} is not what its manifest says: something in it was erased or renamed while the export broke and "
            "went on, or the file is damaged. Export anew, without --resume."
        )
    return Checked(digest, manifest)


def _digest_of(file: Path, size: int) -> str:
    digest = sha256()
    with file.open("rb") as opened:
        while size > 0 and (block := opened.read(min(_BLOCK, size))):
            digest.update(block)
            size -= len(block)
    return digest.hexdigest()


def _manifest(file: Path, form: str) -> dict[str, Any]:
    """Read the manifest off the end of a file. Raises Refused when there is none: the file is not whole."""
    with file.open("rb") as opened:
        opened.seek(max(0, file.stat().st_size - _TAIL))
        lines = opened.read().decode(errors="replace").splitlines()
    try:
        found = _read(lines, form)
    except (ValueError, LookupError, TypeError):
        found = None
    if not isinstance(found, dict) or "sha256" not in found:
        raise Refused(f"{file} ends without a manifest: it is not whole.")
    return found


def _read(lines: list[str], form: str) -> Any:
    if form == "csv":
        *_, last = csv.reader(io.StringIO(lines[-1]), strict=True)
        return json.loads(last[-1])
    if form == "cloudevents":
        return json.loads(lines[-2])["data"]
    last_line = json.loads(lines[-1])
    return last_line["unmapped"]["manifest"] if form == "ocsf" else last_line["manifest"]
