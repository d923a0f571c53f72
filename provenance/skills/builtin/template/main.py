"""Fills in templates: values, loops and conditions, and no code."""

import html
import json
import re

from provenance_skill import Failed

_TAG = re.compile(r"\{\{\s*(.+?)\s*\}\}|\{%\s*(.+?)\s*%\}", re.DOTALL)
_PATH = re.compile(r"[A-Za-z_]\w*(\.\w+)*")
_FOR = re.compile(r"for\s+([A-Za-z_]\w*)\s+in\s+(\S+)")
_IF = re.compile(r"if\s+(not\s+)?(\S+)")


def run(input: dict) -> dict:
    """Fill in the template."""
    filler = Filler(input.get("escape", "none"), input.get("missing", "error"))
    tree, _ = parsed(tokens(input["template"]), 0, ())
    return {"text": filler.fill(tree, input.get("values", {}))}


def tokens(template: str) -> list[tuple[str, str]]:
    """Cut a template into texts, values and blocks."""
    found, at = [], 0
    for tag in _TAG.finditer(template):
        found.append(("text", template[at : tag.start()]))
        found.append(("value", tag[1]) if tag[1] is not None else ("block", tag[2]))
        at = tag.end()
    return [*found, ("text", template[at:])]


def parsed(found: list, at: int, until: tuple) -> tuple[list, int]:
    """Read tokens up to one of these blocks; returns the nodes, and the place of the block."""
    nodes = []
    while at < len(found):
        kind, text = found[at]
        if kind == "block" and text in until:
            return nodes, at
        if kind != "block":
            nodes.append((kind, text))
        elif loop := _FOR.fullmatch(text):
            inner, at = parsed(found, at + 1, ("endfor",))
            nodes.append(("for", loop[1], loop[2], inner))
        elif test := _IF.fullmatch(text):
            then, at = parsed(found, at + 1, ("else", "endif"))
            other = []
            if found[at][1] == "else":
                other, at = parsed(found, at + 1, ("endif",))
            nodes.append(("if", bool(test[1]), test[2], then, other))
        else:
            raise Failed("bad_template", f"{{% {text} %}} is not understood here.")
        at += 1
    if until:
        raise Failed("bad_template", f"{{% {until[-1]} %}} is missing.")
    return nodes, at


class Filler:
    """Writes nodes with values."""

    def __init__(self, escape: str, missing: str) -> None:
        """Take how values are escaped, and whether one that is missing is an error."""
        self.escape = escape
        self.missing = missing

    def fill(self, nodes: list, values: dict) -> str:
        """Write nodes."""
        return "".join(self.one(node, values) for node in nodes)

    def one(self, node: tuple, values: dict) -> str:
        """Write one node."""
        if node[0] == "text":
            return node[1]
        if node[0] == "value":
            return self.shown(self.value(node[1], values))
        if node[0] == "for":
            items = self.value(node[2], values)
            if not isinstance(items, list):
                raise Failed("bad_values", f"{node[2]} is no list.")
            return "".join(self.fill(node[3], {**values, node[1]: item}) for item in items)
        holds = bool(self.value(node[2], values, needed=False)) is not node[1]
        return self.fill(node[3] if holds else node[4], values)

    def value(self, path: str, values: dict, *, needed: bool = True) -> object:
        """Return what a path of names and places names."""
        if not _PATH.fullmatch(path):
            raise Failed("bad_template", f"{{{{ {path} }}}} is no name.")
        value: object = values
        for part in path.split("."):
            if isinstance(value, dict) and part in value:
                value = value[part]
            elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
                value = value[int(part)]
            elif needed and self.missing == "error":
                raise Failed("missing_value", f"There is no value for {path}.")
            else:
                return None
        return value

    def shown(self, value: object) -> str:
        """Write a value: a text as it is, nothing for null, else JSON."""
        if value is None:
            return ""
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        return html.escape(text) if self.escape == "html" else text
