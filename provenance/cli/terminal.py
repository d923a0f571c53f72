"""What a terminal shows: consoles, badges, times and text that cannot take the terminal over."""

import json
import os
import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

Row = Mapping[str, Any]
"""One interaction as the server answers it."""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200e\u200f\u2028\u2029]")
_UNSAFE_IN_JSON = re.compile("[\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200e\u200f\u2028\u2029]")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}\Z")
_EMOJI = re.compile("[^\x00-\x7f]")

PREVIEW = 160
"""Characters of an interaction's content that a table shows; `--json` shows all of it."""

UNBOUNDED = 100_000
"""Columns of a table that goes to a file or a pipe: nothing is cut there."""


def plain(text: object) -> str:
    """Return the text with control and direction characters spelled out.

    Recorded data must not steer a terminal.
    """
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", str(text))


def as_json(value: object, *, indent: int | None = None) -> str:
    """Return JSON text that is safe to show; what was escaped reads back as the same value."""
    readable = (sys.stdout.encoding or "ascii").lower().replace("-", "") == "utf8"
    separators = None if indent else (",", ":")
    text = json.dumps(value, ensure_ascii=not readable, indent=indent, separators=separators)
    return _UNSAFE_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def print_json(value: object) -> None:
    """Print one JSON document: indented for a person at a terminal, on one line for a program."""
    typer.echo(as_json(value, indent=2 if sys.stdout.isatty() else None))


def say(message: str) -> None:
    """Print a message for the person, on stderr."""
    typer.echo(message, err=True)


def console(*, err: bool = False) -> "Console":
    """Return a rich console.

    Coloured on a terminal alone (NO_COLOR honoured), unbounded where there is no width.
    """
    from rich.console import Console

    stream = sys.stderr if err else sys.stdout
    bounded = stream.isatty() or "COLUMNS" in os.environ
    return Console(
        file=stream,
        width=None if bounded else UNBOUNDED,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=False,
    )


def coloured() -> bool:
    """Tell whether stdout shows colours: on a terminal whose person did not decline them (NO_COLOR)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def badge(row: Row, kind: str) -> "Text":
    """Return the coloured badge of a row's `resourceType`, `action` or `origin`, with its icon."""
    from rich.text import Text

    name = plain(row.get(f"{kind}Mnemonic") or "?")
    icon = row.get(f"{kind}Icon")
    label = f"{plain(icon)} {name}" if isinstance(icon, str) and _EMOJI.search(icon) else name
    if not coloured():
        return Text(label)
    font, background = row.get(f"{kind}FontColorHex"), row.get(f"{kind}BgColorHex")
    if not (isinstance(background, str) and _COLOUR.match(background)):
        return Text(label)
    ink = font if isinstance(font, str) and _COLOUR.match(font) else "#ffffff"
    return Text(f" {label} ", style=f"{ink} on {background}")


def moment(value: object) -> str:
    """Return a wire timestamp as `2024-01-15 10:30:00.000`, in UTC like the wire."""
    return plain(value or "").replace("T", " ").removesuffix("Z")


def preview(row: Row) -> str:
    """Return an interaction's content on one line, shortened for a table."""
    content = row.get("interaction")
    if content in (None, {}):
        return ""
    text = plain(json.dumps(content, ensure_ascii=False))
    return text if len(text) <= PREVIEW else text[: PREVIEW - 1] + "…"


def one_line(row: Row) -> "Text":
    """Return an interaction as one line: number, action, type, resource, origin."""
    from rich.text import Text

    line = Text.assemble((f"#{row['interactionNumber']}", "bold"), " ", badge(row, "action"), " ")
    line.append_text(badge(row, "resourceType")).append(" ")
    line.append(plain(row["resourceId"]), "bold").append(" from ").append_text(badge(row, "origin"))
    if row.get("userId"):
        line.append(f" by {plain(row['userId'])}")
    return line


def print_recorded(row: Row) -> None:
    """Print what was recorded: the interaction in one line, then the ids to find it by."""
    out = console()
    out.print(one_line(row), soft_wrap=True)
    out.print(f"interaction {row['interactionId']}", soft_wrap=True)
    out.print(f"unit of work {row['uowId']}", soft_wrap=True)


def print_line(row: Row) -> None:
    """Print an interaction as one line with its time and the beginning of its content, as a log does."""
    from rich.text import Text

    line = Text(moment(row["createdDate"])).append(" ").append_text(one_line(row)).append(f" {preview(row)}")
    out = console()
    out.print(line, no_wrap=True, overflow="ellipsis", crop=out.width < UNBOUNDED, soft_wrap=out.width == UNBOUNDED)
