"""Packages: what is taken, and what is refused before anything of it is unpacked."""

import io
import stat
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from provenance.skills import archive
from provenance.skills.archive import read_manifest, unpack
from provenance.skills.errors import BadPackage
from tests.skills.packages import MAIN, packed


def zipped(*entries: tuple[zipfile.ZipInfo | str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as made:
        made.writestr("skill.json", '{"runtime": "python3", "handler": "main:run"}')
        made.writestr("main.py", MAIN)
        for entry, content in entries:
            made.writestr(entry, content)
    return buffer.getvalue()


def special(name: str, kind: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = (kind | 0o777) << 16
    return entry


class TestTaken:
    def test_a_package_is_read_and_unpacked_for_reading(self, tmp_path: Path) -> None:
        content = packed({"main.py": MAIN, "vendor/lib/__init__.py": "x = 1\n", "data/": ""}, description="more")
        manifest, whole = read_manifest(content)
        assert (manifest.runtime, manifest.handler, whole["description"]) == ("python3", "main:run", "more")
        unpack(content, tmp_path)
        assert (tmp_path / "vendor/lib/__init__.py").read_text() == "x = 1\n"
        assert stat.S_IMODE((tmp_path / "main.py").stat().st_mode) == 0o444
        assert (tmp_path / "data").is_dir()

    @pytest.mark.parametrize(
        ("said", "files"),
        [
            ({"handler": "pkg.mod:run"}, {"pkg/mod.py": MAIN}),
            ({"handler": "pkg:run"}, {"pkg/__init__.py": MAIN}),
            ({"runtime": "python3.12"}, {"main.py": MAIN}),
            ({"runtime": "node", "handler": "src/main.mjs:run"}, {"src/main.mjs": ""}),
            ({"runtime": "node22", "handler": "main.js:default"}, {"main.js": ""}),
            ({"runtime": "wasm", "handler": "main.wasm"}, {"main.wasm": b"\0asm"}),
        ],
    )
    def test_each_runtime_has_its_form_of_handler(self, said: dict[str, str], files: dict[str, Any]) -> None:
        assert read_manifest(packed(files, **said))[0].handler == said.get("handler", "main:run")


class TestRefused:
    @pytest.mark.parametrize(
        "name",
        [
            "../evil",
            "a/../../evil",
            "/etc/evil",
            "a//b",
            "./a",
            "..",
            "C:/evil",
            "a\\..\\evil",
            "a\nb",
            "x" * 600,
            "a/" * 30 + "b",
        ],
        ids=range(11),
    )
    def test_names_that_leave_the_folder_or_are_none(self, name: str) -> None:
        with pytest.raises(BadPackage):
            read_manifest(zipped((name, b"")))

    @pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK])
    def test_links_and_special_files(self, kind: int) -> None:
        with pytest.raises(BadPackage, match="link or another special file"):
            read_manifest(zipped((special("evil", kind), b"/etc/passwd")))

    def test_doubled_names_and_files_that_are_folders(self) -> None:
        with pytest.warns(UserWarning, match="Duplicate name"):
            doubled = zipped(("main.py", b"evil"))
        for content in (doubled, zipped(("main.py/evil", b"")), zipped(("a", b""), ("a/", b""))):
            with pytest.raises(BadPackage):
                read_manifest(content)

    def test_bombs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(archive, "MOST_BYTES", 1 << 20)
        bomb = zipped(("zeros", bytes(4 << 20)), method=zipfile.ZIP_DEFLATED)
        assert len(bomb) < 20_000
        with pytest.raises(BadPackage, match="unpacks to more"):
            read_manifest(bomb)
        said_less = bomb.replace(struct.pack("<L", 4 << 20), struct.pack("<L", 1000))
        with pytest.raises(BadPackage):
            read_manifest(said_less)
        monkeypatch.setattr(archive, "MOST_FILES", 5)
        with pytest.raises(BadPackage, match="more than 5 files"):
            read_manifest(zipped(*((f"f{n}", b"") for n in range(10))))

    def test_encryption_and_other_methods(self) -> None:
        with pytest.raises(BadPackage, match="compressed by a method"):
            read_manifest(zipped(("a", b"x" * 100), method=zipfile.ZIP_LZMA))
        content = bytearray(zipped(("a", b"x")))
        at = content.rindex(b"PK\x01\x02")
        content[at + 8] |= 1
        with pytest.raises(BadPackage, match="encrypted"):
            read_manifest(bytes(content))

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"", "no zip"),
            (b"PK\x05\x06" + bytes(18), "skill.json: is missing"),
            (packed({"main.py": MAIN}, runtime="ruby"), "is not python3, node or wasm"),
            (packed({"main.py": MAIN}, handler="main"), "names nothing"),
            (packed({"main.py": MAIN}, handler="main:a b"), "names nothing"),
            (packed({"main.py": MAIN}, handler=7), "can't be read"),
        ],
        ids=["nothing", "empty", "runtime", "no function", "no name", "no text"],
    )
    def test_manifests(self, content: bytes, words: str) -> None:
        with pytest.raises(BadPackage, match=words):
            read_manifest(content)

    @given(at=some.integers(0, 10_000), value=some.integers(0, 255))
    @settings(max_examples=150, deadline=None)
    def test_damage_is_an_error_by_name_or_none(self, at: int, value: int) -> None:
        content = bytearray(packed({"main.py": MAIN, "data.txt": "words " * 50}))
        content[at % len(content)] = value
        try:
            read_manifest(bytes(content))
        except BadPackage:
            return
