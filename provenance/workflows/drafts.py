"""Definitions on their way in and out: read from JSON or YAML, checked, kept in canonical form."""

from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from provenance.core.yaml_text import BadYamlText, read
from provenance.proof.canonical import BadJson, canonical
from provenance.workflows.compiling import Checked, check
from provenance.workflows.definition import MAX_BYTES
from provenance.workflows.errors import BadYaml
from provenance.workflows.problems import Problem
from provenance.workflows.schemas import ProblemShown

EMPTY: dict[str, Any] = {
    "schemaVersion": 1,
    "steps": [{"key": "start", "kind": "trigger", "config": {"type": "manual"}}],
    "edges": [],
}
"""The draft of a workflow that was begun with nothing."""


class Sent(NamedTuple):
    """A definition as it is kept: its canonical text, what checking found, and what publishing would call it."""

    text: str
    checked: Checked
    checksum: str


def read_definition(sent: dict[str, Any] | str) -> Sent:
    """Read what was sent. Raises BadYaml for a text that holds no YAML object, or one too large to keep."""
    document = _from_yaml(sent) if isinstance(sent, str) else sent
    try:
        text = canonical(document)
    except BadJson as error:
        raise BadYaml.at("definition" + error.path.removeprefix("$"), error.issue) from None
    if len(text) > MAX_BYTES:
        raise BadYaml.at("definition", f"has at most {MAX_BYTES} bytes, not {len(text)}", code="definition_too_large")
    checked = check(document)
    checksum = sha256(text).hexdigest() if checked.plan is None else checked.plan.checksum
    return Sent(text.decode(), checked, checksum)


def _from_yaml(text: str) -> dict[str, Any]:
    try:
        document = read(text)
    except BadYamlText as error:
        raise BadYaml.at("definition", error.issue) from None
    if not isinstance(document, dict):
        raise BadYaml.at("definition", "is no object")
    return document


def read_stored(text: str) -> dict[str, Any]:
    """Return a stored definition."""
    document: dict[str, Any] = msgspec.json.decode(text)
    return document


def shown(problems: list[Problem]) -> list[ProblemShown]:
    """Return problems as they go out."""
    return [ProblemShown(path=each.path, code=each.code, issue=each.issue) for each in problems]
