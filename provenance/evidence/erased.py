"""The certificates that go with rows without content: each names its rows, and is checked before it is packed.

Certificates are read one at a time, for one may be a megabyte long; what is kept of each is when, why and which rows.
"""

import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

from provenance.core.actor import Actor
from provenance.core.db import Database
from provenance.evidence import queries
from provenance.evidence.errors import TooManyRecords
from provenance.evidence.sealed import Sealed
from provenance.ledger.erasure.errors import NotCertified
from provenance.ledger.erasure.schemas import Status
from provenance.ledger.log import queries as log_queries
from provenance.ledger.log.errors import RowDiffers
from provenance.proof.certificates import Certificate, open_certificate
from provenance.proof.notes import Note, UnverifiedNote, VerifierKey
from provenance.proof.strict import Malformed

MOST_CERTIFICATES = 10_000
"""Of one pack: its zip holds 65,535 files."""


class Gone(NamedTuple):
    """What a certificate says of the rows that it names: when their content was erased (ISO 8601), and why."""

    erased: str
    reason: str


class Certified(NamedTuple):
    """A certificate as it is packed: its erasure, the note, and the keys of the log that have signed it."""

    erasure_id: uuid.UUID
    note: str
    signers: list[Any]


class Erased:
    """The rows of one pack that have no content, and the erasures that took it."""

    def __init__(self, db: Database, actor: Actor) -> None:
        self._db, self._actor = db, actor
        self._said: dict[uuid.UUID, Gone] = {}
        self._numbers: dict[uuid.UUID, list[int]] = {}
        self.rows: dict[int, Gone] = {}

    @property
    def certificates(self) -> int:
        """How many erasures took the content of these rows."""
        return len(self._said)

    async def take(self, piece: Sequence[Sealed]) -> None:
        """Find the erasures of those of these rows that have no content.

        Raises RowDiffers for a row that no erasure accounts for, NotCertified while one is still under way, and
        TooManyRecords for more erasures than a pack holds.
        """
        empty = [sealed.number for sealed in piece if sealed.row.content is None]
        if not empty:
            return
        async with self._db.read(self._actor) as tx:
            found = await queries.erasures_of(tx, empty)
        for number in empty:
            if number not in found:
                raise RowDiffers(number)
            await self._note(number, found[number])

    async def _note(self, number: int, erasure_id: uuid.UUID) -> None:
        if erasure_id not in self._said:
            if len(self._said) == MOST_CERTIFICATES:
                most = f"more than {MOST_CERTIFICATES:,} erasures took content of these records: narrow the filters"
                raise TooManyRecords.at("filters", most)
            certificate, _ = await self._read(erasure_id, number)
            self._said[erasure_id] = Gone(certificate.erased or certificate.cleaned, certificate.reason)
            self._numbers[erasure_id] = []
        self._numbers[erasure_id].append(number)
        self.rows[number] = self._said[erasure_id]

    async def _read(self, erasure_id: uuid.UUID, number: int) -> tuple[Certificate, Note]:
        async with self._db.read(self._actor) as tx:
            status, text = await queries.certificate(tx, erasure_id) or (None, None)
        if text is None and status is not None and status != Status.FINISHED:
            raise NotCertified()
        try:
            note = Note.parse(text or "")
            return Certificate.parse(note.text), note
        except Malformed:
            raise RowDiffers(number) from None

    async def certified(self) -> AsyncIterator[Certified]:
        """Yield the certificates, each checked against the keys that the log has had.

        Raises RowDiffers for a row that its certificate does not name, or whose certificate the log did not sign.
        """
        async with self._db.read(self._actor) as tx:
            known = await log_queries.keys(tx)
        keys = [VerifierKey.parse(row.verifier_key) for row in known]
        for erasure_id, numbers in self._numbers.items():
            certificate, note = await self._read(erasure_id, numbers[0])
            try:
                open_certificate(note, keys)
            except UnverifiedNote:
                raise RowDiffers(numbers[0]) from None
            if missing := _unnamed(certificate, numbers):
                raise RowDiffers(missing)
            signers = [row for row, key in zip(known, keys, strict=True) if any(s.is_by(key) for s in note.signatures)]
            yield Certified(erasure_id, str(note), signers)


def _unnamed(certificate: Certificate, numbers: Sequence[int]) -> int | None:
    """Return the first of these numbers, which are in order, that a certificate does not name."""
    ranges = iter(certificate.ranges)
    first, last = next(ranges, (0, 0))
    for number in numbers:
        while last < number:
            found = next(ranges, None)
            if found is None:
                return number
            first, last = found
        if number < first:
            return number
    return None
