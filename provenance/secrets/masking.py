"""Masking: known secret values are taken out of what is about to be shown or kept (spec/automation.md, 5.11).

`core.masking` knows secrets by their shape, this by what they are.

A value is found as it is and in the forms it takes on its way: as JSON text, also of JSON within JSON, in a URL, in
HTML, in code, in base64 or hex. Parts of a structured secret count too, and long runs of letters and digits within a
value: however it is escaped, those stay as they are. What is shorter than six characters is not looked for: it would
match by chance.
"""

import asyncio
import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from html import escape
from typing import Any
from urllib.parse import quote, quote_plus

import msgspec

from provenance.core.masking import MASK

SHORTEST = 6
AT_ONCE = 200
"""Forms that are looked for at once; more take a millisecond and longer for an answer of ten kilobytes."""
_JSON_WITHIN_JSON = 3
_RUN = re.compile("[A-Za-z0-9]{16,}")
_LEFT_IN_URLS = ("", "/", "!'()*", ":/?#[]@!$&'()*+,;=")
"""What encoders of URLs leave as it is: all of ours, paths, encodeURIComponent and encodeURI."""


class Mask:
    """Takes the values it was made of out of texts and JSON values."""

    def __init__(self, values: Iterable[Any], *, shortest: int = SHORTEST) -> None:
        """Take texts, or JSON values whose every text counts that has ``shortest`` characters."""
        known = {text for value in values for text in _texts(value) if len(text) >= max(shortest, SHORTEST)}
        forms = {form for text in known for form in _forms(text)}
        self._forms = sorted(forms, key=lambda form: (-len(form), form))
        self._raw_forms = [form.encode() for form in self._forms]

    @property
    def forms(self) -> int:
        """How many forms are looked for."""
        return len(self._forms)

    def text(self, text: str) -> str:
        """Return a text without the values."""
        found = [form for form in self._forms if form in text]
        return re.sub("|".join(map(re.escape, found)), MASK, text) if found else text

    def raw(self, raw: bytes) -> bytes:
        """Return bytes without the values, in UTF-8."""
        found = [form for form in self._raw_forms if form in raw]
        return re.sub(b"|".join(map(re.escape, found)), MASK.encode(), raw) if found else raw

    def json(self, value: Any) -> Any:
        """Return a JSON value without the values, in members' names too; the value itself when there is none."""
        return self._walked(value) if self.is_in(value) else value

    async def json_aside(self, value: Any) -> Any:
        """Do `json`, in a thread where that takes long enough to hold up others."""
        return self.json(value) if self.forms <= AT_ONCE else await asyncio.to_thread(self.json, value)

    async def raw_aside(self, raw: bytes) -> bytes:
        """Do `raw`, in a thread where that takes long enough to hold up others."""
        return self.raw(raw) if self.forms <= AT_ONCE else await asyncio.to_thread(self.raw, raw)

    def is_in(self, value: Any) -> bool:
        """Tell whether any of the values is in a JSON value, which is written out for it: one look, not one a text."""
        try:
            written = msgspec.json.encode(value)
        except (UnicodeEncodeError, TypeError):
            return True
        return any(form in written for form in self._raw_forms)

    def _walked(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list | tuple):
            return [self._walked(each) for each in value]
        if isinstance(value, dict):
            return {self.text(name): self._walked(each) for name, each in value.items()}
        return value


def _texts(value: Any) -> Iterator[str]:
    """Yield every text of a value, and its parts: lines, as logs show it, and runs, which no escaping changes."""
    if isinstance(value, str):
        yield value
        yield from _RUN.findall(value)
        if "\n" in value:
            yield from (line.strip() for line in value.splitlines() if not line.startswith("-----"))  # of PEM
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def _forms(text: str) -> Iterator[str]:
    """Yield the forms of one text, and of the text in JSON: a structured secret is sent as such."""
    for sent in {text, *_once_in_json(text)}:
        raw = sent.encode()
        for plain in {sent, *_in_html(sent), *_in_code(sent)}:
            yield plain
            yield from _in_json(plain)
        yield from _in_urls(sent)
        yield raw.hex()
        yield raw.hex().upper()
        for encode in (b64encode, urlsafe_b64encode):
            yield from _inside_base64(raw, encode)


def _once_in_json(text: str) -> Iterator[str]:
    for ascii_only in (True, False):
        yield json.dumps(text, ensure_ascii=ascii_only)[1:-1]


def _in_json(text: str) -> Iterator[str]:
    """Yield a text as JSON has it, in ASCII or not, its slashes escaped or not; and as JSON within JSON has that."""
    for ascii_only in (True, False):
        within = text
        for _ in range(_JSON_WITHIN_JSON):
            within = json.dumps(within, ensure_ascii=ascii_only)[1:-1]
            yield within
        yield json.dumps(text, ensure_ascii=ascii_only)[1:-1].replace("/", "\\/")


def _in_code(text: str) -> Iterator[str]:
    """Yield a text as a literal between single quotes has it."""
    yield text.replace("\\", "\\\\").replace("'", "\\'")


def _in_html(text: str) -> Iterator[str]:
    """Yield a text as HTML has it: quotes left, by name, or by number."""
    yield escape(text, quote=False)
    yield escape(text)
    yield escape(text).replace("&#x27;", "&#39;")
    yield escape(text).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")
    yield escape(text).replace("&#x27;", "'")


def _in_urls(text: str) -> Iterator[str]:
    for left in _LEFT_IN_URLS:
        for coded in (quote(text, safe=left), quote_plus(text, safe=left)):
            yield coded
            yield re.sub("%..", lambda found: found[0].lower(), coded)


def _inside_base64(raw: bytes, encode: Any) -> Iterator[str]:
    """Yield the base64 of a value at each of three offsets, less the letters that its neighbours have part in."""
    for offset in range(3):
        text = encode(b"\0" * offset + raw).decode().rstrip("=")
        head = -(-offset * 8 // 6)
        tail = len(text) - (1 if (offset + len(raw)) % 3 else 0)
        if tail - head >= SHORTEST:
            yield text[head:tail]
