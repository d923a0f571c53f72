"""The running datastores of one process: the ledger's database and keys, and the store of the bytes."""

import re
from typing import NamedTuple

from provenance.core.db import Database
from provenance.core.keyring import Keyring
from provenance.core.objects import Objects
from provenance.ledger.service import Ledger

OBJECT_PATHS = re.compile(r"/(uploads|downloads)/|/datastores/[^/]+/objects/")
"""Where bytes of objects pass: neither held in memory whole, nor compressed on their way."""


class Running(NamedTuple):
    """What the ways in and out of datastores work with.

    ``most`` is the largest object of the installation; ``presigned`` says whether clients are sent to the object
    store itself, where it has addresses.
    """

    ledger: Ledger
    objects: Objects
    most: int
    presigned: bool

    @classmethod
    def of(cls, ledger: Ledger, objects: Objects) -> "Running":
        """Take the running ledger and the object store."""
        settings = ledger.settings
        return cls(ledger, objects, settings.max_object_bytes, settings.objects_presigned and objects.signs)

    @property
    def db(self) -> Database:
        """The ledger's database."""
        return self.ledger.db

    @property
    def keyring(self) -> Keyring:
        """The keys of every workspace. There when the process has started."""
        return self.ledger.keyring
