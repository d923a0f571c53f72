"""What the self-audit finds, and how far it is."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Kind(StrEnum):
    """What can be wrong with a ledger."""

    ENVELOPE = "envelope_changed"
    CONTENT = "content_changed"
    COLUMNS = "columns_changed"
    GONE = "content_missing"
    MISSING = "rows_missing"
    TREE = "tree_changed"
    HEAD = "head_changed"
    KEY = "wrong_key"
    OLDER = "database_older"
    TIME = "time_impossible"
    WITNESS = "witness_disagrees"


_SENTENCES = {
    Kind.ENVELOPE: "{rows} not what was signed at this place.",
    Kind.CONTENT: "The content of {rows} not what was committed to.",
    Kind.COLUMNS: "The ids under which {rows} found are not those of the content.",
    Kind.GONE: "{rows} without content, and no signed erasure certificate says why.",
    Kind.MISSING: "{rows} missing.",
    Kind.TREE: "The stored hashes over {rows} not what was signed.",
    Kind.HEAD: "A signed head does not fit {rows}.",
    Kind.KEY: "A head over {rows} is not signed by the key of the log.",
    Kind.OLDER: "The database is older than the log that was signed: {rows} gone.",
    Kind.TIME: "{rows} of an impossible time: recorded after being signed, or long before the row on the left.",
    Kind.WITNESS: "A witness has cosigned another log than this one, up to {rows}.",
}
_NOUNS = {Kind.HEAD, Kind.KEY, Kind.WITNESS}  # sentences that need no verb after the rows


class Finding(NamedTuple):
    """Something that is not as it was signed, and the numbers of the rows concerned."""

    kind: Kind
    first: int
    last: int

    @property
    def sentence(self) -> str:
        """What is wrong, for a person."""
        one = self.first == self.last
        rows = f"row {self.first}" if one else f"rows {self.first} to {self.last}"
        if self.kind not in _NOUNS:
            rows += " is" if one else " are"
        text = _SENTENCES[self.kind].format(rows=rows)
        return text[:1].upper() + text[1:]


def joined(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings with neighbours of one kind made one: a shifted table is one finding, not a million."""
    kept: list[Finding] = []
    for each in sorted(set(findings)):
        if kept and kept[-1].kind is each.kind and each.first <= kept[-1].last + 1:
            kept[-1] = kept[-1]._replace(last=max(kept[-1].last, each.last))
        else:
            kept.append(each)
    return kept


class Incident(BaseModel):
    """One finding as it reads outside."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    kind: Kind
    first_number: int
    last_number: int
    sentence: str
    found_at: str


class Incidents(BaseModel):
    """A page of findings."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    items: list[Incident]
    next_cursor: str | None


class Progress(NamedTuple):
    """How far a pass is: ``size`` leaves re-read, the edge of the tree there, and when the last row was recorded."""

    epoch: int
    size: int
    edge: bytes
    recorded_at: int
    started_at: int
    finished_at: int | None = None
    finished_size: int | None = None
