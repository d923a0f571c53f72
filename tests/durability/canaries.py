"""Secrets that a test lets fly, and the search for them in every byte that a system wrote."""

import base64
import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from provenance.core.ids import random_letters


@dataclass
class Canary:
    """One secret: its name, its bytes, and the answers that may hold it, by their labels."""

    name: str
    secret: bytes
    allowed: set[str] = field(default_factory=set)

    @cached_property
    def needles(self) -> set[bytes]:
        """How it may look: raw, hex, base64 in each of its three phases, in a URL, in JSON once and twice."""
        forms = {self.secret, self.secret.hex().encode(), self.secret.hex().upper().encode()}
        forms |= {*_in_base64(self.secret), quote(self.secret, safe="").encode()}
        with contextlib.suppress(UnicodeDecodeError):
            text = self.secret.decode()
            once = json.dumps(text)[1:-1]
            twice = json.dumps(once)[1:-1]
            unescaped = json.dumps(text, ensure_ascii=False)[1:-1]
            forms |= {once.encode(), twice.encode(), unescaped.encode()}
        return {form for form in forms if len(form) >= 8}


def _in_base64(secret: bytes) -> Iterator[bytes]:
    """The middle of the secret's base64 after no, one and two other bytes, in both alphabets."""
    for before in range(3):
        coded = base64.b64encode(bytes(before) + secret).rstrip(b"=")
        middle = coded[(before * 8 + 5) // 6 : -1]
        yield middle
        yield middle.replace(b"+", b"-").replace(b"/", b"_")


class Aviary:
    """All canaries of a test, every answer that was given meanwhile, and where one is found that should not be."""

    def __init__(self) -> None:
        self.canaries: dict[str, Canary] = {}
        self.answers: list[tuple[str, bytes]] = []

    def chosen(self, name: str, *, plain: bool = False) -> str:
        """Make a secret of our own choice; its special characters look different in each encoding."""
        secret = f"Kanari-{random_letters(14)}" + ("" if plain else '%"y\\z/é+')
        self.plant(name, secret)
        return secret

    def plant(self, name: str, secret: str | bytes, *allowed: str) -> None:
        """Watch for a secret, which the answers with these labels may hold."""
        raw = secret if isinstance(secret, bytes) else secret.encode()
        assert len(raw) >= 8, name
        self.canaries[name] = Canary(name, raw, set(allowed))

    def found_in(self, where: str, data: bytes, label: str | None = None) -> list[str]:
        """Name the canaries in some bytes; those that an answer of this label may hold do not count."""
        return [
            f"{canary.name} in {where}: …{data[max(0, at - 60) : at + 20]!r}…"
            for canary in self.canaries.values()
            if label not in canary.allowed
            for needle in canary.needles
            if (at := data.find(needle)) >= 0
        ]

    def found_in_answers(self) -> list[str]:
        """Look through everything that was answered."""
        return [found for label, data in self.answers for found in self.found_in(f"the answer {label}", data, label)]

    def found_below(self, folder: Path, *besides: str) -> list[str]:
        """Look through every file below a folder, but for those of these names at its top."""
        found = []
        for path in sorted(each for each in folder.rglob("*") if each.is_file() and not each.is_symlink()):
            if path.relative_to(folder).as_posix() not in besides:
                found += self.found_in(str(path.relative_to(folder)), path.read_bytes())
        return found
