"""The leaf of the ledger's tree: a commitment to one record that outlives the record's content.

The envelope holds no personal data and is kept for ever. The content is sealed by a salted digest inside the
envelope; with content and salt destroyed, the leaf still proves position and time (spec/proof.md section 3).
"""

from functools import lru_cache
from hashlib import sha256
from hmac import digest as hmac_digest
from typing import Final

import msgspec

from provenance.proof.canonical import admit, canonical_string
from provenance.proof.scan import LARGEST_SAFE_INTEGER

VERSION: Final = 1
SALT_BYTES: Final = 16
KIND_RESOURCE: Final = b"r"
KIND_USER: Final = b"u"

_LEAF: Final = b"\x00"
_NODE: Final = b"\x01"
_encode = msgspec.json.Encoder().encode


class IndexKeys(msgspec.Struct, frozen=True):
    """Keyed hashes of the resource id (`r`) and the user id (`u`), as `index_key_hash` makes them."""

    r: str
    u: str | None


class Envelope(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What is public of one record. The fields stand in the order of their JSON names, as RFC 8785 wants.

    `id`, `uow`, `span`, `parent_span` and `corrects` are UUIDs in lower-case text; `workspace` is the
    unchanging id (`ws_…`); `occurred` and `recorded` are nanoseconds since 1970 as decimal text, because they
    exceed 2^53; `resource_type`, `action` and `origin` are mnemonics; `content_digest` is 64 hex digits.
    """

    action: str
    actor_kind: str
    content_digest: str
    corrects: str | None
    domain: str | None
    id: str
    keys: IndexKeys
    occurred: str
    origin: str
    outcome: str | None
    parent_span: str | None
    platform: bool
    recorded: str
    recorded_by: str
    resource_type: str
    risk: str | None
    sequence: int | None
    span: str | None
    uow: str
    v: int = VERSION
    workspace: str

    def canonical(self) -> bytes:
        """The RFC 8785 bytes that are hashed and published.

        Raises `BadJson` for NUL or half a surrogate pair in a text, or a sequence beyond ±(2^53−1).
        """
        try:
            text = _encode(self)
        except UnicodeEncodeError:
            for value in msgspec.structs.astuple(self):
                if isinstance(value, str):
                    canonical_string(value)  # raises for the text at fault
            raise
        if self.sequence is not None and not -LARGEST_SAFE_INTEGER <= self.sequence <= LARGEST_SAFE_INTEGER:
            return admit(text)
        return admit(text) if b"\\u0000" in text else text


def content_digest(salt: bytes, content: bytes) -> bytes:
    """SHA-256 of the 16 byte salt and the canonical content: the seal that can be broken by forgetting."""
    if len(salt) != SALT_BYTES:
        raise ValueError(f"a salt has {SALT_BYTES} bytes, not {len(salt)}")
    return sha256(salt + content).digest()


def leaf_hash(envelope: bytes) -> bytes:
    """The RFC 6962 hash of one leaf: SHA-256(0x00 ‖ envelope)."""
    return sha256(_LEAF + envelope).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The RFC 6962 hash of an inner node: SHA-256(0x01 ‖ left ‖ right)."""
    return sha256(_NODE + left + right).digest()


def index_key_hash(key: bytes, kind: bytes, identifier: str) -> str:
    """The first 16 bytes, in hex, of HMAC-SHA256(key, kind ‖ 0x00 ‖ identifier).

    Args: the workspace's index key; `KIND_RESOURCE` or `KIND_USER`; the id as the client wrote it.
    Without the key the hash tells nothing of the id; with it every guess can be tested (spec/proof.md 5).
    """
    return hmac_digest(key, b"%b\x00%b" % (kind, identifier.encode()), "sha256")[:16].hex()


def join_members(pairs: list[tuple[str, bytes]]) -> bytes:
    """A canonical object of names and already canonical values. Raises ValueError for a name given twice."""
    order = _order(tuple([name for name, _ in pairs]))
    return b"{" + b",".join([head + pairs[index][1] for index, head in order]) + b"}"


@lru_cache(maxsize=512)
def _order(names: tuple[str, ...]) -> tuple[tuple[int, bytes], ...]:
    """Where each member stands, with its written name; by UTF-16 code units, as RFC 8785 sorts."""
    if len(set(names)) != len(names):
        raise ValueError("a member name is given twice")
    indexes = sorted(range(len(names)), key=lambda index: names[index].encode("utf-16-be", "surrogatepass"))
    return tuple((index, canonical_string(names[index]) + b":") for index in indexes)
