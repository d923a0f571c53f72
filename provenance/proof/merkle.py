"""Merkle trees over leaf hashes as RFC 6962 and RFC 9162 define them: roots and proofs.

Everything here works on hashes held in memory; who stores them, and how, is no matter of this file. A proof
is the list of 32 byte hashes of the RFC, in its order.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from provenance.proof.leaf import node_hash

EMPTY_ROOT: Final = sha256(b"").digest()
"""The root of a tree without leaves."""


class InvalidProof(ValueError):
    """A proof that does not prove what it is presented for."""


def tree_root(leaves: Sequence[bytes]) -> bytes:
    """The root of the tree over these leaf hashes."""
    return _subtree(leaves, 0, len(leaves)) if leaves else EMPTY_ROOT


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The audit path of one leaf (RFC 9162, 2.1.3.1). Raises IndexError for a leaf outside the tree."""
    if not 0 <= index < len(leaves):
        raise IndexError(f"a tree of {len(leaves)} leaves has no leaf {index}")
    path = []
    start, end = 0, len(leaves)
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_subtree(leaves, middle, end))
            end = middle
        else:
            path.append(_subtree(leaves, start, middle))
            start = middle
    return path[::-1]


def consistency_proof(leaves: Sequence[bytes], old_size: int) -> list[bytes]:
    """The proof that the first `old_size` leaves are a prefix of all (RFC 9162, 2.1.4.1).

    Nothing needs proving, so the list is empty, for no leaves and for all of them. Raises IndexError for a
    size beyond the tree.
    """
    if not 0 <= old_size <= len(leaves):
        raise IndexError(f"a tree of {len(leaves)} leaves was never of size {old_size}")
    if old_size == 0:
        return []
    path = []
    start, end, whole = 0, len(leaves), True
    while old_size < end:
        middle = start + _split(end - start)
        if old_size <= middle:
            path.append(_subtree(leaves, middle, end))
            end = middle
        else:
            path.append(_subtree(leaves, start, middle))
            start, whole = middle, False
    if not whole:
        path.append(_subtree(leaves, start, end))
    return path[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that the leaf hash stands at `index` in the tree of `size` leaves with this root.

    Raises `InvalidProof` (RFC 9162, 2.1.3.2).
    """
    if not 0 <= index < size:
        raise InvalidProof(f"a tree of {size} leaves has no leaf {index}")
    node, last, computed = index, size - 1, leaf
    for sibling in _hashes(proof):
        if last == 0:
            raise InvalidProof("the proof is too long")
        if node & 1 or node == last:
            computed = node_hash(sibling, computed)
            node, last = _past_right_edge(node, last)
        else:
            computed = node_hash(computed, sibling)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise InvalidProof("the proof is too short")
    if computed != root:
        raise InvalidProof("the proof leads to another root")


def verify_consistency(old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Check that the tree of `old_size` leaves is a prefix of the tree of `new_size` leaves.

    Raises `InvalidProof` (RFC 9162, 2.1.4.2).
    """
    if not 0 <= old_size <= new_size:
        raise InvalidProof(f"a tree of {new_size} leaves was never of size {old_size}")
    if old_size in (0, new_size):
        if proof or old_root != (new_root if old_size else EMPTY_ROOT):
            raise InvalidProof("the two roots do not belong together")
        return
    path = _hashes(proof)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)
    if not path:
        raise InvalidProof("the proof is too short")
    node, last = old_size - 1, new_size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    computed_old = computed_new = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise InvalidProof("the proof is too long")
        if node & 1 or node == last:
            computed_old = node_hash(sibling, computed_old)
            computed_new = node_hash(sibling, computed_new)
            node, last = _past_right_edge(node, last)
        else:
            computed_new = node_hash(computed_new, sibling)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise InvalidProof("the proof is too short")
    if (computed_old, computed_new) != (old_root, new_root):
        raise InvalidProof("the proof leads to other roots")


def _subtree(leaves: Sequence[bytes], start: int, end: int) -> bytes:
    """The root over leaves [start, end), which must not be empty: pairs joined level by level."""
    level = list(leaves[start:end])
    while len(level) > 1:
        joined = [node_hash(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
        level = joined + level[len(joined) * 2 :]
    return level[0]


def _split(size: int) -> int:
    """The largest power of two smaller than `size`."""
    return 1 << (size - 1).bit_length() - 1


def _past_right_edge(node: int, last: int) -> tuple[int, int]:
    """Climb the levels on which a node at the right edge has no sibling."""
    while node and not node & 1:
        node, last = node >> 1, last >> 1
    return node, last


def _hashes(proof: Sequence[bytes]) -> list[bytes]:
    if any(len(each) != 32 for each in proof):
        raise InvalidProof("a proof is made of hashes of 32 bytes")
    return list(proof)
