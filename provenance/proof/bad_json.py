"""The refusal of a JSON text, and how the place of the fault is spelled."""

import json
import re
from collections.abc import Iterable
from typing import Final

QUOTED_AT_MOST: Final = 80
"""Characters of hostile input that an error ever repeats in one piece."""

_PATH_AT_MOST: Final = 240
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_UNSHOWABLE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class BadJson(ValueError):
    """A JSON text (or a value to be written as one) that the ledger does not take.

    `code` is one of `invalid_json`, `duplicate_key`, `nul_character`, `lone_surrogate`, `unsafe_integer`,
    `number_out_of_range`, `too_deep`, `invalid_utf8`; `path` names the place (`interaction.items[3].name`,
    `$` for the whole text); `issue` is one sentence for a person.
    """

    def __init__(self, code: str, path: str, issue: str) -> None:
        super().__init__(f"{path}: {issue}")
        self.code = code
        self.path = path
        self.issue = issue


def clip(text: str) -> str:
    """The text, or its first 80 characters with the last one an ellipsis."""
    return text if len(text) <= QUOTED_AT_MOST else text[: QUOTED_AT_MOST - 1] + "…"


def spell_path(root: str, steps: Iterable[str | int]) -> str:
    """Spell the way from `root` down through names and array indexes; of a very long way only the end."""
    path = "" if root == "$" else root
    for step in steps:
        if isinstance(step, int):
            path += f"[{step}]"
        elif _PLAIN_NAME.fullmatch(step):
            path += f".{clip(step)}" if path else clip(step)
        else:
            path += f"[{_quoted(step)}]"
    if len(path) > _PATH_AT_MOST:
        return "…" + path[1 - _PATH_AT_MOST :]
    return path or "$"


def _quoted(name: str) -> str:
    """A name as a JSON string; what cannot be sent or seen stays an escape."""
    text = json.dumps(clip(name), ensure_ascii=False)
    return _UNSHOWABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
