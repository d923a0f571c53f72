"""W3C PROV (PROV-DM) as one document, PROV-JSON or PROV-N, through the library ``prov``.

An interaction is an activity, a resource an entity, whoever acted an agent. A resource lives through many
interactions, and an entity is generated once: so what an interaction brings about is a state of the resource, an
entity of its own that specialises it (docs/guides/export.md has the table).
"""

import re
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from prov.identifier import QualifiedName
from prov.model import PROV, ProvActivity, ProvDocument

from provenance.core.clock import utc
from provenance.ledger.export.formats.contract import decode, encode
from provenance.ledger.export.formats.ocsf_classes import verb_of
from provenance.ledger.export.schemas import Exported, Frame, Manifest

TERMS = "https://provenance.local/ns/prov#"
_READS, _ENDS = 2, 4
_FIRST = re.compile(r"[.-]")


Row = dict[str, Any]
_TOLD = {
    "number": "interactionNumber",
    "resourceType": "resourceTypeMnemonic",
    "action": "actionMnemonic",
    "origin": "originMnemonic",
    "unitOfWork": "uowId",
    "outcome": "outcome",
    "leafIndex": "leafIndex",
    "leafHash": "leafHash",
    "jsonProof": "jsonProof",
}
"""What is said of an interaction besides its relations: our term, and the member of the row."""
_USED = (
    "interactionId",
    "interactionNumber",
    "occurredAt",
    "resourceTypeMnemonic",
    "actionMnemonic",
    "originMnemonic",
    "uowId",
    "outcome",
    "corrects",
    "resourceId",
    "relatedResources",
    "userId",
    "recordedBy",
    "onBehalfOf",
    "spanId",
    "parentSpanId",
)


def _proof(record: Exported) -> Row:
    return {
        "leafIndex": record.number - 1,
        "leafHash": None if record.leaf_hash is None else record.leaf_hash.hex(),
        "jsonProof": None if record.proof is None else record.proof.decode(),
    }


class _Names:
    """The names of things: a qualified name of each kind from its ids."""

    def __init__(self, document: ProvDocument, origin: str) -> None:
        """Declare the prefixes in a document."""
        self._document = document
        self._terms: dict[str, QualifiedName] = {}
        base = f"https://{quote(origin, safe='/:.-_')}/"
        document.add_namespace("interaction", "urn:uuid:")
        for prefix, path in (("resource", "resources/"), ("state", "states/"), ("agent", "agents/")):
            document.add_namespace(prefix, base + path)
        document.add_namespace("pv", TERMS)

    def of(self, prefix: str, *parts: str) -> QualifiedName:
        found = self._document.valid_qualified_name(f"{prefix}:{'/'.join(map(_local, parts))}")
        assert found is not None, "every prefix is declared and every part is escaped"
        return found

    def term(self, name: str) -> QualifiedName:
        if name not in self._terms:
            self._terms[name] = self.of("pv", name)
        return self._terms[name]


@lru_cache(maxsize=4096)
def _local(text: str) -> str:
    """Escape a part of a local name: percent signs, and no dot or hyphen where PROV-N takes none."""
    escaped = quote(text, safe="").replace("~", "%7E")
    if _FIRST.match(escaped):
        escaped = f"%{ord(escaped[0]):02X}{escaped[1:]}"
    return escaped[:-1] + "%2E" if escaped.endswith(".") else escaped


class _Document:
    """Collects the records of an export in one PROV document."""

    def __init__(self, frame: Frame) -> None:
        """Take the frame, for the log that names are made under."""
        self._document = ProvDocument()
        self._names = _Names(self._document, frame.origin)
        self._rows: list[Row] = []
        self._known: set[QualifiedName] = set()
        self._by_span: dict[str, QualifiedName] = {}
        self._children: list[tuple[QualifiedName, str]] = []

    def opening(self) -> bytes:
        """Return nothing: a document is written at its end."""
        return b""

    def record(self, record: Exported) -> bytes:
        """Keep what statements will be made of; they are made at the end, outside the event loop."""
        row = decode(record.row)
        self._rows.append({name: row[name] for name in _USED} | _proof(record))
        return b""

    def _state_record(self, row: Row) -> None:
        name = self._names.of("interaction", row["interactionId"])
        activity = self._activity(name, row)
        self._resources(row, activity)
        self._agents(row, activity)
        if row["spanId"] is not None:
            self._by_span.setdefault(row["spanId"], name)
        if row["parentSpanId"] is not None:
            self._children.append((name, row["parentSpanId"]))

    def _activity(self, named: QualifiedName, row: Row) -> ProvActivity:
        when = utc(int(row["occurredAt"]))
        facts = {self._names.term(term): str(row[name]) for term, name in _TOLD.items() if row[name] is not None}
        activity = self._document.activity(named, when, when, facts)
        if row["corrects"] is not None:
            corrected = self._names.of("interaction", row["corrects"])
            self._document.wasInfluencedBy(
                activity, corrected, other_attributes={PROV["type"]: self._names.term("corrects")}
            )
        return activity

    def _resources(self, row: Row, activity: ProvActivity) -> None:
        if row["resourceId"] is not None:
            own = self._resource(row["resourceTypeMnemonic"], row["resourceId"])
            self._did(verb_of(row["actionMnemonic"]), row, own, 0, activity)
        for position, each in enumerate(row["relatedResources"] or (), start=1):
            related = self._resource(each["resourceType"], each["resourceId"])
            role = each.get("role") or "affected"
            if role == "used":
                self._document.usage(activity, related)
            elif role == "generated":
                self._document.generation(self._state(row, related, position), activity, utc(int(row["occurredAt"])))
            else:
                self._document.influence(related, activity)

    def _did(self, verb: int, row: Row, own: QualifiedName, position: int, activity: ProvActivity) -> None:
        """Say what became of the row's own resource: read, ended, or brought into a new state."""
        if verb == _READS:
            self._document.usage(activity, own)
            return
        state = self._state(row, own, position)
        end = self._document.invalidation if verb == _ENDS else self._document.generation
        end(state, activity, utc(int(row["occurredAt"])))

    def _resource(self, kind: str, resource_id: str) -> QualifiedName:
        name = self._names.of("resource", kind, resource_id)
        if name not in self._known:
            self._known.add(name)
            self._document.entity(name, {PROV["label"]: resource_id, self._names.term("resourceType"): kind})
        return name

    def _state(self, row: Row, resource: QualifiedName, position: int) -> QualifiedName:
        name = self._names.of("state", row["interactionId"], str(position))
        self._document.entity(name)
        self._document.specialization(name, resource)
        return name

    def _agents(self, row: Row, activity: ProvActivity) -> None:
        recorder = None if row["recordedBy"] is None else self._agent("recorder", row["recordedBy"])
        user = None if row["userId"] is None else self._agent("user", row["userId"])
        if recorder is not None:
            self._document.association(activity, recorder)
        if user is not None:
            self._document.association(activity, user)
        delegate = user or recorder
        for each in row["onBehalfOf"] or ():
            responsible = self._agent("user", each)
            if delegate is not None:
                self._document.delegation(delegate, responsible, activity)
            delegate = responsible

    def _agent(self, kind: str, agent_id: str) -> QualifiedName:
        name = self._names.of("agent", kind, agent_id)
        if name not in self._known:
            self._known.add(name)
            self._document.agent(name, {PROV["label"]: agent_id})
        return name

    def _finish(self, manifest: Manifest) -> ProvDocument:
        """Make all statements, tie children to the parents that are in the document, add the manifest as an entity."""
        for row in self._rows:
            self._state_record(row)
        for child, span in self._children:
            parent = self._by_span.get(span)
            if parent is not None and parent != child:
                self._document.communication(child, parent)
            else:
                self._document.get_record(child)[0].add_attributes({self._names.term("parentSpan"): span})
        text = encode(manifest).decode()
        self._document.entity(self._names.term("manifest"), {self._names.term("json"): text})
        return self._document


class ProvJson(_Document):
    """Writes PROV-JSON."""

    def closing(self, manifest: Manifest) -> bytes:
        """Return the document."""
        text = self._finish(manifest).serialize(format="json")
        assert text is not None, "without a destination the library returns the text"
        return text.encode() + b"\n"


class ProvN(_Document):
    """Writes PROV-N."""

    def closing(self, manifest: Manifest) -> bytes:
        """Return the document."""
        text = self._finish(manifest).get_provn()
        return text.encode() + b"\n"
