from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.proof.leaf import leaf_hash, node_hash
from provenance.proof.merkle import (
    EMPTY_ROOT,
    InvalidProof,
    consistency_proof,
    inclusion_proof,
    tree_root,
    verify_consistency,
    verify_inclusion,
)

# The reference vectors of the RFC 6962 authors' own implementation.
ENTRIES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
A = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
B = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
C = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
D = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
E = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
F = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
LEAVES = [leaf_hash(bytes.fromhex(entry)) for entry in ENTRIES]


def hexes(hashes: list[bytes]) -> list[str]:
    return [each.hex() for each in hashes]


def leaves_of(size: int) -> list[bytes]:
    return [sha256(number.to_bytes(4)).digest() for number in range(size)]


def root_by_definition(leaves: list[bytes]) -> bytes:
    """The recursive definition of RFC 6962, 2.1, word for word."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(root_by_definition(leaves[:split]), root_by_definition(leaves[split:]))


class TestTreeRoot:
    def test_vectors(self) -> None:
        assert [tree_root(LEAVES[: size + 1]).hex() for size in range(8)] == ROOTS
        assert tree_root([]) == EMPTY_ROOT

    @given(st.integers(1, 300))
    def test_as_defined(self, size: int) -> None:
        assert tree_root(leaves_of(size)) == root_by_definition(leaves_of(size))


class TestInclusionProof:
    @pytest.mark.parametrize(
        ("index", "size", "proof"),
        [
            (0, 1, []),
            (0, 8, [A, B, C]),
            (5, 8, [D, E, ROOTS[3]]),
            (2, 3, [ROOTS[1]]),
            (1, 5, [ROOTS[0], B, D]),
        ],
    )
    def test_vectors(self, index: int, size: int, proof: list[str]) -> None:
        assert hexes(inclusion_proof(LEAVES[:size], index)) == proof

    def test_every_leaf_of_every_small_tree(self) -> None:
        for size in range(1, 40):
            leaves = leaves_of(size)
            for index in range(size):
                proof = inclusion_proof(leaves, index)
                verify_inclusion(leaves[index], index, size, proof, tree_root(leaves))

    def test_a_leaf_outside(self) -> None:
        for index in (-1, 8):
            with pytest.raises(IndexError):
                inclusion_proof(LEAVES, index)


class TestConsistencyProof:
    @pytest.mark.parametrize(
        ("old", "new", "proof"),
        [
            (0, 5, []),
            (1, 1, []),
            (1, 8, [A, B, C]),
            (6, 8, [F, E, ROOTS[3]]),
            (2, 5, [B, D]),
            (8, 8, []),
        ],
    )
    def test_vectors(self, old: int, new: int, proof: list[str]) -> None:
        assert hexes(consistency_proof(LEAVES[:new], old)) == proof

    def test_every_pair_of_small_sizes(self) -> None:
        leaves = leaves_of(40)
        roots = [tree_root(leaves[:size]) for size in range(41)]
        for new in range(41):
            for old in range(new + 1):
                verify_consistency(old, roots[old], new, roots[new], consistency_proof(leaves[:new], old))

    def test_a_size_beyond(self) -> None:
        for old in (-1, 9):
            with pytest.raises(IndexError):
                consistency_proof(LEAVES, old)


class TestVerifyInclusion:
    @given(st.data())
    def test_nothing_else_passes(self, data: st.DataObject) -> None:
        size = data.draw(st.integers(2, 70))
        index = data.draw(st.integers(0, size - 1))
        leaves = leaves_of(size)
        proof, root = inclusion_proof(leaves, index), tree_root(leaves)
        at = data.draw(st.integers(0, len(proof) - 1))
        other = data.draw(st.integers(0, size - 1).filter(lambda number: number != index))
        wrong = sha256(b"wrong").digest()
        for claim in (
            (wrong, index, size, proof, root),
            (leaves[other], index, size, proof, root),
            (leaves[index], other, size, proof, root),
            (leaves[index], index, size, [*proof[:at], wrong, *proof[at + 1 :]], root),
            (leaves[index], index, size, proof[:at] + proof[at + 1 :], root),
            (leaves[index], index, size, [*proof, wrong], root),
            (leaves[index], index, size, [*proof[:at], proof[at][:31], *proof[at + 1 :]], root),
            (leaves[index], index, size, proof, wrong),
            (leaves[index], size, size, proof, root),
            (leaves[index], -1, size, proof, root),
        ):
            with pytest.raises(InvalidProof):
                verify_inclusion(*claim)


class TestVerifyConsistency:
    @given(st.data())
    def test_nothing_else_passes(self, data: st.DataObject) -> None:
        new = data.draw(st.integers(2, 70))
        old = data.draw(st.integers(1, new - 1))
        leaves = leaves_of(new)
        old_root, new_root, proof = tree_root(leaves[:old]), tree_root(leaves), consistency_proof(leaves, old)
        at = data.draw(st.integers(0, len(proof) - 1))
        wrong = sha256(b"wrong").digest()
        for claim in (
            (old, wrong, new, new_root, proof),
            (old, old_root, new, wrong, proof),
            (old, old_root, new, new_root, [*proof[:at], wrong, *proof[at + 1 :]]),
            (old, old_root, new, new_root, proof[:at] + proof[at + 1 :]),
            (old, old_root, new, new_root, [*proof, wrong]),
            (old, old_root, new, new_root, []),
            (new, old_root, old, new_root, proof),
            (new, old_root, new, new_root, []),
            (-1, old_root, new, new_root, proof),
            (0, old_root, new, new_root, []),
        ):
            with pytest.raises(InvalidProof):
                verify_consistency(*claim)

    def test_a_tree_that_grew_from_a_changed_leaf(self) -> None:
        changed = [*LEAVES[:2], leaf_hash(b"changed"), *LEAVES[3:]]
        for old in range(3, 8):
            with pytest.raises(InvalidProof):
                verify_consistency(old, tree_root(LEAVES[:old]), 8, tree_root(changed), consistency_proof(changed, old))
