"""Packages: a zip with ``skill.json`` at its top, checked before anything of it is used.

Taken are plain files with plain names, stored or deflated, within bounds that the list of contents already tells.
Refused are symbolic links, names that leave the folder, doubled names, encryption, and what unpacks to more than it
says. Nothing is ever unpacked that was not checked.
"""

import stat
import struct
import zipfile
import zlib
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any, Final

import msgspec

from provenance.skills.errors import BadPackage
from provenance.skills.sandbox.schemas import Runtime
from provenance.skills.schemas import ALIASES

MANIFEST: Final = "skill.json"
MANIFEST_BYTES: Final = 256 * 1024
MOST_FILES: Final = 5_000
MOST_BYTES: Final = 256 * 1024 * 1024
_MOST_PARTS = 24
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_PIECE = 256 * 1024
_DAMAGE = (
    zipfile.BadZipFile,
    EOFError,
    OSError,
    ValueError,
    LookupError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
    struct.error,
    zlib.error,
)
"""What the library raises for a zip that is none, or was damaged, depending on where."""


class Manifest(msgspec.Struct, frozen=True, rename="camel"):
    """What a package says of itself; further members are for people and tools."""

    runtime: str
    handler: str


def read_manifest(content: bytes) -> tuple[Manifest, dict[str, Any]]:
    """Check a package and return its manifest, read and whole. Raises BadPackage with what is wrong."""
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            _check_contents(archive.infolist())
            names = {each.filename for each in archive.infolist()}
            if MANIFEST not in names:
                raise BadPackage.at(MANIFEST, "is missing at the top of the package")
            if archive.getinfo(MANIFEST).file_size > MANIFEST_BYTES:
                raise BadPackage.at(MANIFEST, f"has more than {MANIFEST_BYTES // 1024} KiB")
            manifest, whole = _read(archive.read(MANIFEST))
            _check_handler(manifest, names)
            _check_bytes(archive)
            return manifest, whole
    except _DAMAGE as error:
        raise BadPackage(f"The package is no zip that can be read: {error}.") from None


def unpack(content: bytes, folder: Path) -> None:
    """Unpack a package that was checked into an empty folder, for reading alone."""
    with zipfile.ZipFile(BytesIO(content)) as archive:
        for each in archive.infolist():
            target = folder.joinpath(*PurePosixPath(each.filename).parts)
            if each.is_dir():
                target.mkdir(mode=0o755, parents=True, exist_ok=True)
                continue
            target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            with archive.open(each) as source, target.open("xb") as file:
                while piece := source.read(_PIECE):
                    file.write(piece)
            target.chmod(0o444)


def _check_contents(entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > MOST_FILES:
        raise BadPackage(f"The package has more than {MOST_FILES:,} files.")
    if sum(each.file_size for each in entries) > MOST_BYTES:
        raise BadPackage(f"The package unpacks to more than {MOST_BYTES >> 20} MiB.")
    files: set[str] = set()
    folders: set[str] = set()
    for each in entries:
        _check_entry(each)
        name = each.filename.rstrip("/")
        if name in files or (not each.is_dir() and name in folders):
            raise BadPackage.at(name, "is in the package twice")
        folders.update(str(parent) for parent in PurePosixPath(name).parents)
        (folders if each.is_dir() else files).add(name)
    doubled = files & folders
    if doubled:
        raise BadPackage.at(min(doubled), "is a file and a folder")


def _check_entry(each: zipfile.ZipInfo) -> None:
    name = each.filename
    parts = name.rstrip("/").split("/")
    if not name or name.startswith("/") or "\\" in name or ":" in parts[0] or not {"", ".", ".."}.isdisjoint(parts):
        raise BadPackage.at(name[:200], "is a name that leaves the package's folder, or none")
    if len(parts) > _MOST_PARTS or len(name) > 512 or any(ord(letter) < 32 or letter == "\x7f" for letter in name):
        raise BadPackage.at(name[:200].encode("unicode_escape").decode(), "is too long, or no plain name")
    kind = stat.S_IFMT(each.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise BadPackage.at(name, "is a link or another special file")
    if each.flag_bits & 0x1 or each.compress_type not in _METHODS:
        raise BadPackage.at(name, "is encrypted, or compressed by a method other than deflate")


def _check_bytes(archive: zipfile.ZipFile) -> None:
    """Read every file once: what is damaged is found here, not by a call. A file yields no more than it says."""
    for each in archive.infolist():
        with archive.open(each) as source:
            while source.read(_PIECE):
                continue


def _read(text: bytes) -> tuple[Manifest, dict[str, Any]]:
    try:
        whole = msgspec.json.decode(text, type=dict[str, Any])
        return msgspec.convert(whole, Manifest), whole
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError) as error:
        raise BadPackage.at(MANIFEST, f"can't be read: {error}") from None


def _check_handler(manifest: Manifest, names: set[str]) -> None:
    runtime = ALIASES.get(manifest.runtime, manifest.runtime)
    if runtime not in [each.value for each in Runtime]:
        raise BadPackage.at(f"{MANIFEST}.runtime", "is not python3, node or wasm")
    module, _, function = manifest.handler.partition(":")
    if runtime == Runtime.PYTHON3:
        path = module.replace(".", "/")
        found = function.isidentifier() and bool({f"{path}.py", f"{path}/__init__.py"} & names)
    else:
        found = module in names and (function == "" if runtime == Runtime.WASM else function.isidentifier())
    if not found:
        forms = {"python3": "module:function", "node": "file.mjs:function", "wasm": "file.wasm"}
        raise BadPackage.at(f"{MANIFEST}.handler", f"names nothing in the package; it reads {forms[runtime]}")
