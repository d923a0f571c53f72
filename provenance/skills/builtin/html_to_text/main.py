"""Turns HTML into text that a person, or a model, can read."""

import re
from html.parser import HTMLParser

_PARAGRAPHS = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "blockquote", "pre", "title"})
_LINES = {"address", "article", "aside", "div", "dl", "dt", "dd", "figure", "footer", "form", "header", "hr", "li"}
_BLOCKS = _PARAGRAPHS | _LINES | {"main", "nav", "section", "tr"}
_LEFT_OUT = frozenset({"script", "style", "template", "noscript", "iframe", "object", "svg", "head"})


def run(input: dict) -> dict:
    """Turn ``html`` into text, and list its links."""
    reader = Reader(input.get("links", True))
    reader.feed(input["html"])
    reader.close()
    return {"text": reader.text(), "links": reader.links}


class Reader(HTMLParser):
    """Collects the words of a page, block by block."""

    def __init__(self, links: bool) -> None:
        """Take whether addresses are written."""
        super().__init__(convert_charrefs=True)
        self.links: list[dict] = []
        self._written = links
        self._parts: list[str] = []
        self._left_out = 0
        self._kept = 0
        self._open: list[tuple[str, int]] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        """Begin an element."""
        if tag in _LEFT_OUT:
            self._left_out += 1
        elif self._left_out:
            return
        elif tag == "br":
            self._parts.append("\n")
        elif tag == "a":
            self._open.append((dict(attrs).get("href") or "", len(self._parts)))
        elif tag == "img":
            self._parts.append(dict(attrs).get("alt") or "")
        elif tag in _BLOCKS:
            self._block(tag)
            self._kept += tag == "pre"
            self._parts.append("- " if tag == "li" else "")
        elif tag in ("td", "th"):
            self._parts.append("\t")

    def handle_endtag(self, tag: str) -> None:
        """End an element."""
        if tag in _LEFT_OUT:
            self._left_out = max(0, self._left_out - 1)
        elif self._left_out:
            return
        elif tag == "a" and self._open:
            self._end_link()
        elif tag in _BLOCKS:
            self._kept = max(0, self._kept - (tag == "pre"))
            self._block(tag)

    def handle_data(self, data: str) -> None:
        """Take words."""
        if not self._left_out:
            self._parts.append(data if self._kept else re.sub(r"\s+", " ", data))

    def text(self) -> str:
        """Return what was read, without blanks that say nothing."""
        lines = [
            line.strip() if not line.startswith(" " * 4) else line.rstrip() for line in "".join(self._parts).split("\n")
        ]
        return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()

    def _block(self, tag: str) -> None:
        self._parts.append("\n\n" if tag in _PARAGRAPHS else "\n")

    def _end_link(self) -> None:
        address, at = self._open.pop()
        words = "".join(self._parts[at:]).strip()
        if not address or address.startswith(("#", "javascript:")):
            return
        self.links.append({"text": words, "href": address})
        if self._written and address != words:
            self._parts.append(f" ({address})")
