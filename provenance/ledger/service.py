"""The ledger's own verbs: open a workspace's ledger, record within a transaction, take entries in.

`record` is the primitive that every feature reaches through ``audit.record``: it notes a fact in the transaction, and
`Ledger.append`, plugged in as the transaction's last statement, makes an interaction of it.
"""

import uuid
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, cast

import msgspec

from provenance.core.clock import now_ns
from provenance.core.db import Database, WriteTx
from provenance.core.disk import DiskGuard
from provenance.core.ids import new_uuid, new_uuid_text
from provenance.core.incoming import ORIGIN, Origin
from provenance.core.keyring import Keyring
from provenance.core.settings import Settings
from provenance.ledger import appending
from provenance.ledger.catalogue import queries
from provenance.ledger.catalogue.cache import Catalogue, Catalogues, Kind, Word
from provenance.ledger.catalogue.naming import colour_of, title_of
from provenance.ledger.entry import Draft, Entry, seal
from provenance.ledger.errors import CatalogueFull, UnknownMnemonic
from provenance.ledger.feed.hints import Hints
from provenance.ledger.lane import Lane
from provenance.ledger.log import queries as log_queries
from provenance.ledger.wakeup import Wakeups
from provenance.proof.canonical import admit, canonical, canonical_string

PLATFORM = "PLATFORM"
WORDS_PER_KIND = 5_000


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """Something the platform did, noted in a transaction; it becomes a platform row when that commits.

    ``resource_type`` and ``action`` are mnemonics, ``data`` any JSON object without secrets, or its canonical form.
    ``user_id`` is a person's id, never a name. ``workspace_id`` overrides the transaction's (install-level events).
    """

    resource_type: str
    action: str
    resource_id: str
    data: dict[str, Any] | bytes
    user_id: str | None = None
    uow_id: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    outcome: str = "success"
    risk: str = "low"
    domain: str = "platform"
    workspace_id: uuid.UUID | None = None
    repeat_key: str | None = None


class Deed(NamedTuple):
    """A fact on its way into the ledger by a lane, outside of a `WriteTx`: with who acts and whence the request came.

    ``acting`` is an id and a kind of actor, as `WriteTx.acting`.
    """

    fact: Fact
    acting: tuple[str, str]
    origin: Origin | None = None


def record(tx: WriteTx, fact: Fact) -> None:
    """Note a fact in the transaction it belongs to: both commit or neither does."""
    tx.recorded.append(msgspec.structs.replace(fact, workspace_id=fact.workspace_id or tx.workspace_id))


async def open_ledger(tx: WriteTx, workspace: str, name: str) -> None:
    """Give a new workspace its ledger: settings, a log of this name, and the one seeded word, the origin PLATFORM."""
    await queries.insert_settings(tx, workspace)
    await log_queries.open_log(tx, name)
    await queries.add_all(tx, [new_word(Kind.ORIGIN, PLATFORM, system=True)])


def new_word(kind: Kind, mnemonic: str, *, system: bool = False) -> dict[str, Any]:
    """Return the row of a word made on the fly."""
    now = now_ns()
    return {
        "id": new_uuid(),
        "kind": kind.value,
        "mnemonic": mnemonic,
        "folded": mnemonic.lower(),
        "title": title_of(mnemonic),
        "description": None,
        "icon": None,
        "font_color_hex": "#ffffff",
        "bg_color_hex": colour_of(mnemonic),
        "is_system": system,
        "auto_created": True,
        "edited": False,
        "used": True,
        "created_at": now,
        "modified_at": now,
    }


async def ensure_words(
    tx: WriteTx, catalogues: Catalogues, wanted: Iterable[tuple[Kind, str]], *, system: bool = False
) -> Catalogue:
    """Return the workspace's catalogue with these words in it and marked used, making those that are missing.

    Takes the lock of the workspace's settings row, so two processes never make the same word or pass the limit.
    Raises CatalogueFull and UnknownMnemonic.
    """
    await queries.raise_version(tx)
    tx.after_commit.append(lambda: catalogues.forget(tx.workspace_id))
    found = await catalogues.within(tx)
    names = sorted(set(wanted))
    missing = [(kind, name) for kind, name in names if found.named(kind, name) is None]
    if missing and not system:
        _refuse_missing(found, missing)
    if missing:
        await queries.add_all(tx, [new_word(kind, name, system=system) for kind, name in missing])
        found = await catalogues.within(tx)
    unused = [word.id for kind, name in names if (word := found.named(kind, name)) and not word.used]
    plain = [word.id for kind, name in names if system and (word := found.named(kind, name)) and not word.is_system]
    if unused and not system:
        await queries.mark_used(tx, unused)
    if system and (unused or plain):
        await queries.mark_system(tx, {*unused, *plain})
    return found


def _refuse_missing(found: Catalogue, missing: list[tuple[Kind, str]]) -> None:
    kind, name = missing[0]
    if found.strict:
        raise UnknownMnemonic.at(kind.value, f"{name} is not in the catalogue, and this workspace is strict")
    for each in {kind for kind, _ in missing}:
        if found.count(each) + sum(1 for kind, _ in missing if kind is each) > WORDS_PER_KIND:
            raise CatalogueFull.at(each.value, f"the workspace holds {WORDS_PER_KIND:,} words of this kind already")


class Ledger:
    """The running ledger of one process: caches, keys, the lane and the hints."""

    def __init__(self, settings: Settings, database_url: str) -> None:
        """Take the settings; nothing runs before `start`."""
        self.settings = settings
        self.guard = DiskGuard(settings.data_dir, settings.min_free_bytes)
        self.db = Database(database_url, pool_size=settings.pool_size, before_commit=self.append, guard=self.guard)
        self.catalogues = Catalogues(self.db)
        self.wakeups = Wakeups(database_url)
        self.hints = Hints(database_url)
        self.lane = Lane(
            database_url,
            max_entries=settings.lane_max_entries,
            max_bytes=settings.lane_max_bytes,
            guard=self.guard,
            committed=self._committed,
        )
        self._keyring: Keyring | None = None

    @property
    def keyring(self) -> Keyring:
        """The keys of every workspace."""
        assert self._keyring is not None, "start() hands over the keyring"
        return self._keyring

    def start(self, keyring: Keyring) -> None:
        """Start the lane and the hints."""
        self._keyring = keyring
        self.lane.start()
        self.wakeups.start()

    async def stop(self) -> None:
        """Commit what waits, then close."""
        await self.lane.stop()
        await self.wakeups.stop()
        await self.db.close()

    def use(self, keyring: Keyring) -> None:
        """Hand over the keyring without starting the lane (first starts, the worker)."""
        self._keyring = keyring

    async def append(self, tx: WriteTx, sealed: Sequence[Entry] = ()) -> None:
        """Make interactions of what a transaction noted, as its last statement; entries ``sealed`` before come first.

        Called once: whoever calls it before the transaction ends leaves nothing for its end.
        """
        entries = list(sealed)
        by_workspace: dict[uuid.UUID, list[Fact]] = {}
        for fact in tx.recorded:
            by_workspace.setdefault(fact.workspace_id, []).append(fact)
        for workspace_id, facts in sorted(by_workspace.items()):
            entries += await self._seal_facts(tx.inside(workspace_id), facts)
        await appending.append(tx, entries)
        tx.recorded.clear()
        for workspace_id in by_workspace:
            tx.after_commit.append(lambda grown=workspace_id: self.wakeups.grew(grown))  # type: ignore[misc]

    async def sealed(self, workspace_id: uuid.UUID, deeds: Sequence[Deed]) -> list[Entry]:
        """Seal what a lane is about to append; words that are missing are made in a transaction of their own."""
        catalogue = await self.catalogues.of(workspace_id)
        if not _knows(catalogue, [deed.fact for deed in deeds]):
            wanted = _words_of(deed.fact for deed in deeds)
            async with self.db.housekeeping(workspace_id) as tx:
                catalogue = await ensure_words(tx, self.catalogues, wanted, system=True)
        keys = self.keyring.cached(workspace_id) or await self.keyring.of(workspace_id)
        return [seal(_draft_of(workspace_id, deed, catalogue), keys) for deed in deeds]

    def sealed_now(self, workspace_id: uuid.UUID, deeds: Sequence[Deed]) -> list[Entry] | None:
        """Seal as `sealed` does if nothing has to be waited for; None when something has to be."""
        catalogue, keys = self.catalogues.remembered(workspace_id), self.keyring.cached(workspace_id)
        if catalogue is None or keys is None or not _knows(catalogue, [deed.fact for deed in deeds]):
            return None
        return [seal(_draft_of(workspace_id, deed, catalogue), keys) for deed in deeds]

    async def _seal_facts(self, tx: WriteTx, facts: list[Fact]) -> list[Entry]:
        catalogue = self.catalogues.remembered(tx.workspace_id)
        if catalogue is None or not _knows(catalogue, facts):
            catalogue = await self._catalogue_within(tx, facts)
        keys = await self.keyring.within(tx)
        origin = ORIGIN.get()
        return [seal(_draft_of(tx.workspace_id, Deed(fact, tx.acting, origin), catalogue), keys) for fact in facts]

    async def _catalogue_within(self, tx: WriteTx, facts: list[Fact]) -> Catalogue:
        """Return the catalogue with the facts' words, as the transaction sees it; after its commit it is remembered."""
        changes = self.catalogues.changes
        found = await self.catalogues.within(tx)
        if not _knows(found, facts):
            return await ensure_words(tx, self.catalogues, _words_of(facts), system=True)
        tx.after_commit.append(lambda: self.catalogues.remember(tx.workspace_id, found, changes))
        return found

    def _committed(self, entries: list[Entry]) -> None:
        for workspace_id in {entry.columns.workspace_id for entry in entries}:
            self.wakeups.grew(workspace_id)


def _words_of(facts: Iterable[Fact]) -> set[tuple[Kind, str]]:
    wanted = {(Kind.ORIGIN, PLATFORM)}
    for fact in facts:
        wanted |= {(Kind.RESOURCE_TYPE, fact.resource_type), (Kind.ACTION, fact.action)}
    return wanted


def _knows(catalogue: Catalogue, facts: Iterable[Fact]) -> bool:
    """Tell whether the words of facts are there, used and ours; that they are is kept with the catalogue."""
    return None not in [_settled(catalogue, fact) for fact in facts]


def _settled(catalogue: Catalogue, fact: Fact) -> tuple[Word, Word, Word] | None:
    names = (fact.resource_type, fact.action)
    words: tuple[Word, Word, Word] | None = catalogue.settled.get(names)
    if words is None:
        found = _named(catalogue, fact)
        if all(word is not None and word.used and word.is_system for word in found):
            catalogue.keep(names, found)
            words = cast(tuple[Word, Word, Word], found)
    return words


def _named(catalogue: Catalogue, fact: Fact) -> tuple[Word | None, Word | None, Word | None]:
    """Return the words of a fact: what it is about, what was done, and the origin of all facts."""
    return (
        catalogue.named(Kind.RESOURCE_TYPE, fact.resource_type),
        catalogue.named(Kind.ACTION, fact.action),
        catalogue.named(Kind.ORIGIN, PLATFORM),
    )


_repeated = lru_cache(maxsize=1024)(canonical_string)
"""Addresses and programs are the same few over and over."""


def _members_of(fact: Fact, origin: Origin | None) -> list[tuple[bytes, bytes]]:
    """Return the members of a fact's content, in canonical order; of a request also where it came from."""
    written = fact.data if isinstance(fact.data, bytes) else _written(fact.data)
    members = [(b'"interaction":', written)]
    if origin is not None:
        if origin.ip is not None:
            members.append((b'"ip":', _repeated(origin.ip)))
        members.append((b'"links":', b'[{"requestId":%b}]' % canonical_string(origin.request_id)))
    members.append((b'"resourceId":', canonical_string(fact.resource_id)))
    if origin is not None and origin.user_agent is not None:
        members.append((b'"userAgent":', _repeated(origin.user_agent)))
    if fact.user_id is not None:
        members.append((b'"userId":', canonical_string(fact.user_id)))
    return members


def _written(data: dict[str, Any]) -> bytes:
    """Return the canonical form of what we made ourselves: the compiled encoder first, a fifth of the time."""
    try:
        return admit(msgspec.json.encode(data))
    except (UnicodeEncodeError, TypeError):
        return canonical(data)


def _draft_of(workspace_id: uuid.UUID, deed: Deed, catalogue: Catalogue) -> Draft:
    fact = deed.fact
    resource_type, action, origin = _settled(catalogue, fact) or _named(catalogue, fact)
    assert resource_type is not None, fact.resource_type
    assert action is not None, fact.action
    assert origin is not None, PLATFORM
    recorded_by, actor_kind = deed.acting
    members = _members_of(fact, deed.origin)
    return Draft(
        workspace_id=workspace_id,
        workspace=catalogue.workspace,
        recorded_by=recorded_by,
        actor_kind=actor_kind,
        resource_type=resource_type,
        action=action,
        origin=origin,
        resource_id=fact.resource_id,
        user_id=fact.user_id,
        external_reference=None,
        uow_id=fact.uow_id or new_uuid_text(),
        span_id=fact.span_id,
        parent_span_id=fact.parent_span_id,
        occurred_at=None,
        outcome=fact.outcome,
        sequence_index=None,
        corrects=None,
        content=b"{%b}" % b",".join([name + value for name, value in members]),
        related=[],
        repeat_key=None if fact.repeat_key is None else b"platform\0" + fact.repeat_key.encode(),
        sent=b"" if fact.repeat_key is None else b"".join([value for _, value in members]),
        platform=True,
        risk=fact.risk,
        domain=fact.domain,
    )
