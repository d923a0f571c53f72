"""The zip of a pack: every byte of it follows from the files, so the same files make the same zip.

The layout is the verifier's (`verify_pack`), which refuses any other; here it is written.
"""

import zlib
from collections.abc import Iterable
from hashlib import sha256
from typing import IO, NamedTuple

from provenance.proof.canonical import canonical
from provenance.proof.standalone import verify_pack

_LEVEL = 6


class Written(NamedTuple):
    """A file that stands in the pack: its name, its bytes and how they are packed."""

    name: str
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    sha256: str
    packed_sha256: str


class Container:
    """A pack that is being written to a seekable file; nothing is held in memory but the list of files."""

    def __init__(self, file: IO[bytes]) -> None:
        """Take an empty file."""
        self._file = file
        self.files: list[Written] = []

    def add(self, name: str, chunks: Iterable[bytes]) -> None:
        """Write one file, compressed, piece by piece."""
        writing = self.start(name)
        for chunk in chunks:
            writing.write(chunk)
        writing.finish()

    def start(self, name: str) -> "Writing":
        """Begin a file; the next one may begin when it is finished."""
        return Writing(self._file, name, self.files)

    def listed(self) -> list[dict[str, object]]:
        """Return the files as the manifest lists them."""
        return [
            {"path": each.name, "bytes": each.size, "sha256": each.sha256, "packedSha256": each.packed_sha256}
            for each in self.files
        ]

    def finish(self, manifest: bytes, note: bytes) -> None:
        """Write the manifest and its signature as they are, then the zip's directory."""
        for name, data in ((verify_pack.MANIFEST, manifest), (verify_pack.SIGNED, note)):
            offset, crc = self._file.tell(), zlib.crc32(data)
            self._file.write(verify_pack.local_header(name, verify_pack.STORED, crc, len(data), len(data)) + data)
            self.files.append(Written(name, verify_pack.STORED, crc, len(data), len(data), offset, "", ""))
        start, entries = self._file.tell(), b"".join(verify_pack.central_header(*each[:6]) for each in self.files)
        self._file.write(entries + verify_pack.end_record(len(self.files), len(entries), start))


class Writing:
    """One file of a pack while it grows. Its header is written last, when its size is known."""

    def __init__(self, file: IO[bytes], name: str, files: list[Written]) -> None:
        """Leave room for the header at the file's end."""
        self._file, self._name, self._files = file, name, files
        self._offset = file.tell()
        self._squeeze = zlib.compressobj(_LEVEL, zlib.DEFLATED, -15, 8)
        self._plain, self._packed = sha256(), sha256()
        self._crc = self._size = self._packed_size = 0
        file.write(verify_pack.local_header(name, verify_pack.DEFLATED, 0, 0, 0))

    def write(self, data: bytes) -> None:
        """Add bytes."""
        self._plain.update(data)
        self._crc = zlib.crc32(data, self._crc)
        self._size += len(data)
        self._put(self._squeeze.compress(data))

    def finish(self) -> None:
        """Write what is left, then the header."""
        self._put(self._squeeze.flush())
        made = (self._name, verify_pack.DEFLATED, self._crc, self._packed_size, self._size)
        end = self._file.tell()
        self._file.seek(self._offset)
        self._file.write(verify_pack.local_header(*made))
        self._file.seek(end)
        self._files.append(Written(*made, self._offset, self._plain.hexdigest(), self._packed.hexdigest()))

    def _put(self, data: bytes) -> None:
        self._packed.update(data)
        self._packed_size += len(data)
        self._file.write(data)


def manifest_of(head: dict[str, object], container: Container) -> bytes:
    """Return the manifest of a pack in canonical JSON: what is said of it, and every file with its digests."""
    return canonical({"v": 1, **head, "files": container.listed()})
