"""The catalogue of each workspace as this process knows it: lookups and badges without reads.

A catalogue is checked against the version in ``ledger_settings`` before it is a second old, and at once when a word is
unknown; one in use is checked beforehand, so that no request has to wait for it. A word that an interaction names is
marked used and is never deleted, so a cached used word can't dangle.
"""

import asyncio
import contextlib
import time
import uuid
from collections.abc import Hashable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy.exc import NoResultFound

from provenance.core.db import Database, ReadTx
from provenance.ledger.catalogue import queries
from provenance.ledger.catalogue.schemas import CatalogueRow, SettingsRow

FRESH_SECONDS = 1.0
AGEING_SECONDS = 0.7
BADGES_KEPT = 10_000
WORDS_KEPT = 2_000


class Kind(StrEnum):
    """The three kinds of words; the value is the wire's prefix, such as ``resourceTypeId``."""

    RESOURCE_TYPE = "resourceType"
    ACTION = "action"
    ORIGIN = "origin"


KINDS = (Kind.RESOURCE_TYPE, Kind.ACTION, Kind.ORIGIN)


@dataclass(frozen=True, slots=True)
class Word:
    """One resource type, action or origin, with the part of a row's JSON that shows it."""

    id: str
    kind: Kind
    mnemonic: str
    is_system: bool
    used: bool
    badge: str

    @classmethod
    def of(cls, row: CatalogueRow) -> "Word":
        """Make the word of a table row."""
        kind = Kind(row.kind)
        shown = {
            "Mnemonic": row.mnemonic,
            "Title": row.title,
            "Icon": row.icon,
            "FontColorHex": row.font_color_hex,
            "BgColorHex": row.bg_color_hex,
        }
        badge = ",".join(f'"{kind}{name}":{msgspec.json.encode(value).decode()}' for name, value in shown.items())
        return cls(str(row.id), kind, row.mnemonic, row.is_system, row.used, badge)


class Catalogue:
    """The words and the ledger settings of one workspace at one version."""

    __slots__ = (
        "_badges",
        "_by_id",
        "_names",
        "checked",
        "integrated",
        "queue_generation",
        "settled",
        "strict",
        "version",
        "workspace",
    )

    def __init__(self, settings: SettingsRow, rows: list[CatalogueRow]) -> None:
        """Take the settings row and every word of the workspace."""
        self.workspace = settings.workspace
        self.version = settings.catalogue_version
        self.strict = settings.strict_catalogue
        self.queue_generation = settings.queue_generation
        self.integrated = settings.integrated
        self.checked = time.monotonic()
        self.settled: dict[Hashable, Any] = {}
        words = [Word.of(row) for row in rows]
        self._badges: dict[tuple[str, str, str], bytes] = {}
        self._by_id = {word.id: word for word in words}
        # Each name as it is kept and folded; plain strings as kinds, because an enumeration's hash is slow.
        self._names: dict[str, dict[str, Word]] = {kind.value: {} for kind in KINDS}
        for word in words:
            self._names[word.kind.value][word.mnemonic.lower()] = word
        for word in words:
            self._names[word.kind.value][word.mnemonic] = word

    def named(self, kind: Kind, mnemonic: str) -> Word | None:
        """Return the word with this mnemonic, ignoring case."""
        names = self._names[kind]
        return names.get(mnemonic) or names.get(mnemonic.lower())

    def with_id(self, word_id: str | uuid.UUID) -> Word | None:
        """Return the word with this id, of whatever kind."""
        return self._by_id.get(str(word_id))

    def shown(self, word_id: str | uuid.UUID) -> Word:
        """Return the word that a stored row refers to."""
        return self._by_id[str(word_id)]

    def badges(self, resource_type_id: str, action_id: str, origin_id: str) -> bytes:
        """Return the part of a row's JSON between its resource id and its interaction: ids and badges of its words."""
        key = (resource_type_id, action_id, origin_id)
        found = self._badges.get(key)
        if found is None:
            words = [self._by_id[word_id] for word_id in key]
            ids = ",".join(f'"{word.kind}Id":"{word.id}"' for word in words)
            found = f',{ids},{",".join(word.badge for word in words)},"interaction":'.encode()
            if len(self._badges) >= BADGES_KEPT:
                self._badges.clear()
            self._badges[key] = found
        return found

    def keep(self, given: Hashable, words: Any) -> None:
        """Keep what names and ids were found to mean, under ``settled``, for as long as this catalogue is used."""
        if len(self.settled) >= WORDS_KEPT:
            self.settled.clear()
        self.settled[given] = words

    def count(self, kind: Kind) -> int:
        """Return how many words of a kind there are."""
        return sum(1 for word in self._by_id.values() if word.kind is kind)


class Catalogues:
    """The catalogues of every workspace this process has met."""

    def __init__(self, db: Database) -> None:
        """Take the database to read them from."""
        self._db = db
        self.changes = 0
        self._known: dict[uuid.UUID, Catalogue] = {}
        self._loading: dict[uuid.UUID, asyncio.Task[Catalogue]] = {}
        self._checking: dict[uuid.UUID, asyncio.Task[None]] = {}

    async def of(self, workspace_id: uuid.UUID) -> Catalogue:
        """Return the catalogue, at most a second behind other processes."""
        return self.remembered(workspace_id) or await self.refreshed(workspace_id)

    def remembered(self, workspace_id: uuid.UUID) -> Catalogue | None:
        """Return the catalogue if it was checked within the last second; one that is ageing is checked meanwhile."""
        known = self._known.get(workspace_id)
        if known is None:
            return None
        age = time.monotonic() - known.checked
        if age > AGEING_SECONDS and workspace_id not in self._checking:
            task = self._checking[workspace_id] = asyncio.ensure_future(self._check(workspace_id, known))
            task.add_done_callback(lambda _: self._checking.pop(workspace_id))
        return known if age < FRESH_SECONDS else None

    async def find(self, workspace_id: uuid.UUID) -> Catalogue | None:
        """Return the catalogue of a workspace that a stranger named; None when there is no such workspace."""
        try:
            return await self.of(workspace_id)
        except NoResultFound:
            return None

    async def refreshed(self, workspace_id: uuid.UUID) -> Catalogue:
        """Return the catalogue as the database has it now; callers that come together share one read."""
        task = self._loading.get(workspace_id)
        if task is None:
            task = asyncio.ensure_future(self._refresh(workspace_id))
            self._loading[workspace_id] = task
            task.add_done_callback(lambda _: self._loading.pop(workspace_id, None))
        return await asyncio.shield(task)

    async def within(self, tx: ReadTx) -> Catalogue:
        """Return the catalogue as this transaction sees it, its own uncommitted words included.

        Not kept when the transaction may still roll back; `forget` after the commit makes others read anew.
        """
        known = self._known.get(tx.workspace_id)
        settings = await queries.settings(tx)
        if known is not None and known.version == settings.catalogue_version:
            known.checked = time.monotonic()
            known.integrated = settings.integrated  # grows without a new version
            return known
        return Catalogue(settings, await queries.all_words(tx))

    def remember(self, workspace_id: uuid.UUID, found: Catalogue, changes: int) -> None:
        """Keep what `within` returned, now that its transaction is committed.

        ``changes`` is what `changes` was before: not where this process changed a catalogue since.
        """
        if changes == self.changes:
            self._known.setdefault(workspace_id, found)

    def forget(self, workspace_id: uuid.UUID) -> None:
        """Read this workspace's catalogue anew when it is next asked for."""
        self.changes += 1
        self._known.pop(workspace_id, None)

    async def _refresh(self, workspace_id: uuid.UUID) -> Catalogue:
        async with self._db.aside.housekeeping(workspace_id) as tx:
            found = await self.within(tx)
        self._known[workspace_id] = found
        return found

    async def _check(self, workspace_id: uuid.UUID, known: Catalogue) -> None:
        """Check what is known; whatever was learnt or forgotten meanwhile is newer and counts."""
        with contextlib.suppress(Exception):  # whatever it is, the request that has to wait meets it, and tells
            async with self._db.aside.housekeeping(workspace_id) as tx:
                found = await self.within(tx)
            if self._known.get(workspace_id) is known:
                self._known[workspace_id] = found
