"""Fifty secrets that all hold one word, so that the word in any encoding, anywhere, is a leak of one of them."""

import itertools
from base64 import b64encode, urlsafe_b64encode
from typing import Any

from provenance.core.ids import random_letters

SPECIAL = ('%"y\\z/+&', "<b>'x'</b>", "{{ input.n }}", "a=b;c,d e", "?#[]@!$()*", "~`^|:_-.", "///+++===", "plain")
"""What JSON, URLs, HTML, shells and templates write differently; each may stand in a header."""


class Flock:
    """The word of this run, and the secrets that were made with it."""

    def __init__(self) -> None:
        self.word = f"Kanari{random_letters(18)}"
        self.secrets: list[str] = []
        self._special = itertools.cycle(SPECIAL)

    def hatch(self) -> str:
        """Make one more secret."""
        made = f"{len(self.secrets):02}{next(self._special)}{self.word}{next(self._special)}{random_letters(6)}"
        self.secrets.append(made)
        return made

    @property
    def needles(self) -> list[bytes]:
        """The word raw, in hex, and in base64 at each offset; JSON, URLs and HTML write its letters as they are."""
        raw = self.word.encode()
        coded = [encode(b"\0" * at + raw).rstrip(b"=") for at in range(3) for encode in (b64encode, urlsafe_b64encode)]
        inner = [each[4 * bool(number // 2) : -2] for number, each in enumerate(coded)]
        return sorted({raw, raw.hex().encode(), raw.hex().upper().encode(), *inner})

    def found_in(self, where: str, data: bytes) -> list[str]:
        """Show the first leak of each form in some bytes."""
        found = [(needle, data.find(needle)) for needle in self.needles]
        return [f"{where}: …{data[max(0, at - 150) : at + 80]!r}…" for _, at in found if at >= 0]


def leaks(flock: Flock, said: dict[str, bytes]) -> list[str]:
    """Name the leaks in everything that was said, by where it was."""
    return [found for where, data in said.items() for found in flock.found_in(where, data)]


def as_bytes(value: Any) -> bytes:
    """Return a value of the database as bytes, sealed ones and texts alike."""
    return value if isinstance(value, bytes) else str(value).encode()
