"""Growing a completeness map in place: only the buckets and tiles that new leaves touch, in any number at once.

The nodes above the buckets are kept in tiles of eight levels, 256 wide. The tile under a prefix of n bytes holds the
hashes of the nodes that lie on the way down from there: a bucket of depth 8n+1 to 8n+8, or the inner node of depth
8n+8 where another tile begins. How the tree is kept has no part in its root (`completeness_map`).
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from provenance.proof.completeness_map import (
    BUCKET_ENTRIES,
    EMPTY_MAP,
    ENTRY_BYTES,
    KEY_BYTES,
    NO_HEAD,
    Entry,
    bit,
    bucket_hash,
    extended,
    inner_hash,
    place_of,
)
from provenance.proof.strict import HASH_BYTES

_LEVELS: Final = 8
_WIDTH: Final = 256
_NODE_BYTES: Final = HASH_BYTES + 1

Placed = tuple[bytes, bytes]
"""A place, and the key or the packed entry that stands there."""


class MapDamaged(ValueError):
    """Stored buckets and tiles that are not those of the root they are said to have."""


class Bucket(NamedTuple):
    """A bucket: the first `depth` bits of its places, filled up with zeros to whole bytes; its packed entries."""

    prefix: bytes
    depth: int
    entries: bytes

    @property
    def tile(self) -> bytes:
        """The prefix of the tile that holds the bucket's hash."""
        return self.prefix[:-1]

    def find(self, key: bytes) -> Entry | None:
        """The entry of a key, if the bucket has one."""
        at = _position(self.entries, key)
        found = self.entries[at : at + ENTRY_BYTES]
        return Entry.unpack(found) if found.startswith(key) else None

    def covers(self, place: bytes) -> bool:
        """Whether the place begins with the bucket's bits."""
        spare = -self.depth % _LEVELS
        return int.from_bytes(place[: len(self.prefix)]) >> spare == int.from_bytes(self.prefix) >> spare

    def all(self) -> list[Entry]:
        """Every entry of the bucket, sorted by key."""
        return [Entry.unpack(self.entries[at : at + ENTRY_BYTES]) for at in range(0, len(self.entries), ENTRY_BYTES)]


ROOT_BUCKET: Final = Bucket(b"", 0, b"")
"""The one bucket of a map without keys."""


class Tile:
    """The hashes of one tile by the first slot below them: how deep they lie in the tile, and the hash."""

    __slots__ = ("nodes",)

    def __init__(self, data: bytes = b"") -> None:
        """Read the bytes of a tile: for each node one byte of depth and the hash, from the left.

        Raises `MapDamaged`.
        """
        self.nodes: dict[int, tuple[int, bytes]] = {}
        slot = 0
        for at in range(0, len(data), _NODE_BYTES):
            depth = data[at]
            if depth > _LEVELS or len(data) - at < _NODE_BYTES:
                raise MapDamaged("A tile of the completeness map is no whole tree.")
            self.nodes[slot] = (depth, data[at + 1 : at + _NODE_BYTES])
            slot += _WIDTH >> depth

    def __bytes__(self) -> bytes:
        return b"".join([bytes((depth,)) + digest for _, (depth, digest) in sorted(self.nodes.items())])

    def put(self, bucket: Bucket, digest: bytes) -> None:
        """Set the hash of a bucket that lies in this tile."""
        self.nodes[_slot(bucket)] = (_depth_in_tile(bucket), digest)

    def root(self) -> bytes:
        """The hash of the tile's topmost node. Raises `MapDamaged` for what is no whole tree."""
        waiting: list[tuple[int, bytes]] = []
        for _, (depth, digest) in sorted(self.nodes.items()):
            while waiting and depth and waiting[-1][0] == depth:
                depth, digest = depth - 1, inner_hash(waiting.pop()[1], digest)
            waiting.append((depth, digest))
        if len(waiting) != 1 or waiting[0][0] != 0:
            raise MapDamaged("A tile of the completeness map is no whole tree.")
        return waiting[0][1]

    def path(self, slot: int, depth: int) -> list[bytes]:
        """The siblings on the way up from the node at this slot and depth, its own first. Raises `MapDamaged`."""
        known: dict[int, bytes] = {}  # by number as in a heap: the root is 1, the children of n are 2n and 2n+1
        for at, (deep, digest) in self.nodes.items():
            known[(_WIDTH | at) >> (_LEVELS - deep)] = digest
        for at in range(_WIDTH - 1, 0, -1):
            if 2 * at in known and 2 * at + 1 in known:
                known[at] = inner_hash(known[2 * at], known[2 * at + 1])
        node = (_WIDTH | slot) >> (_LEVELS - depth)
        try:
            return [known[(node >> up) ^ 1] for up in range(depth)]
        except KeyError:
            raise MapDamaged("A tile of the completeness map is no whole tree.") from None


class Grown(NamedTuple):
    """What becomes of a map: its root, the buckets and tiles to be kept, the prefixes of buckets that are no more."""

    root: bytes
    buckets: list[Bucket]
    tiles: dict[bytes, bytes]
    gone: list[bytes]


def tiles_above(prefix: bytes) -> list[bytes]:
    """The prefixes of the tiles on the way from the root to the bucket with this prefix."""
    return [prefix[:at] for at in range(max(1, len(prefix)))]


def path_of(bucket: Bucket, tiles: Mapping[bytes, bytes]) -> list[bytes]:
    """The path of a bucket through the tiles above it. Raises `MapDamaged`, and KeyError for a tile not given."""
    path = Tile(tiles[bucket.tile]).path(_slot(bucket), _depth_in_tile(bucket))
    for tile in reversed(tiles_above(bucket.prefix)[:-1]):
        path += Tile(tiles[tile]).path(bucket.prefix[len(tile)], _LEVELS)
    return path


def grow(
    root: bytes, buckets: Sequence[Bucket], tiles: Mapping[bytes, bytes], added: Mapping[bytes, Sequence[int]]
) -> Grown:
    """Extend the chains of keys by indices, each key's in order.

    Args: the map's root; the buckets around the places of all keys, each once; the tiles above those, by prefix.
    Raises `MapDamaged` if buckets and tiles do not lead to the root: nothing is built on what was not signed.
    """
    kept = sorted(buckets) or [ROOT_BUCKET]
    trees = {prefix: Tile(data) for prefix, data in tiles.items()}
    if root != EMPTY_MAP or buckets:
        _refuse_damaged(root, kept, trees)
    else:
        trees = {b"": Tile()}
    made: list[Bucket] = []
    for bucket, placed in _shared(kept, sorted((place_of(key), key) for key in added)):
        made += _split(bucket, _merged(bucket, [key for _, key in placed], added))
    gone = {bucket.prefix for bucket in buckets} - {bucket.prefix for bucket in made}
    for bucket in kept:
        trees[bucket.tile].nodes.pop(_slot(bucket), None)
    for bucket in made:
        trees.setdefault(bucket.tile, Tile()).put(bucket, bucket_hash(bucket.depth, bucket.entries))
    return Grown(_hash_up(trees), made, {prefix: bytes(tree) for prefix, tree in trees.items()}, sorted(gone))


def _refuse_damaged(root: bytes, buckets: Sequence[Bucket], trees: Mapping[bytes, Tile]) -> None:
    for bucket in buckets:
        held = trees[bucket.tile].nodes.get(_slot(bucket)) if bucket.tile in trees else None
        if held != (_depth_in_tile(bucket), bucket_hash(bucket.depth, bucket.entries)):
            raise MapDamaged("A bucket of the completeness map is not what was signed.")
    for prefix, tree in trees.items():
        above = trees.get(prefix[:-1])
        held = (above.nodes.get(prefix[-1]) if above else None) if prefix else (_LEVELS, root)
        if held != (_LEVELS, tree.root()):
            raise MapDamaged("A tile of the completeness map is not what was signed.")


def _shared(buckets: Sequence[Bucket], placed: Sequence[Placed]) -> Iterator[tuple[Bucket, Sequence[Placed]]]:
    """Give each bucket the keys whose places it covers; both come sorted. Raises `MapDamaged` if one has none."""
    start = 0
    for at, bucket in enumerate(buckets):
        end = len(placed) if at + 1 == len(buckets) else bisect_left(placed, (buckets[at + 1].prefix,), start)
        if start == end or not (bucket.covers(placed[start][0]) and bucket.covers(placed[end - 1][0])):
            raise MapDamaged("A bucket of the completeness map covers none of the places it was read for.")
        yield bucket, placed[start:end]
        start = end


def _merged(bucket: Bucket, keys: Sequence[bytes], added: Mapping[bytes, Sequence[int]]) -> bytes:
    """The bucket's entries with the chains of these keys extended."""
    pieces: list[bytes] = []
    start, entries = 0, bucket.entries
    for key in sorted(keys):
        at = _position(entries, key)
        before = entries[at : at + ENTRY_BYTES]
        known = before.startswith(key) and bool(before)
        count, head = (int.from_bytes(before[KEY_BYTES:-HASH_BYTES]), before[-HASH_BYTES:]) if known else (0, NO_HEAD)
        pieces += (entries[start:at], key, (count + len(added[key])).to_bytes(8), extended(head, added[key]))
        start = at + ENTRY_BYTES if known else at
    pieces.append(entries[start:])
    return b"".join(pieces)


def _position(entries: bytes, key: bytes) -> int:
    """Where in sorted entries a key stands, or would."""
    low, high = 0, len(entries) // ENTRY_BYTES
    while low < high:
        middle = (low + high) // 2
        at = middle * ENTRY_BYTES
        if entries[at : at + KEY_BYTES] < key:
            low = middle + 1
        else:
            high = middle
    return low * ENTRY_BYTES


def _split(bucket: Bucket, entries: bytes) -> list[Bucket]:
    """The bucket with its new entries, or the buckets it falls apart into."""
    if len(entries) <= BUCKET_ENTRIES * ENTRY_BYTES:
        return [Bucket(bucket.prefix, bucket.depth, entries)]
    packed = [entries[at : at + ENTRY_BYTES] for at in range(0, len(entries), ENTRY_BYTES)]
    placed = sorted((place_of(entry[:KEY_BYTES]), entry) for entry in packed)
    return list(_parts(placed, int.from_bytes(bucket.prefix) >> (-bucket.depth % 8), bucket.depth))


def _parts(placed: Sequence[Placed], bits: int, depth: int) -> Iterator[Bucket]:
    if len(placed) <= BUCKET_ENTRIES:
        prefix = (bits << (-depth % 8)).to_bytes((depth + 7) // 8)
        yield Bucket(prefix, depth, b"".join(sorted([entry for _, entry in placed])))
        return
    middle = bisect_left(placed, 1, key=lambda each: bit(each[0], depth))
    yield from _parts(placed[:middle], bits << 1, depth + 1)
    yield from _parts(placed[middle:], bits << 1 | 1, depth + 1)


def _hash_up(trees: dict[bytes, Tile]) -> bytes:
    """Carry the root of every tile into the one above, from the deepest; the root of the map."""
    for prefix in sorted(trees, key=len, reverse=True):
        if not prefix:
            break
        trees[prefix[:-1]].nodes[prefix[-1]] = (_LEVELS, trees[prefix].root())
    return trees[b""].root()


def _slot(bucket: Bucket) -> int:
    return bucket.prefix[-1] if bucket.depth else 0


def _depth_in_tile(bucket: Bucket) -> int:
    return (bucket.depth - 1) % _LEVELS + 1 if bucket.depth else 0
