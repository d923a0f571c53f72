import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.proof.leaf import leaf_hash
from provenance.proof.merkle import tree_root
from provenance.proof.tiles import (
    Bundle,
    EntryTooLarge,
    MalformedTile,
    Tile,
    completed,
    full_tile_root,
    pack_entries,
    pack_hashes,
    parse_path,
    partial,
    tile_at,
    unpack_entries,
    unpack_hashes,
)

indexes = st.integers(0, 2**63 - 1)
widths = st.integers(1, 256)
sizes = st.integers(0, 2**40) | st.integers(0, 70_000) | st.sampled_from([2**8, 2**16, 2**24, 2**16 - 1, 2**16 + 1])


class TestPaths:
    @pytest.mark.parametrize(
        ("place", "path"),
        [
            (Tile(0, 0), "tile/0/000"),
            (Tile(0, 255), "tile/0/255"),
            (Tile(1, 1000), "tile/1/x001/000"),
            (Tile(0, 1234067), "tile/0/x001/x234/067"),
            (Tile(0, 1234067, 8), "tile/0/x001/x234/067.p/8"),
            (Tile(63, 5, 1), "tile/63/005.p/1"),
            (Bundle(0), "tile/entries/000"),
            (Bundle(1234067, 255), "tile/entries/x001/x234/067.p/255"),
        ],
    )
    def test_as_specified(self, place: Tile | Bundle, path: str) -> None:
        assert place.path == path
        assert parse_path(path) == place

    @given(st.builds(Tile, st.integers(0, 63), indexes, widths) | st.builds(Bundle, indexes, widths))
    def test_reads_back(self, place: Tile | Bundle) -> None:
        assert parse_path(place.path) == place

    @pytest.mark.parametrize(
        "path",
        [
            *["", "tile", "tile/0", "tile/0/", "/tile/0/000", "tile/0/000/", "tile/0/000\n", "tile/0/0", "tile/0/00"],
            *["tile/00/000", "tile/01/000", "tile/64/000", "tile/-1/000", "tile/x/000", "tile/Entries/000"],
            *["tile/0/0000", "tile/0/1000", "tile/0/001/000", "tile/0/x001", "tile/0/x000/001", "tile/0/x001/x002"],
            *[
                "tile/0/000.p/0",
                "tile/0/000.p/256",
                "tile/0/000.p/01",
                "tile/0/000.p/",
                "tile/0/000.p",
                "tile/0/000p/1",
            ],
            *[
                "tile/0/٠٠٠",
                "tile/0/000.p/+1",
                "tile/0/../000",
                "tile/0/" + "x999/" * 6 + "999",
                "tile/0/" + "x000/" * 9999,
            ],
        ],
    )
    def test_other_spellings(self, path: str) -> None:
        with pytest.raises(MalformedTile):
            parse_path(path)

    def test_places_that_are_not(self) -> None:
        for level, index, width in ((-1, 0, 1), (64, 0, 1), (0, -1, 1), (0, 2**63, 1), (0, 0, 0), (0, 0, 257)):
            with pytest.raises(MalformedTile):
                Tile(level, index, width)


class TestTilesOfALog:
    def test_the_example_of_the_specification(self) -> None:
        full = list(completed(0, 70_000))
        assert [sum(tile.level == level for tile in full) for level in range(3)] == [273, 1, 0]
        assert partial(70_000) == [Tile(0, 273, 112), Tile(1, 1, 17), Tile(2, 0, 1)]
        assert (list(completed(0, 256)), partial(256)) == ([Tile(0, 0)], [Tile(1, 0, 1)])

    def test_of_small_and_large_logs(self) -> None:
        assert (partial(0), list(completed(0, 0))) == ([], [])
        assert (partial(1), partial(255)) == ([Tile(0, 0, 1)], [Tile(0, 0, 255)])
        assert partial(2**24) == [Tile(3, 0, 1)]
        assert [tile.level for tile in partial(2**63 - 1)] == list(range(8))

    @given(sizes)
    def test_partial_tiles_as_defined(self, size: int) -> None:
        expected = [(level, size // 256**level % 256) for level in range(9)]
        assert [(tile.level, tile.width) for tile in partial(size)] == [each for each in expected if each[1]]
        assert all(tile_at(size, tile.level, tile.index) == tile for tile in partial(size))

    @given(st.lists(st.integers(0, 400_000), min_size=3, max_size=3).map(sorted))
    def test_growth_in_steps_completes_each_tile_once(self, stops: list[int]) -> None:
        first, second, third = stops
        steps = [*completed(first, second), *completed(second, third)]
        assert sorted(steps) == sorted(completed(first, third))
        assert len(set(steps)) == len(steps)
        assert all(tile_at(third, tile.level, tile.index) == tile for tile in steps)

    def test_a_tile_outside(self) -> None:
        for place in ((0, 274), (1, 2), (2, 1), (3, 0), (0, -1)):
            with pytest.raises(IndexError):
                tile_at(70_000, *place)


class TestHashes:
    @given(st.integers(1, 256))
    def test_reads_back(self, width: int) -> None:
        hashes = [leaf_hash(number.to_bytes(2)) for number in range(width)]
        data = pack_hashes(hashes)
        assert len(data) == width * 32
        assert unpack_hashes(Tile(0, 0, width), data) == hashes

    def test_of_another_length(self) -> None:
        for size in (0, 31, 32, 8191, 8193, 8224):
            with pytest.raises(MalformedTile, match="instead of 8192"):
                unpack_hashes(Tile(0, 0), bytes(size))
        for hashes in ([], [bytes(31)], [bytes(32)] * 257):
            with pytest.raises(MalformedTile):
                pack_hashes(hashes)

    @pytest.mark.parametrize("width", [1, 2, 64, 256])
    def test_root_of_a_full_tile(self, width: int) -> None:
        hashes = [leaf_hash(number.to_bytes(2)) for number in range(width)]
        assert full_tile_root(hashes) == tree_root(hashes)


class TestEntries:
    @given(st.lists(st.binary(max_size=40), min_size=1, max_size=256))
    def test_reads_back(self, entries: list[bytes]) -> None:
        assert unpack_entries(Bundle(0, len(entries)), pack_entries(entries)) == entries

    def test_bytes(self) -> None:
        assert pack_entries([b"ab", b"", b"c" * 300]) == b"\0\2ab\0\0\x01\x2c" + b"c" * 300
        assert unpack_entries(Bundle(0, 1), b"\xff\xff" + bytes(65535)) == [bytes(65535)]

    @pytest.mark.parametrize(
        "data", [b"", b"\0", b"\0\2a", b"\0\1a", b"\0\1a\0", b"\0\1a\0\2b", b"\0\1a\0\1bX", b"\0\1a\0\1b\0\0"]
    )
    def test_malformed(self, data: bytes) -> None:
        with pytest.raises(MalformedTile, match="exactly 2 entries"):
            unpack_entries(Bundle(0, 2), data)

    def test_what_no_bundle_holds(self) -> None:
        with pytest.raises(EntryTooLarge, match="not 65536"):
            pack_entries([bytes(65536)])
        for count in (0, 257):
            with pytest.raises(MalformedTile):
                pack_entries([b""] * count)
