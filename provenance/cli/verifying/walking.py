"""Walking a whole log: every entry against its tile, every tile, the root against the signed head, every content.

Memory is that of a few bundles of 256 entries, whatever the length of the log; a few are fetched ahead.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

from provenance.cli.verifying.memory import Memory
from provenance.cli.verifying.sources import Source, named
from provenance.proof.canonical import canonical
from provenance.proof.checkpoints import Checkpoint
from provenance.proof.frontier import Frontier
from provenance.proof.leaf import content_digest, leaf_hash
from provenance.proof.tiles import WIDTH, Bundle, MalformedTile, Tile, unpack_entries, unpack_hashes

FETCHED_AHEAD = 8
FETCHERS = 4
_INDEXED = ("resourceId", "userId", "externalReference")


class Piece(NamedTuple):
    """A bundle as it was fetched: the tile of its hashes, its entries, its rows with their contents."""

    bundle: Bundle
    hashes: bytes | None
    entries: bytes | None
    records: list[dict[str, Any]] | None


class Broken(Exception):
    """The walk can't go on: the hashes themselves are missing or damaged."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where}: {why}")
        self.where, self.why = where, why


class Walk:
    """One walk over a log up to a signed head; ``memory`` says where it begins and takes down what is found."""

    def __init__(self, source: Source, head: Checkpoint, memory: Memory, *, contents: bool) -> None:
        self._source, self._head, self._memory = source, head, memory
        self._contents = contents
        self._frontier: Frontier = memory.frontier()
        if self._frontier.size > head.size or self._frontier.size % WIDTH:
            memory.start_over()
            self._frontier = memory.frontier()

    def run(self, progress: Callable[[int], None]) -> None:
        """Walk to the end; ``progress`` is told how many entries are behind. Raises Broken."""
        for piece in self._pieces():
            self._take(piece)
            if self._frontier.size % WIDTH == 0:
                self._memory.reached(self._frontier)
            progress(self._frontier.size)
        self._finish()

    def _pieces(self) -> Iterator[Piece]:
        first, end = self._frontier.size // WIDTH, -(-self._head.size // WIDTH)
        with ThreadPoolExecutor(FETCHERS) as fetchers:
            waiting: deque[Future[Piece]] = deque()
            for index in range(first, end):
                waiting.append(fetchers.submit(self._fetch, index))
                if len(waiting) > FETCHED_AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def _fetch(self, index: int) -> Piece:
        bundle = Bundle(index, min(WIDTH, self._head.size - index * WIDTH))
        hashes = self._source.tile(Tile(0, index, bundle.width))
        records = self._source.records(index * WIDTH + 1, bundle.width) if self._contents else None
        return Piece(bundle, hashes, self._source.entries(bundle), records)

    def _take(self, piece: Piece) -> None:
        first = piece.bundle.index * WIDTH
        tile = Tile(0, piece.bundle.index, piece.bundle.width)
        leaves = self._leaves(tile, piece.hashes)
        if piece.entries is not None:
            self._check_entries(piece, leaves)
        elif self._contents:
            self._memory.fault(piece.bundle.path, "the entries are missing")
        if piece.records is not None:
            self._check_records(piece.records, first, leaves)
        else:
            self._memory.contents = False
        for made, hashes in self._frontier.append(leaves):
            self._compare(made, hashes)

    def _leaves(self, tile: Tile, data: bytes | None) -> list[bytes]:
        if data is None:
            raise Broken(tile.path, f"the hashes of {_span(tile)} are missing")
        try:
            return unpack_hashes(tile, data)
        except MalformedTile as error:
            raise Broken(tile.path, f"the hashes of {_span(tile)} are damaged or too few: {error}") from None

    def _check_entries(self, piece: Piece, leaves: list[bytes]) -> None:
        assert piece.entries is not None
        try:
            entries = unpack_entries(piece.bundle, piece.entries)
        except MalformedTile as error:
            self._memory.fault(piece.bundle.path, str(error))
            return
        first = piece.bundle.index * WIDTH + 1
        pairs = enumerate(zip(entries, leaves, strict=True), first)
        if wrong := [number for number, (entry, leaf) in pairs if leaf_hash(entry) != leaf]:
            self._memory.fault(
                f"interaction number {named(wrong)}", "what is stored is not what the log was signed with"
            )

    def _check_records(self, records: list[dict[str, Any]], first: int, leaves: list[bytes]) -> None:
        there = {record["number"] for record in records}
        if missing := [number for number in range(first + 1, first + 1 + len(leaves)) if number not in there]:
            self._memory.fault(f"interaction number {named(missing)}", "the row is missing")
        for record in records:
            if record["number"] <= first + len(leaves) and (why := _wrong_content(record)):
                self._memory.fault(f"interaction number {record['number']}", why)

    def _compare(self, tile: Tile, hashes: bytes) -> None:
        """Compare a tile of a higher level with what the hashes below it make."""
        if tile.level and self._source.tile(tile) != hashes:
            self._memory.fault(tile.path, f"the tile over {_span(tile)} is not what the entries below it make")

    def _finish(self) -> None:
        for tile, hashes in self._frontier.partial():
            self._compare(tile, hashes)
        if self._frontier.root() != self._head.root:
            self._memory.fault("checkpoint", "the log's hashes do not make the root that was signed")


def _wrong_content(record: dict[str, Any]) -> str | None:
    """Say what is wrong with a row's content; None when nothing is, or it can't be seen."""
    if record.get("damaged"):
        return "its content is no JSON any more"
    content, salt = record["content"], record["salt"]
    if record["masked"] or (content is None and salt is None):
        return None
    if content is None or salt is None:
        return "its content or its salt is missing, but it was not erased"
    try:
        digest = content_digest(bytes.fromhex(salt), canonical(content)).hex()
    except ValueError:
        digest = ""
    if digest != record["envelope"]["contentDigest"]:
        return "its content is not what was sealed when it was recorded"
    differing = [name for name in _INDEXED if record["index"][name] != content.get(name)]
    return f"the column {', '.join(differing)} is not what its content says" if differing else None


def _span(tile: Tile) -> str:
    width = WIDTH**tile.level
    first = tile.index * WIDTH * width
    return f"interactions {first + 1} to {first + tile.width * width}"
