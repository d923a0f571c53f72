"""Where a whole log is read from: a folder laid out as tlog-tiles has it, or a server."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from provenance.cli.errors import Misused
from provenance.proof.strict import HASH_BYTES
from provenance.proof.tile_tree import TileTree
from provenance.proof.tiles import WIDTH, Bundle, Tile, unpack_entries

if TYPE_CHECKING:
    from provenance_client import Client

Published = list[tuple[str, int, str | None]]


class Source(Protocol):
    """A log to be read: its head, its tiles, its entries, and the contents where one may see them."""

    name: str

    def checkpoint(self) -> str:
        """Return the newest signed head."""

    def keys(self) -> Published:
        """Return the keys that the log itself shows: key, size from which it signs, note of succession."""

    def tile(self, tile: Tile) -> bytes | None:
        """Return the bytes of a tile; None when it is not there."""

    def entries(self, bundle: Bundle) -> bytes | None:
        """Return the bytes of a bundle of entries; None when it is not there."""

    def records(self, first: int, count: int) -> list[dict[str, Any]] | None:
        """Return rows by number as they are stored, with content and salt; None where that can't be seen."""

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Return the proof that the log of a size is the beginning of that of another."""


class Folder:
    """A folder with ``checkpoint``, ``tile/…`` and perhaps ``key``."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path

    def checkpoint(self) -> str:
        """Return the file ``checkpoint``. Raises Misused without one."""
        found = self._read("checkpoint")
        if found is None:
            raise Misused(f"{self._path} holds no file named checkpoint: it is no folder of a log.")
        return found.decode(errors="replace")

    def keys(self) -> Published:
        """Return the key in the file ``key``, if there is one."""
        found = self._read("key")
        return [] if found is None else [(found.decode(errors="replace").strip(), 0, None)]

    def tile(self, tile: Tile) -> bytes | None:
        """Return a tile; in the place of a partial one also the start of the full one."""
        whole = Tile(tile.level, tile.index)
        found = self._read(tile.path)
        if found is None and (full := self._read(whole.path)) is not None:
            return full[: tile.width * HASH_BYTES]
        return found

    def entries(self, bundle: Bundle) -> bytes | None:
        """Return a bundle; in the place of a partial one also the start of the full one."""
        found = self._read(bundle.path)
        if found is None and bundle.width < WIDTH and (full := self._read(Bundle(bundle.index).path)) is not None:
            whole = unpack_entries(Bundle(bundle.index), full)
            return b"".join(len(entry).to_bytes(2) + entry for entry in whole[: bundle.width])
        return found

    def records(self, first: int, count: int) -> list[dict[str, Any]] | None:
        """Return None: tiles hold no content."""
        return None

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Work the proof out of the tiles."""

        def read(tile: Tile) -> bytes:
            return self.tile(tile) or b""

        return TileTree(new, read).consistency_proof(old)

    def _read(self, path: str) -> bytes | None:
        try:
            return (self._path / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise Misused(f"Cannot read {self._path / path}: {error.strerror}") from error


class Server:
    """A server's log, through the client; contents as far as its key sees them."""

    def __init__(self, client: "Client", name: str) -> None:
        self.name = name
        self._client = client

    def checkpoint(self) -> str:
        """Return the newest head. Raises the client's NotFound while nothing is signed."""
        return self._bytes("/log/checkpoint").decode()

    def keys(self) -> Published:
        """Return every key the log has had."""
        found: Any = self._client.call("GET", "/log/keys")
        return [(each["verifierKey"], each["fromSize"], each["successorNote"]) for each in found["keys"]]

    def tile(self, tile: Tile) -> bytes | None:
        """Return a tile; None when the server has none there."""
        return self._found(f"/log/{tile.path}")

    def entries(self, bundle: Bundle) -> bytes | None:
        """Return a bundle; None when the server has none there."""
        return self._found(f"/log/{bundle.path}")

    def records(self, first: int, count: int) -> list[dict[str, Any]] | None:
        """Return rows as they are stored; one whose content is not even JSON any more reads ``{number, damaged}``."""
        from provenance_client import ServerError

        try:
            found: Any = self._client.call("GET", "/log/records", params={"from": first, "limit": count})
        except ServerError as error:
            if error.code != "unexpected_answer":
                raise
            if count == 1:
                return [{"number": first, "damaged": True}]
            half = count // 2
            return [*(self.records(first, half) or ()), *(self.records(first + half, count - half) or ())]
        rows: list[dict[str, Any]] = found["records"]
        return rows

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Ask the server for the proof."""
        found: Any = self._client.call("GET", "/log/consistency", params={"from": old, "to": new})
        return [bytes.fromhex(each) for each in found["path"]]

    def _found(self, path: str) -> bytes | None:
        from provenance_client import NotFound

        try:
            return self._bytes(path)
        except NotFound:
            return None

    def _bytes(self, path: str) -> bytes:
        from provenance_client.api.request import Request

        return self._client.transport.exchange(Request("GET", path))


def named(numbers: Sequence[int]) -> str:
    """Return numbers as ranges: ``3, 7 to 9``."""
    parts: list[str] = []
    start = last = None
    for number in [*sorted(numbers), None]:
        if last is not None and number == last + 1:
            last = number
            continue
        if start is not None:
            parts.append(str(start) if start == last else f"{start} to {last}")
        start = last = number
    return ", ".join(parts)
