import json
import sys
import uuid
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from provenance.proof import completeness_tiles
from provenance.proof.canonical import canonical
from provenance.proof.checkpoints import Checkpoint, sign_checkpoint
from provenance.proof.completeness import Findings, MalformedAnswer, verify, write_completeness
from provenance.proof.completeness_map import (
    BUCKET_ENTRIES,
    EMPTY_MAP,
    NO_HEAD,
    Entry,
    Kind,
    MalformedEntry,
    MapHead,
    bit,
    bucket_hash,
    extended,
    index_key_commitment,
    inner_hash,
    keys_of,
    map_key,
    map_root,
    place_of,
    rebuild,
    root_from,
)
from provenance.proof.completeness_tiles import Bucket, MapDamaged, Tile, grow, path_of, tiles_above
from provenance.proof.leaf import Envelope, IndexKeys, index_key_hash
from provenance.proof.notes import Note, Signer, sign

INDEX_KEY = bytes(range(32))
LOG = Signer("p.example/main", Ed25519PrivateKey.from_private_bytes(bytes(32)))
MAP = Signer("p.example/main/map", Ed25519PrivateKey.from_private_bytes(b"\x01" * 32))
KEYS = [LOG.verifier, MAP.verifier]
ROOT = sha256(b"some log").digest()


def uow(number: int) -> str:
    return f"018f3c1e-0000-7000-8000-{number:012}"


def envelope(resource: str, user: str | None, unit: int) -> bytes:
    """An entry of the log; only what the map reads of it differs."""
    return Envelope(
        action="CREATE",
        actor_kind="key",
        content_digest="00" * 32,
        corrects=None,
        domain=None,
        id=uow(0),
        keys=IndexKeys(
            index_key_hash(INDEX_KEY, b"r", resource), None if user is None else index_key_hash(INDEX_KEY, b"u", user)
        ),
        occurred="1",
        origin="TEST",
        outcome=None,
        parent_span=None,
        platform=False,
        recorded="2",
        recorded_by="key_1",
        resource_type="DOOR",
        risk=None,
        sequence=None,
        span=None,
        uow=uow(unit),
        workspace="ws_1",
    ).canonical()


def envelopes(rows: int, *, spread: int = 10**9) -> list[bytes]:
    return [envelope(f"door-{at * 7 % spread}", f"user-{at % 9}" if at % 4 else None, at // 5) for at in range(rows)]


class Kept:
    """A map as a database keeps it: only what is touched is read, and only what changed is written."""

    def __init__(self) -> None:
        self.root = EMPTY_MAP
        self.buckets: dict[bytes, Bucket] = {}
        self.tiles: dict[bytes, bytes] = {}
        self.size = 0

    def around(self, place: bytes) -> Bucket | None:
        below = [prefix for prefix in self.buckets if prefix <= place]
        return self.buckets[max(below)] if below else None

    def add(self, entries: Sequence[bytes]) -> None:
        added: dict[bytes, list[int]] = {}
        for index, entry in enumerate(entries, self.size):
            for key in keys_of(entry):
                added.setdefault(key, []).append(index)
        self.size += len(entries)
        self.extend(added)

    def extend(self, added: dict[bytes, list[int]]) -> None:
        if not added:
            return
        touched = {bucket for key in added if (bucket := self.around(place_of(key))) is not None}
        tiles = {prefix: self.tiles[prefix] for bucket in touched for prefix in tiles_above(bucket.prefix)}
        grown = grow(self.root, list(touched), tiles, added)
        for prefix in grown.gone:
            del self.buckets[prefix]
        self.buckets.update({bucket.prefix: bucket for bucket in grown.buckets})
        self.tiles.update(grown.tiles)
        self.root = grown.root

    def answer(self, kind: Kind, identifier: str, *, listed: bool = True, logged: Sequence[bytes] = ()) -> bytes:
        value = uuid.UUID(identifier).bytes if kind == "uow" else None
        value = value or bytes.fromhex(index_key_hash(INDEX_KEY, kind.encode(), identifier))
        key = map_key(kind, value)
        bucket = self.around(place_of(key))
        assert bucket is not None
        indices = [at for at, entry in enumerate(logged) if key in keys_of(entry)] if listed else None
        return write_completeness(
            kind,
            identifier,
            None if kind == "uow" else INDEX_KEY,
            key,
            bucket.all(),
            indices,
            path_of(bucket, self.tiles),
            sign(str(MapHead(LOG.name, self.size, ROOT, self.root, index_key_commitment(INDEX_KEY))), MAP),
            sign_checkpoint(Checkpoint(LOG.name, self.size, ROOT), LOG),
        )


@pytest.fixture(scope="module")
def logged() -> list[bytes]:
    return envelopes(2_000)


@pytest.fixture(scope="module")
def kept(logged: list[bytes]) -> Kept:
    made = Kept()
    made.add(logged[:1])
    made.add(logged[1:])
    return made


def failed(findings: Findings) -> list[str]:
    return [finding.subject for finding in findings.findings if not finding.passed]


class TestFormat:
    """The bytes as the module's text describes them, spelled out by hand."""

    def test_a_map_without_keys(self) -> None:
        assert sha256(b"\x04" + bytes(4)).digest() == EMPTY_MAP == map_root({})

    def test_one_entry(self) -> None:
        [first, _, _] = keys_of(envelope("door", "user", 3))
        assert first == b"r" + bytes.fromhex(index_key_hash(INDEX_KEY, b"r", "door"))
        assert keys_of(envelope("door", None, 3))[1] == b"w" + uuid.UUID(uow(3)).bytes
        one = sha256(b"\x02" + bytes(32) + (5).to_bytes(8, "big")).digest()
        two = sha256(b"\x02" + one + (9).to_bytes(8, "big")).digest()
        assert extended(NO_HEAD, (5, 9)) == two
        entry = first + (2).to_bytes(8, "big") + two
        assert Entry(first, 2, two).packed() == entry
        assert map_root({first: Entry(first, 2, two)}) == sha256(b"\x04\x00\x00\x00\x01" + entry).digest()

    def test_a_bucket_splits_over_64(self) -> None:
        entries = {key: Entry(key, 1, NO_HEAD) for at in range(65) for key in [map_key("r", at.to_bytes(16, "big"))]}
        sides: list[list[bytes]] = [[], []]
        for key, entry in sorted(entries.items()):
            sides[sha256(b"\x03" + key).digest()[0] >> 7].append(entry.packed())
        left, right = (bucket_hash(1, b"".join(side)) for side in sides)
        assert map_root(entries) == sha256(b"\x05" + left + right).digest()
        entries.popitem()
        assert map_root(entries) == bucket_hash(0, b"".join(entries[key].packed() for key in sorted(entries)))

    def test_the_note(self) -> None:
        head = MapHead("p.example/main", 3, ROOT, EMPTY_MAP, index_key_commitment(INDEX_KEY))
        assert MapHead.parse(str(head)) == head
        lines = str(head).split("\n")
        assert lines[:2] == ["p.example/main/map", "3"]
        assert len(lines) == 6

    @pytest.mark.parametrize("text", [b"", b"{}", b"[]", envelope("a", None, 1).replace(b'"v":1', b'"v":2')])
    def test_what_is_no_envelope(self, text: bytes) -> None:
        with pytest.raises(MalformedEntry):
            keys_of(text)


class TestGrowing:
    @settings(max_examples=25, deadline=None)
    @given(st.data(), st.integers(0, 700), st.integers(1, 400))
    def test_any_batches_make_the_map_that_is_rebuilt(self, data: st.DataObject, rows: int, spread: int) -> None:
        entries = envelopes(rows, spread=spread)
        cuts = sorted(data.draw(st.lists(st.integers(0, rows), max_size=6)))
        made = Kept()
        for start, end in zip([0, *cuts], [*cuts, rows], strict=True):
            made.add(entries[start:end])
        rebuilt = rebuild(entries)
        assert made.root == map_root(rebuilt)
        assert {entry.key: entry for bucket in made.buckets.values() for entry in bucket.all()} == rebuilt

    @settings(max_examples=25, deadline=None)
    @given(st.randoms(use_true_random=False), st.integers(1, 3000))
    def test_the_order_of_keys_makes_no_difference(self, random: Any, keys: int) -> None:
        """Keys of one leaf each may come in any order: the map's shape follows from the set alone."""
        added = [(map_key("uow", sha256(bytes([at % 256, at // 256])).digest()[:16]), [at]) for at in range(keys)]
        random.shuffle(added)
        made = Kept()
        while added:
            made.extend(dict(added[: (count := random.randint(1, keys))]))
            added = added[count:]
        assert made.root == map_root({entry.key: entry for each in made.buckets.values() for entry in each.all()})
        assert sum(len(each.all()) for each in made.buckets.values()) == keys

    def test_the_kept_form_is_as_described(self, kept: Kept, logged: list[bytes]) -> None:
        assert kept.root == map_root(rebuild(logged))
        assert all(len(bucket.all()) <= BUCKET_ENTRIES for bucket in kept.buckets.values())
        for bucket in kept.buckets.values():
            assert len(bucket.prefix) == -(-bucket.depth // 8)
            assert bucket.tile in kept.tiles
            path = path_of(bucket, kept.tiles)
            place = bucket.prefix.ljust(32, b"\0")
            assert root_from(bucket_hash(bucket.depth, bucket.entries), place, path) == kept.root

    def test_places_that_share_many_bits_make_deep_buckets(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """As if somebody had searched for units of work whose places begin alike."""

        spread_out = place_of
        for module in (completeness_tiles, sys.modules[__name__]):
            monkeypatch.setattr(module, "place_of", lambda key: bytes(3) + spread_out(key))
        made, count = Kept(), 0
        for batch in (64, 1, 200, 900):
            made.extend({map_key("r", (count + at).to_bytes(16, "big")): [at] for at in range(batch)})
            count += batch
        assert max(bucket.depth for bucket in made.buckets.values()) > 24
        assert [each.entries for each in made.buckets.values() if each.depth <= 24] == [b""] * 24
        for bucket in made.buckets.values():
            path = path_of(bucket, made.tiles)
            place = bucket.prefix.ljust(32, b"\0")
            assert root_from(bucket_hash(bucket.depth, bucket.entries), place, path) == made.root

    def test_nothing_is_built_on_what_was_not_signed(self, kept: Kept) -> None:
        key = next(iter(kept.buckets.values())).all()[0].key
        bucket = kept.around(place_of(key))
        assert bucket is not None
        tiles = {prefix: kept.tiles[prefix] for prefix in tiles_above(bucket.prefix)}
        fewer = bucket._replace(entries=bucket.entries[57:])
        other = next(each for each in kept.buckets.values() if each != bucket)
        cut = {prefix: data[33:] for prefix, data in tiles.items()}
        changed = {prefix: data[:-1] + bytes([data[-1] ^ 1]) for prefix, data in tiles.items()}
        for root, buckets, read in (
            (ROOT, [bucket], tiles),
            (kept.root, [fewer], tiles),
            (kept.root, [other], {**tiles, **{prefix: kept.tiles[prefix] for prefix in tiles_above(other.prefix)}}),
            (kept.root, [bucket], {}),
            (kept.root, [bucket], cut),
            (kept.root, [bucket], changed),
            (kept.root, [], {}),
            (EMPTY_MAP, [bucket], tiles),
        ):
            with pytest.raises(MapDamaged):
                grow(root, buckets, read, {key: [10**6]})

    def test_half_a_tile_has_no_path(self) -> None:
        with pytest.raises(MapDamaged):
            Tile(b"\x02" + bytes(32)).path(0, 2)

    def test_a_tile_reads_as_it_was_written(self, kept: Kept) -> None:
        for data in kept.tiles.values():
            assert bytes(Tile(data)) == data


class TestVerify:
    @pytest.mark.parametrize(
        ("kind", "identifier", "count"),
        [
            ("r", "door-14", 1),
            ("r", "door-0", 1),
            ("u", "user-3", 166),
            ("uow", uow(7), 5),
            ("r", "door-3", 0),
            ("u", "door-14", 0),
            ("uow", uow(400), 0),
        ],
    )
    def test_presence_and_absence(
        self, kept: Kept, logged: list[bytes], kind: Kind, identifier: str, count: int
    ) -> None:
        document = kept.answer(kind, identifier, logged=logged)
        findings = verify(document, KEYS)
        assert findings.proven, findings.summary
        assert (findings.kind, findings.id, findings.count) == (kind, identifier, count)
        assert findings.summary == f"complete: {count} of the log's first 2000 entries"
        assert document == canonical(json.loads(document))

    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 20_000), st.sampled_from(["r", "u", "uow"]))
    def test_random_ids(self, kept: Kept, logged: list[bytes], number: int, kind: Kind) -> None:
        identifier = {"r": f"door-{number}", "u": f"user-{number % 30}", "uow": uow(number % 900)}[kind]
        findings = verify(kept.answer(kind, identifier, logged=logged), KEYS)
        assert findings.proven, findings.summary
        expected = {
            "r": number % 7 == 0 and number < 14_000,
            "u": number % 30 < 9,
            "uow": number % 900 < 400,
        }[kind]
        assert (findings.count > 0) == expected

    def test_indices_may_be_left_out_and_checked_later(self, kept: Kept, logged: list[bytes]) -> None:
        findings = verify(kept.answer("u", "user-3", listed=False), KEYS)
        whole = verify(kept.answer("u", "user-3", logged=logged), KEYS)
        assert findings.proven
        assert findings.indices is None
        assert whole.indices is not None
        assert findings.indices_fit(whole.indices)
        assert not findings.indices_fit(whole.indices[:-1])
        assert not findings.indices_fit((*whole.indices[:-1], 9))

    @pytest.mark.parametrize("keys", [[], [LOG.verifier], [MAP.verifier]])
    def test_keys_that_are_not_trusted(self, kept: Kept, logged: list[bytes], keys: list[Any]) -> None:
        missing = {"map", "checkpoint"} - {"checkpoint" if key == LOG.verifier else "map" for key in keys}
        assert set(failed(verify(kept.answer("r", "door-7", logged=logged), keys))) == missing

    def test_each_lie_is_told(self, kept: Kept, logged: list[bytes]) -> None:
        good = json.loads(kept.answer("u", "user-3", logged=logged))
        absent = json.loads(kept.answer("u", "nobody", logged=logged))

        def lie(**members: Any) -> list[str]:
            return failed(verify(canonical({**good, **members}), KEYS))

        others = [entry for entry in good["bucket"] if entry["key"] != good["key"]]
        assert lie(id="user-4") == ["key"]
        assert lie(indexKey="00" * 32) == ["key"]
        assert lie(indexKey=None) == ["key"]
        assert lie(indices=good["indices"][:-1], count=165) == ["indices"]
        assert lie(indices=good["indices"][:-1]) == ["indices"]
        assert lie(indices=[*good["indices"][:-1], 1999]) == ["indices"]
        assert lie(indices=[*good["indices"][:-1], 2001]) == ["indices"]
        assert lie(indices=good["indices"][::-1]) == ["indices"]
        assert lie(bucket=others, indices=[], count=0) == ["path"]
        assert lie(bucket=good["bucket"][::-1]) == ["bucket", "path"]
        assert lie(path=good["path"][1:]) == ["path"]
        assert lie(path=good["path"][::-1]) == ["path"]
        assert set(lie(bucket=absent["bucket"], path=absent["path"], indices=[], count=0)) == {"bucket", "path"}
        older = sign_checkpoint(Checkpoint(LOG.name, 1999, ROOT), LOG)
        assert lie(checkpoint=str(older)) == ["checkpoint"]
        stranger = Signer("p.example/else", LOG.private)
        assert lie(checkpoint=str(sign_checkpoint(Checkpoint(stranger.name, 2000, ROOT), stranger))) == ["checkpoint"]
        impostor = Signer(MAP.name, LOG.private)
        assert lie(note=str(sign(Note.parse(good["note"]).text, impostor))) == ["map"]
        other_index_key = MapHead(LOG.name, 2000, ROOT, kept.root, index_key_commitment(bytes(32)))
        assert lie(note=str(sign(str(other_index_key), MAP))) == ["key"]
        assert lie(note=good["checkpoint"]) == ["key", "path", "map", "checkpoint", "indices"]
        assert lie(note="no note", checkpoint="nor this") == ["key", "path", "map", "checkpoint", "indices"]

    def test_an_entry_that_nothing_names(self) -> None:
        """A map's maker could add entries; a count of nothing is no such entry's."""
        key = map_key("uow", uuid.UUID(uow(1)).bytes)
        head = MapHead(
            LOG.name, 1, ROOT, bucket_hash(0, Entry(key, 0, NO_HEAD).packed()), index_key_commitment(INDEX_KEY)
        )
        note, checkpoint = sign(str(head), MAP), sign_checkpoint(Checkpoint(LOG.name, 1, ROOT), LOG)
        made = write_completeness("uow", uow(1), None, key, [Entry(key, 0, NO_HEAD)], [], [], note, checkpoint)
        assert failed(verify(made, KEYS)) == ["bucket"]

    @settings(max_examples=150, deadline=None)
    @given(st.data())
    def test_every_mutated_document_fails(self, kept: Kept, logged: list[bytes], data: st.DataObject) -> None:
        kind, identifier = data.draw(st.sampled_from([("r", "door-7"), ("u", "user-3"), ("uow", uow(4)), ("r", "x")]))
        document = json.loads(kept.answer(kind, identifier, logged=logged))
        changed = mutated(document, data)
        if changed == document:
            return
        try:
            findings = verify(json.dumps(changed).encode(), KEYS)
        except MalformedAnswer:
            return
        assert not findings.proven, changed

    @pytest.mark.parametrize(
        "text",
        [b"", b"[]", b"{}", b'{"kind":"r"', b'{"kind":"r","kind":"r"}'],
    )
    def test_what_is_no_answer(self, text: bytes) -> None:
        with pytest.raises(MalformedAnswer):
            verify(text, KEYS)

    def test_an_unknown_member_is_refused(self, kept: Kept, logged: list[bytes]) -> None:
        members = {**json.loads(kept.answer("r", "door-7", logged=logged)), "proven": True}
        with pytest.raises(MalformedAnswer):
            verify(canonical(members), KEYS)


def mutated(value: Any, data: st.DataObject) -> Any:
    """The value with one thing in it changed, somewhere. Leaving the indices out is no lie."""
    if isinstance(value, dict):
        name = data.draw(st.sampled_from(sorted(value)))
        return {**value, name: mutated(value[name], data)}
    if isinstance(value, list):
        if not value or data.draw(st.booleans()):
            return value[1:] if value else [0]
        at = data.draw(st.integers(0, len(value) - 1))
        return [*value[:at], mutated(value[at], data), *value[at + 1 :]]
    if isinstance(value, str):
        at = data.draw(st.integers(0, len(value) - 1))
        letter = data.draw(st.sampled_from("0123456789abcdef\n+"))
        return value[:at] + letter + value[at + 1 :]
    return value + 1 if isinstance(value, int) else "00" * 32


def test_the_siblings_of_a_path_stand_from_the_bucket_up() -> None:
    place, leaf, siblings = bytes([0b0100_0000]) + bytes(31), ROOT, [bytes([1]) * 32, bytes([2]) * 32]
    assert [bit(place, at) for at in range(3)] == [0, 1, 0]
    assert root_from(leaf, place, siblings) == inner_hash(inner_hash(siblings[0], leaf), siblings[1])
