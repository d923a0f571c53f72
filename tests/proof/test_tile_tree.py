import random
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provenance.proof.frontier import Frontier
from provenance.proof.leaf import leaf_hash
from provenance.proof.merkle import (
    EMPTY_ROOT,
    consistency_proof,
    inclusion_proof,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from provenance.proof.tile_tree import TileTree, tiles_for_consistency, tiles_for_inclusion
from provenance.proof.tiles import WIDTH, MalformedTile, Tile, completed, pack_hashes, partial, tile_at

from .test_merkle import ENTRIES, ROOTS

LEAVES = [sha256(number.to_bytes(4)).digest() for number in range(70_000)]
Tiles = dict[Tile, bytes]


def tiles_by_definition(size: int) -> Tiles:
    """Every tile of the log of the first `size` leaves, straight from the definition of tlog-tiles."""
    tiles: Tiles = {}
    level, hashes = 0, LEAVES[:size]
    while hashes:
        for start in range(0, len(hashes), WIDTH):
            tile = tile_at(size, level, start // WIDTH)
            tiles[tile] = pack_hashes(hashes[start : start + WIDTH])
        whole = len(hashes) // WIDTH * WIDTH
        hashes = [tree_root(hashes[start : start + WIDTH]) for start in range(0, whole, WIDTH)]
        level += 1
    return tiles


WHOLE = tiles_by_definition(len(LEAVES))


def tiles_of(size: int) -> Tiles:
    """The same for a smaller log, cut out of the large one."""
    places = [*completed(0, size), *partial(size)]
    return {tile: WHOLE[tile_at(len(LEAVES), tile.level, tile.index)][: tile.width * 32] for tile in places}


def no_tile(tile: Tile) -> bytes:
    raise AssertionError(f"{tile} was read")


class TestTileTree:
    def test_vectors_of_rfc_6962(self) -> None:
        leaves = [leaf_hash(bytes.fromhex(entry)) for entry in ENTRIES]
        for size, root in enumerate(ROOTS, start=1):
            tiles = {Tile(0, 0, size): pack_hashes(leaves[:size])}
            assert TileTree(size, tiles.__getitem__).root().hex() == root

    def test_an_empty_log(self) -> None:
        tree = TileTree(0, no_tile)
        assert (tree.root(), tree.consistency_proof(0)) == (EMPTY_ROOT, [])
        with pytest.raises(IndexError):
            tree.inclusion_proof(0)

    @pytest.mark.parametrize("size", [1, 2, 3, 255, 256, 257, 511, 513, 65_535, 65_536, 65_537, 70_000])
    def test_same_as_the_tree_in_memory(self, size: int) -> None:
        tree, leaves = TileTree(size, tiles_of(size).__getitem__), LEAVES[:size]
        assert tree.root() == tree_root(leaves)
        for place in {size // 3, size - 1, 256} & set(range(size)):
            assert tree.leaf(place) == leaves[place]
            assert tree.inclusion_proof(place) == inclusion_proof(leaves, place)
            assert tree.consistency_proof(place + 1) == consistency_proof(leaves, place + 1)

    @settings(max_examples=60, deadline=None)
    @given(st.data())
    def test_proofs_from_the_tiles_they_ask_for(self, data: st.DataObject) -> None:
        size = data.draw(st.integers(1, len(LEAVES)) | st.integers(1, 600))
        index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size))
        tiles = tiles_of(size)
        root = TileTree(size, {tile: tiles[tile] for tile in partial(size)}.__getitem__).root()
        needed = {tile: tiles[tile] for tile in tiles_for_inclusion(size, index)}
        path = TileTree(size, needed.__getitem__).inclusion_proof(index)
        verify_inclusion(LEAVES[index], index, size, path, root)
        needed = {tile: tiles[tile] for tile in tiles_for_consistency(size, old)}
        proof = TileTree(size, needed.__getitem__).consistency_proof(old)
        old_root = TileTree(old, tiles_of(old).__getitem__).root()
        verify_consistency(old, old_root, size, root, proof)

    def test_outside(self) -> None:
        tree = TileTree(300, tiles_of(300).__getitem__)
        for index in (-1, 300, 555, 600):
            for ask in (tree.leaf, tree.inclusion_proof):
                with pytest.raises(IndexError):
                    ask(index)
        for old in (-1, 301):
            with pytest.raises(IndexError):
                tree.consistency_proof(old)

    def test_a_tile_of_another_length(self) -> None:
        with pytest.raises(MalformedTile, match=r"tile/0/000\.p/3 has 95 bytes"):
            TileTree(3, lambda tile: bytes(95)).root()


class TestFrontier:
    def grown(self, stops: list[int], *, restart: bool = False) -> tuple[Frontier, Tiles]:
        """A frontier taken from stop to stop, optionally made anew from its partial tiles at each."""
        frontier, tiles = Frontier(0, no_tile), Tiles()
        for stop in stops:
            start = frontier.size
            written = frontier.append(LEAVES[start:stop])
            assert sorted(tile for tile, _ in written) == list(completed(start, stop))
            assert not tiles.keys() & dict(written).keys()
            tiles.update(written)
            assert frontier.root() == TileTree(stop, {**tiles, **dict(frontier.partial())}.__getitem__).root()
            if restart:
                frontier = Frontier(stop, dict(frontier.partial()).__getitem__)
        return frontier, tiles

    @pytest.mark.parametrize("restart", [False, True])
    @pytest.mark.parametrize("seed", range(4))
    def test_any_growth_writes_the_tiles_of_the_definition(self, seed: int, restart: bool) -> None:
        randomly = random.Random(seed)
        size = randomly.choice([70_000, 65_536, 66_000])
        stops = sorted({*(randomly.randrange(size + 1) for _ in range(12)), 256, 257, 511, 512, size})
        frontier, tiles = self.grown(stops, restart=restart)
        tiles.update(frontier.partial())
        assert tiles == tiles_by_definition(size)
        assert frontier.root() == tree_root(LEAVES[:size])

    def test_leaf_by_leaf(self) -> None:
        frontier = Frontier(0, no_tile)
        assert (frontier.root(), frontier.partial(), frontier.append([])) == (EMPTY_ROOT, [], [])
        for size, leaf in enumerate(LEAVES[:600], start=1):
            frontier.append([leaf])
            assert frontier.root() == tree_root(LEAVES[:size])

    def test_reads_only_the_partial_tiles(self) -> None:
        tiles = {tile: WHOLE[tile] for tile in partial(len(LEAVES))}
        assert Frontier(len(LEAVES), tiles.__getitem__).root() == tree_root(LEAVES)

    def test_what_it_cannot_start_from(self) -> None:
        with pytest.raises(MalformedTile):
            Frontier(3, lambda tile: bytes(64))
        with pytest.raises(KeyError):
            Frontier(3, Tiles().__getitem__)

    def test_a_wrong_leaf_leaves_it_as_it_was(self) -> None:
        frontier, _ = self.grown([300])
        with pytest.raises(MalformedTile, match="32 bytes"):
            frontier.append([LEAVES[300], bytes(31)])
        assert (frontier.size, frontier.root()) == (300, tree_root(LEAVES[:300]))
