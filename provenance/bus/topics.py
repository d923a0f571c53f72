"""Topics and patterns over them (spec/automation.md, 8.1 and 8.3).

A topic is one to eight segments of letters, digits, ``_``, ``.`` and ``-``, joined by ``/``, at most 256 bytes. In a
pattern ``+`` stands for one segment and a last ``#`` for any number of further ones, none among them.
"""

import re
from functools import lru_cache

TOPIC_BYTES = 256
LEVELS = 8
_SEGMENT = "[A-Za-z0-9_.-]+"
_TOPIC = re.compile(rf"{_SEGMENT}(/{_SEGMENT}){{0,{LEVELS - 1}}}")
_PATTERN = re.compile(rf"(({_SEGMENT}|\+)(/({_SEGMENT}|\+)){{0,{LEVELS - 1}}}(/#)?|#)")

TOPIC_RULE = (
    f"must be 1 to {LEVELS} segments of letters, digits, _ . - joined by /, {TOPIC_BYTES} bytes at most, "
    "such as orders/created"
)
PATTERN_RULE = "must be a topic in which + stands for one segment and a last # for the rest, such as orders/+/created"


def is_topic(text: str) -> bool:
    """Tell whether a text is a topic."""
    return len(text) <= TOPIC_BYTES and _TOPIC.fullmatch(text) is not None


def is_pattern(text: str) -> bool:
    """Tell whether a text is a pattern; every topic is one."""
    return len(text) <= TOPIC_BYTES and _PATTERN.fullmatch(text) is not None


def matches(pattern: str, topic: str) -> bool:
    """Tell whether a topic is one of a pattern's."""
    return compiled(pattern).fullmatch(topic) is not None


@lru_cache(maxsize=4096)
def compiled(pattern: str) -> re.Pattern[str]:
    """Return a pattern as a regular expression over whole topics; it costs time linear in the topic."""
    if pattern == "#":
        return re.compile(r".*")
    head, rest = (pattern[:-2], r"(/.*)?") if pattern.endswith("/#") else (pattern, "")
    return re.compile("/".join("[^/]+" if part == "+" else re.escape(part) for part in head.split("/")) + rest)


def specificity(pattern: str) -> tuple[int, ...]:
    """Order patterns by how much they say: the greatest of those that match a topic is the most specific.

    Compared segment by segment: a name says more than ``+``, that more than ``#``, and an end more than ``#``.
    """
    weights = {"+": 1, "#": 0}
    return (*(weights.get(part, 3) for part in pattern.split("/")), *(() if pattern.endswith("#") else (2,)))


def covers(patterns: tuple[str, ...], topic: str) -> bool:
    """Tell whether one of the patterns matches a topic."""
    return any(matches(pattern, topic) for pattern in patterns)


def within(patterns: tuple[str, ...], asked: str) -> bool:
    """Tell whether every topic of the pattern ``asked`` is one of a single pattern's among ``patterns``."""
    return any(_includes(pattern.split("/"), asked.split("/")) for pattern in patterns)


def _includes(wide: list[str], narrow: list[str]) -> bool:
    if wide[:1] == ["#"]:
        return True
    if not wide or not narrow:
        return wide == narrow
    if narrow[0] == "#" or (wide[0] != "+" and wide[0] != narrow[0]):
        return False
    return _includes(wide[1:], narrow[1:])
