"""What the completeness map knows of itself, and what is asked of it."""

import uuid
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from provenance.proof.completeness_map import Kind
from provenance.proof.completeness_tiles import Bucket


class MapState(NamedTuple):
    """The state row of a map: it has the first ``size`` leaves of the log, and this root."""

    epoch: int
    size: int
    root: bytes
    note: str | None
    checkpoint: str | None
    verifier_key: str | None
    signed_at: int | None
    logged_size: int
    logged_at: int


class LogNow(NamedTuple):
    """The log beside its map: how much of it is signed, and whether rows wait that are not."""

    epoch: int
    size: int
    origin: str | None
    key_generation: int
    growing: bool


class Around(NamedTuple):
    """A place of the map in one snapshot: the state, the bucket around the place, the tiles above it."""

    state: MapState
    log: LogNow
    bucket: Bucket | None
    tiles: dict[bytes, bytes]


class Subject(NamedTuple):
    """Whose interactions are asked for: the kind of id, and the id as it is written."""

    kind: Kind
    identifier: str

    @property
    def value(self) -> uuid.UUID:
        """The unit of work's id."""
        return uuid.UUID(self.identifier)


class CompletenessStatus(BaseModel):
    """How far the completeness map is: rows recorded, rows signed in the log, rows that the signed map has."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    origin: str | None
    epoch: int
    size: int
    integrated_size: int
    map_size: int
    lag: int
    map_root: str | None
    signed_at: str | None
    note: str | None
    verifier_key: str | None
