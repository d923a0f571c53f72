"""A row on its way to the channels: its words looked up once, its content read once."""

import uuid
from functools import cached_property
from typing import Any

import msgspec

from provenance.ledger.catalogue.cache import Catalogue
from provenance.realtime.queries import Row


class _Content(msgspec.Struct):
    interaction: dict[str, Any] = {}


_decode = msgspec.json.Decoder(_Content).decode


class Event:
    """One row with its words; ``workflow`` is that of a run's row, where a channel asked for it."""

    def __init__(self, row: Row, catalogue: Catalogue) -> None:
        """Take the row and the words of its workspace."""
        self.row = row
        self.workspace = catalogue.workspace
        self.resource_type = catalogue.shown(row.resource_type_id).mnemonic
        self.action = catalogue.shown(row.action_id).mnemonic
        self.origin = catalogue.shown(row.origin_id).mnemonic
        self.workflow: uuid.UUID | None = None

    @cached_property
    def name(self) -> str:
        """The event's type, such as ``run.started``; empty of a row that the platform did not make."""
        return f"{self.resource_type}.{self.action}".lower() if self.row.platform else ""

    @cached_property
    def subject(self) -> str:
        """The first word of `name`."""
        return self.name.partition(".")[0]

    @cached_property
    def data(self) -> dict[str, Any]:
        """What the platform noted with the row; never sent whole."""
        return {} if self.row.content is None else _decode(self.row.content).interaction
