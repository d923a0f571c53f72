"""Masking: known secret values are taken out of what is about to be shown or kept (spec/automation.md, 5.11).

`core.masking` knows secrets by their shape, this by what they are.

A value is found as it is and in the forms it takes on its way: as JSON text, in a URL, in base64 or hex. Parts of a
structured secret count too. What is shorter than six characters is not looked for: it would match by chance.
"""

import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

from provenance.core.masking import MASK

SHORTEST = 6


class Mask:
    """Takes the values it was made of out of texts and JSON values."""

    def __init__(self, values: Iterable[Any]) -> None:
        """Take texts, or JSON values whose every text counts."""
        forms = {form for value in values for text in _texts(value) for form in _forms(text)}
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if forms else None
        self._bytes = re.compile(b"|".join(re.escape(form.encode()) for form in longest_first)) if forms else None

    def text(self, text: str) -> str:
        """Return a text without the values."""
        return text if self._pattern is None else self._pattern.sub(MASK, text)

    def raw(self, raw: bytes) -> bytes:
        """Return bytes without the values, in UTF-8."""
        return raw if self._bytes is None else self._bytes.sub(MASK.encode(), raw)

    def json(self, value: Any) -> Any:
        """Return a JSON value without the values, in members' names too."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.json(each) for each in value]
        if isinstance(value, dict):
            return {self.text(name): self.json(each) for name, each in value.items()}
        return value


def _texts(value: Any) -> Iterator[str]:
    """Yield every text of a value; a text of several lines also line by line, as logs show it."""
    if isinstance(value, str):
        yield value
        if "\n" in value:
            yield from (line.strip() for line in value.splitlines())
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def _forms(text: str) -> Iterator[str]:
    """Yield the forms of one text that are long enough to be looked for."""
    if len(text) < SHORTEST:
        return
    raw = text.encode()
    yield text
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    yield quote(text, safe="")
    yield quote_plus(text)
    yield raw.hex()
    yield raw.hex().upper()
    for encode in (b64encode, urlsafe_b64encode):
        yield from _inside_base64(raw, encode)


def _inside_base64(raw: bytes, encode: Any) -> Iterator[str]:
    """Yield the base64 of a value at each of three offsets, less the letters that its neighbours have part in."""
    for offset in range(3):
        text = encode(b"\0" * offset + raw).decode().rstrip("=")
        head = -(-offset * 8 // 6)
        tail = len(text) - (1 if (offset + len(raw)) % 3 else 0)
        if tail - head >= SHORTEST:
            yield text[head:tail]
