"""The completeness map: for every resource, user and unit of work, which leaves of the log name it, under one root.

The map is made of the log's entries alone (spec/proof.md, 5), so whoever has the entry bundles can build it again,
in whatever order, and must get the root that was signed. Everything is SHA-256; ‖ joins bytes; numbers are
unsigned and big-endian; an *index* is a leaf's place in the log, counted from 0.

**Key**, 17 bytes: the letter of its kind ‖ 16 bytes. `r` (0x72) and `u` (0x75) stand before `keys.r` and `keys.u`
of an envelope, `w` (0x77) before the bytes of its `uow`. An envelope without `keys.u` has two keys, others three.

**Chain**: head₀ = 32 zero bytes, headₙ = H(0x02 ‖ headₙ₋₁ ‖ u64 indexₙ) over the indices of the leaves that bear
the key, in order. **Entry**, 57 bytes: key ‖ u64 count ‖ headₙ, with n = count ≥ 1.

**Place** of a key: H(0x03 ‖ key), read as 256 bits. The map is a binary tree over the places. A node of depth d
holds the keys whose places begin with the same d bits. It is a bucket if those are 64 keys at most, and else has two
children of depth d + 1: the keys whose next bit is 0, and the others.

**Bucket**: H(0x04 ‖ u16 d ‖ u16 n ‖ its n entries, sorted by key). A bucket may be empty, n = 0; a map without
keys is one empty bucket of depth 0. **Inner node**: H(0x05 ‖ left ‖ right). The root is the node of depth 0.

**Path** of a bucket of depth d: the d siblings on the way to the root, the bucket's own first.

**Note**: a signed note whose text has five lines: the log's origin with `/map` behind it, the number of leaves that
the map covers, the log's root over them, the map's root, H(0x06 ‖ index key), hashes in base64. It is signed by
a key that is named like its first line. The last line fixes the index key, the secret under which ids become
`keys.r` and `keys.u`: whoever answers for an id cannot make up another key, under which it would be absent.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Literal, NamedTuple

import msgspec

from provenance.proof.checkpoints import Checkpoint, MalformedCheckpoint, open_checkpoint
from provenance.proof.leaf import VERSION, Envelope
from provenance.proof.notes import Note, VerifierKey
from provenance.proof.strict import HASH_BYTES, Malformed, read_hash, write_base64

Kind = Literal["r", "u", "uow"]
"""Which field a key stands for: resourceId, userId or uowId."""

LETTERS: Final[dict[Kind, bytes]] = {"r": b"r", "u": b"u", "uow": b"w"}
VALUE_BYTES: Final = 16
KEY_BYTES: Final = 17
ENTRY_BYTES: Final = 57
BUCKET_ENTRIES: Final = 64
MAX_DEPTH: Final = 256
NO_HEAD: Final = bytes(HASH_BYTES)
SUFFIX: Final = "/map"

_CHAIN: Final = b"\x02"
_PLACE: Final = b"\x03"
_BUCKET: Final = b"\x04"
_NODE: Final = b"\x05"
_INDEX_KEY: Final = b"\x06"
_KINDS: Final[dict[bytes, Kind]] = {letter: kind for kind, letter in LETTERS.items()}


class MalformedEntry(Malformed):
    """An entry of the log that is no envelope, or bytes that are no entry of the map."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the map holds of one key: in how many leaves it stands, and the head of the chain over their indices."""

    key: bytes
    count: int
    head: bytes

    def packed(self) -> bytes:
        """The entry's 57 bytes."""
        return self.key + self.count.to_bytes(8) + self.head

    @classmethod
    def unpack(cls, data: bytes) -> "Entry":
        """Read 57 bytes. Raises `MalformedEntry`."""
        if len(data) != ENTRY_BYTES:
            raise MalformedEntry(f"An entry has {ENTRY_BYTES} bytes, not {len(data)}.")
        return cls(data[:KEY_BYTES], int.from_bytes(data[KEY_BYTES : KEY_BYTES + 8]), data[KEY_BYTES + 8 :])


def map_key(kind: Kind, value: bytes) -> bytes:
    """The key of 17 bytes for the 16 bytes that an envelope bears. Raises ValueError for another length."""
    if len(value) != VALUE_BYTES:
        raise ValueError(f"a key is made of {VALUE_BYTES} bytes, not {len(value)}")
    return LETTERS[kind] + value


def kind_of(key: bytes) -> Kind:
    """The kind of a key. Raises `MalformedEntry` for a letter that stands for none."""
    try:
        return _KINDS[key[:1]]
    except KeyError:
        raise MalformedEntry("A key begins with the letter r, u or w.") from None


def keys_of(envelope: bytes) -> list[bytes]:
    """The two or three keys under which the map lists an entry of the log. Raises `MalformedEntry`."""
    try:
        read = msgspec.json.decode(envelope, type=Envelope)
        named: dict[Kind, str | None] = {"r": read.keys.r, "u": read.keys.u, "uow": read.uow.replace("-", "")}
        found = [map_key(kind, bytes.fromhex(value)) for kind, value in named.items() if value is not None]
    except (msgspec.DecodeError, ValueError):
        raise MalformedEntry("An entry of the log is no envelope.") from None
    if read.v != VERSION:
        raise MalformedEntry(f"An entry of the log is an envelope of version {read.v}.")
    return found


def extended(head: bytes, indices: Iterable[int]) -> bytes:
    """The head of a chain after further indices."""
    for index in indices:
        head = sha256(_CHAIN + head + index.to_bytes(8)).digest()
    return head


def place_of(key: bytes) -> bytes:
    """Where in the map a key stands: 32 bytes."""
    return sha256(_PLACE + key).digest()


def bucket_hash(depth: int, entries: bytes) -> bytes:
    """The hash of a bucket of packed entries, which must be sorted."""
    count = len(entries) // ENTRY_BYTES
    return sha256(_BUCKET + depth.to_bytes(2) + count.to_bytes(2) + entries).digest()


def inner_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return sha256(_NODE + left + right).digest()


def index_key_commitment(index_key: bytes) -> bytes:
    """What the map's note says of the index key."""
    return sha256(_INDEX_KEY + index_key).digest()


def bit(place: bytes, depth: int) -> int:
    """The bit of a place that decides below a node of this depth."""
    return place[depth >> 3] >> (7 - (depth & 7)) & 1


def root_from(bucket: bytes, place: bytes, path: Sequence[bytes]) -> bytes:
    """The root to which the path leads from the hash of the bucket around a place."""
    found = bucket
    for depth, sibling in zip(range(len(path) - 1, -1, -1), path, strict=True):
        found = inner_hash(sibling, found) if bit(place, depth) else inner_hash(found, sibling)
    return found


EMPTY_MAP: Final = bucket_hash(0, b"")
"""The root of a map without keys."""


def rebuild(envelopes: Iterable[bytes]) -> dict[bytes, Entry]:
    """Every entry of the map, by key, for the entries of a log from its first on. Raises `MalformedEntry`.

    `map_root` of the result is the third line of hashes to compare with: the map's root in the signed note.
    """
    counts: dict[bytes, int] = {}
    heads: dict[bytes, bytes] = {}
    for index, envelope in enumerate(envelopes):
        for key in keys_of(envelope):
            counts[key] = counts.get(key, 0) + 1
            heads[key] = extended(heads.get(key, NO_HEAD), (index,))
    return {key: Entry(key, count, heads[key]) for key, count in counts.items()}


def map_root(entries: Mapping[bytes, Entry]) -> bytes:
    """The root of the map that holds these entries, straight from the definition."""
    placed = sorted((place_of(key), entry.packed()) for key, entry in entries.items())
    return _node(placed, 0)


def _node(placed: list[tuple[bytes, bytes]], depth: int) -> bytes:
    if len(placed) <= BUCKET_ENTRIES:
        return bucket_hash(depth, b"".join(sorted(entry for _, entry in placed)))
    middle = sum(1 for place, _ in placed if not bit(place, depth))
    return inner_hash(_node(placed[:middle], depth + 1), _node(placed[middle:], depth + 1))


class MapHead(NamedTuple):
    """What the map's note says; `origin` is that of the log, without the suffix."""

    origin: str
    size: int
    log_root: bytes
    map_root: bytes
    commitment: bytes

    def __str__(self) -> str:
        return str(
            Checkpoint(
                self.origin + SUFFIX,
                self.size,
                self.log_root,
                (write_base64(self.map_root), write_base64(self.commitment)),
            )
        )

    @classmethod
    def parse(cls, text: str) -> "MapHead":
        """Read the text of a note; `str(head)` gives it back. Raises `MalformedCheckpoint`."""
        read = Checkpoint.parse(text)
        if not read.origin.endswith(SUFFIX) or len(read.extensions) != 2:
            raise MalformedCheckpoint("This is the note of no completeness map.")
        roots = [read_hash(line, "A line of the map's note", MalformedCheckpoint) for line in read.extensions]
        return cls(read.origin.removesuffix(SUFFIX), read.size, read.root, *roots)


def open_map_head(note: Note, keys: Sequence[VerifierKey]) -> MapHead:
    """What a map's note says, once a trusted key named like its first line has signed it.

    Raises `MalformedCheckpoint` and `UnverifiedNote`.
    """
    head = MapHead.parse(note.text)
    open_checkpoint(note, keys)
    return head
